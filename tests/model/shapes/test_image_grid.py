from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_array_equal
from PIL import Image

from shapegan.model.shapes.image_grid import (
    GENERATED_COLOR,
    arrange,
    camera_of,
    draw_shapes,
    write_png,
)
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.render import render

GAP = 4


@dataclass
class Mesh:
    vertices: np.ndarray
    faces: np.ndarray


def ball(radius=0.5, middle=(0.0, 0.0, 0.0)):
    found = trimesh.creation.icosphere(2, radius)
    return Mesh(found.vertices + np.array(middle), found.faces)


def box(*extents):
    found = trimesh.creation.box(extents)
    return Mesh(found.vertices, found.faces)


NOTHING = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def panels(grid, columns, size):
    return [
        grid[top : top + size, left : left + size]
        for top in range(0, grid.shape[0], size + GAP)
        for left in range(0, columns * (size + GAP), size + GAP)
    ]


def covered(panel):
    """Where a panel shows a thing, neither white nor the floor's shadow of pure grey."""
    return np.ptp(panel.astype(int), axis=-1) > 12


@pytest.mark.parametrize(
    ("shapes", "columns", "rows", "across"),
    [(1, 4, 1, 1), (3, 4, 1, 3), (4, 4, 1, 4), (5, 4, 2, 4), (3, 1, 3, 1)],
)
def test_an_image_grid_has_the_size_of_its_shapes(shapes, columns, rows, across):
    grid = draw_shapes([ball()] * shapes, columns, 32)
    assert grid.shape == (rows * (32 + GAP) - GAP, across * (32 + GAP) - GAP, 3)
    assert grid.dtype == np.uint8
    drawn = panels(grid, across, 32)
    assert all(covered(panel).mean() > 0.3 for panel in drawn[:shapes])
    assert all((panel == 255).all() for panel in drawn[shapes:])


def test_each_shape_is_at_its_place():
    meshes = [ball(0.3), box(1, 0.1, 0.1), ball(0.5), box(0.1, 1, 0.1)]
    camera = camera_of(meshes)
    drawn = panels(draw_shapes(meshes, 2, 48), 2, 48)
    for mesh, panel in zip(meshes, drawn, strict=True):
        picture = render(mesh.vertices, mesh.faces, size=48, camera=camera, color=GENERATED_COLOR)
        assert_array_equal(panel, picture)


def test_shapes_are_drawn_whole_at_one_scale():
    small, large = panels(draw_shapes([ball(0.25), ball(0.5)], 2, 64), 2, 64)
    assert covered(large).sum() == pytest.approx(4 * covered(small).sum(), rel=0.1)
    rim = np.ones((64, 64), bool)
    rim[1:-1, 1:-1] = False
    assert not covered(large)[rim].any()
    assert covered(large).any(axis=0).mean() > 0.8


def test_an_empty_shape_is_a_panel_that_says_so():
    shape, note = panels(draw_shapes([ball(), NOTHING], 2, 64), 2, 64)
    assert covered(shape).mean() > 0.3
    assert (note == (246, 246, 247)).all(axis=-1).mean() > 0.8
    assert note.min() < 160


def test_an_image_grid_of_empty_shapes():
    assert draw_shapes([NOTHING, NOTHING], 2, 32).shape == (32, 2 * 32 + GAP, 3)


def test_shapes_are_seen_from_the_front_the_right_and_above():
    """ShapeNet's chairs look to -z: the seat of one with its back at +z is seen, not its back."""
    back = np.array([1, 0, 0]) * Camera().axes[2]
    assert back[0] < -0.3
    assert Camera().axes[2][2] < -0.3
    assert Camera().axes[2][1] > 0.3


def test_a_camera_may_be_given():
    mesh = box(1.0, 0.2, 0.2)
    along = draw_shapes([mesh], 1, 48, Camera(azimuth=90, elevation=0))
    across = draw_shapes([mesh], 1, 48, Camera(azimuth=0, elevation=0))
    assert covered(across).sum() > 3 * covered(along).sum()


def test_shapes_have_their_colour():
    red = draw_shapes([ball()], 1, 32, color=(0.9, 0.1, 0.1))[16, 16].astype(int)
    assert red[0] > red[2] + 50
    blue = draw_shapes([ball()], 1, 32)[16, 16].astype(int)
    assert blue[2] > blue[0] + 30


@pytest.mark.parametrize(("meshes", "columns"), [([], 4), ([NOTHING], 0)])
def test_no_shapes_are_refused(meshes, columns):
    with pytest.raises(ValueError, match="expected at least 1 shape and 1 column"):
        draw_shapes(meshes, columns)


def test_pictures_are_arranged_row_by_row():
    pictures = [np.full((2, 3, 3), k, np.uint8) for k in range(5)]
    grid = arrange(pictures, 2)
    assert grid.shape == (3 * 2 + 2 * GAP, 2 * 3 + GAP, 3)
    assert [grid[0, 0, 0], grid[0, -1, 0], grid[6, 0, 0], grid[-1, 0, 0]] == [0, 1, 2, 4]
    assert (grid[-1, -1] == 255).all()


def test_a_picture_is_written_whole(tmp_path: Path):
    picture = np.random.default_rng(0).integers(0, 255, (8, 9, 3), dtype=np.uint8)
    path = tmp_path / "shapes.png"
    write_png(path, picture[:4])
    write_png(str(path), picture)
    assert_array_equal(np.asarray(Image.open(path)), picture)
    assert list(tmp_path.iterdir()) == [path]


def test_a_picture_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(OutputError, match=r"cannot write .*; fix that, or choose another path$"):
        write_png(tmp_path / "none" / "shapes.png", np.zeros((2, 2, 3), np.uint8))

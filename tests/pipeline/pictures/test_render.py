import dataclasses
import math

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.render import render

BALL = trimesh.creation.icosphere(subdivisions=4)
WALL = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=float)
QUAD = np.array([[0, 1, 2], [0, 2, 3]])
FRONT = Camera(azimuth=0, elevation=0)
RED, GREEN = (0.9, 0.1, 0.1), (0.1, 0.9, 0.1)


def alpha(*arguments, **options):
    """Share of each pixel that the mesh covers."""
    return render(*arguments, background=None, floor=False, **options)[..., 3] / 255


def test_the_disc_of_a_ball_has_the_right_area_and_position() -> None:
    camera = Camera(azimuth=70, elevation=40, field_of_view=30, target=(0.3, -0.2, 5), distance=6)
    size, radius = 240, 0.8
    cover = alpha(BALL.vertices * radius + camera.target, BALL.faces, size=size, camera=camera)
    seen = math.tan(math.asin(radius / 6)) / math.tan(math.radians(15)) * size / 2
    assert cover.sum() == pytest.approx(math.pi * seen**2, rel=0.01)
    rows, columns = np.mgrid[:size, :size] + 0.5
    assert (rows * cover).sum() / cover.sum() == pytest.approx(size / 2, abs=0.1)
    assert (columns * cover).sum() / cover.sum() == pytest.approx(size / 2, abs=0.1)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "point", "right", "up"),
    [
        (0, 0, (0.5, 0.25, 0), 0.5, 0.25),
        (90, 0, (0, 0.25, -0.5), 0.5, 0.25),
        (180, 0, (-0.5, 0.25, 0), 0.5, 0.25),
        (0, 89, (0.5, 0, -0.25), 0.5, 0.25),
    ],
)
def test_right_and_up_are_right_and_up_in_the_picture(
    azimuth: float, elevation: float, point: tuple[float, ...], right: float, up: float
) -> None:
    camera = Camera(azimuth, elevation, field_of_view=2, distance=100)
    half = 100 * math.tan(math.radians(1))
    vertices = BALL.vertices * 0.05 + point
    cover = alpha(vertices, BALL.faces, size=(100, 100), camera=camera)
    rows, columns = np.mgrid[:100, :100] + 0.5
    assert (columns * cover).sum() / cover.sum() == pytest.approx(50 + 50 * right / half, abs=0.5)
    assert (rows * cover).sum() / cover.sum() == pytest.approx(50 - 50 * up / half, abs=0.5)


def test_a_wide_picture_is_not_stretched() -> None:
    cover = alpha(BALL.vertices, BALL.faces, size=(60, 120), camera=FRONT)
    assert cover.shape == (60, 120)
    assert cover.any(axis=0).sum() == pytest.approx(cover.any(axis=1).sum(), abs=1)


def test_near_faces_hide_far_ones() -> None:
    small = WALL * 0.5 + [0, 0, 0.5]
    vertices = np.concatenate([WALL, small])
    together = np.concatenate([QUAD, QUAD + 4])
    far = alpha(vertices, QUAD, size=64, camera=FRONT)
    both = render(vertices, together, size=64, camera=FRONT, floor=False)
    without = render(vertices, QUAD, size=64, camera=FRONT, floor=False)
    behind = render(vertices, np.concatenate([QUAD + 4, QUAD]), size=64, camera=FRONT, floor=False)
    assert np.array_equal(both, behind)  # the order of the faces does not matter
    assert far[32, 32] == 1
    # From behind, the large wall hides all of the small one.
    back = dataclasses.replace(FRONT, azimuth=180)
    assert np.array_equal(
        render(vertices, together, size=64, camera=back, floor=False),
        render(WALL, QUAD, size=64, camera=back, floor=False),
    )
    assert not np.array_equal(both, without)


def test_the_winding_of_faces_does_not_show() -> None:
    generator = np.random.default_rng(0)
    faces = BALL.faces.copy()
    turned = generator.random(len(faces)) < 0.5
    faces[turned] = faces[turned, ::-1]
    straight = render(BALL.vertices, BALL.faces, size=96, camera=FRONT).astype(int)
    mixed = render(BALL.vertices, faces, size=96, camera=FRONT).astype(int)
    assert np.abs(straight - mixed).max() <= 3


def test_the_same_arguments_give_the_same_picture() -> None:
    first = render(BALL.vertices, BALL.faces, size=64)
    assert np.array_equal(first, render(BALL.vertices, BALL.faces, size=64))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert first.std() > 5


@given(exponent=st.floats(-6, 6), shift=st.tuples(*[st.floats(-1, 1)] * 3))
@examples(15)
def test_a_fitted_view_does_not_depend_on_size_and_position(
    exponent: float, shift: tuple[float, float, float]
) -> None:
    box = trimesh.creation.box((1, 2, 0.5))
    moved = 10**exponent * (box.vertices + shift)
    first = render(box.vertices, box.faces, size=48).astype(int)
    assert np.abs(first - render(moved, box.faces, size=48)).mean() < 1


def test_colour_and_background_are_as_requested() -> None:
    red = render(BALL.vertices, BALL.faces, size=48, color=RED, background=GREEN)
    assert tuple(red[0, 0]) == tuple(round(255 * value) for value in GREEN)
    assert red[24, 24, 0] > 2 * red[24, 24, 1]
    clear = render(BALL.vertices, BALL.faces, size=48, color=RED, background=None)
    assert clear.shape == (48, 48, 4)
    assert clear[0, 0, 3] == 0
    assert clear[24, 24, 3] == 255
    assert np.array_equal(clear[24, 24, :3], red[24, 24])


def test_edges_are_antialiased() -> None:
    edge = alpha(BALL.vertices, BALL.faces, size=48, camera=FRONT, samples=4)
    assert len(np.unique(edge)) > 8
    assert len(np.unique(alpha(BALL.vertices, BALL.faces, size=48, camera=FRONT, samples=1))) == 2


def test_light_comes_from_above_and_corners_are_darker() -> None:
    ball = render(BALL.vertices, BALL.faces, size=64, camera=FRONT, floor=False).astype(int)
    assert ball[14, 32].sum() > ball[50, 32].sum() + 60
    floor = trimesh.creation.box((4, 0.1, 4))
    box = trimesh.creation.box((1, 1, 1)).apply_translation([0, 0.55, 0])
    corner = trimesh.util.concatenate([floor, box])
    above = Camera(azimuth=0, elevation=89, distance=9)
    picture, bare = (
        render(mesh.vertices, mesh.faces, size=128, camera=above, floor=False).astype(int)
        for mesh in (corner, floor)
    )
    darker = (bare - picture)[64].sum(axis=-1)
    assert min(darker[41], darker[87]) > 20  # beside the box
    assert darker[87] > darker[41] + 20  # the lamp stands to the left
    assert darker[4] < 10  # far from it


def test_only_a_floor_shows_a_shadow() -> None:
    with_shadow = render(BALL.vertices, BALL.faces, size=96)
    without = render(BALL.vertices, BALL.faces, size=96, floor=False)
    changed = (with_shadow != without).any(axis=-1)
    assert changed[60:].sum() > 100
    assert not changed[:20].any()
    assert (with_shadow[changed] <= without[changed]).all()


def test_an_empty_mesh_gives_the_background() -> None:
    none = np.zeros((0, 3), int)
    assert (render(np.zeros((0, 3)), none, size=(8, 6)) == 255).all()
    assert (render(WALL, none, size=8, background=None) == 0).all()


def test_faces_without_an_area_change_nothing() -> None:
    faces = np.concatenate([QUAD, [[0, 0, 0], [1, 1, 2]]])
    assert np.array_equal(
        render(WALL, faces, size=32, camera=FRONT), render(WALL, QUAD, size=32, camera=FRONT)
    )
    assert render(WALL, np.array([[0, 0, 0]]), size=8).shape == (8, 8, 3)


def test_a_vertex_may_have_thousands_of_faces() -> None:
    turn = np.linspace(0, 2 * np.pi, 5_000, endpoint=False)
    rim = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=1)
    order = np.arange(len(rim))
    fan = np.stack([np.full_like(order, len(rim)), order, np.roll(order, -1)], axis=1)
    cover = alpha(np.concatenate([rim, [[0, 0, 0]]]), fan, size=96, camera=FRONT)
    seen = 48 / 5 / math.tan(math.radians(12))
    assert cover.sum() == pytest.approx(math.pi * seen**2, rel=0.01)


@pytest.mark.parametrize(
    ("vertices", "faces", "options", "words"),
    [
        (WALL[:, :2], QUAD, {}, "vertices: expected shape"),
        (WALL, QUAD[:, :2], {}, "faces: expected shape"),
        (WALL, QUAD + 1, {}, "faces: expected indices of 4"),
        (WALL, QUAD - 1, {}, "faces: expected indices of 4"),
        (WALL * np.nan, QUAD, {}, "vertices: expected finite"),
        (WALL, QUAD, {"size": 0}, "at least 1"),
        (WALL, QUAD, {"samples": 0}, "at least 1"),
    ],
)
def test_invalid_meshes_and_sizes_are_rejected(vertices, faces, options, words) -> None:
    with pytest.raises(ValueError, match=words):
        render(vertices, faces, **options)

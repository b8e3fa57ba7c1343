import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose

from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.schema import grid_points


def grid(resolution: int):
    return grid_points(resolution).reshape(resolution, resolution, resolution, 3)


def test_the_surface_of_a_ball_is_a_closed_sphere() -> None:
    middle = np.array([0.2, -0.1, 0.3])
    vertices, faces = extract_surface(np.linalg.norm(grid(48) - middle, axis=-1) - 0.5)
    assert_allclose(np.linalg.norm(vertices - middle, axis=1), 0.5, atol=2e-3)
    mesh = trimesh.Trimesh(vertices, faces)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.01)  # wound outward


def test_a_level_moves_the_surface() -> None:
    vertices, _ = extract_surface(np.linalg.norm(grid(48), axis=-1) - 0.5, level=0.25)
    assert_allclose(np.linalg.norm(vertices, axis=1), 0.75, atol=2e-3)


@pytest.mark.parametrize("resolution", [3, 4, 16])
def test_shapes_that_fill_the_cube_are_closed_at_its_border(resolution: int) -> None:
    vertices, faces = extract_surface(
        (np.abs(grid(resolution)).max(axis=-1) - 1).astype(np.float16)
    )
    mesh = trimesh.Trimesh(vertices, faces)
    assert mesh.is_watertight
    assert_allclose(mesh.bounds, [[-1, -1, -1], [1, 1, 1]], atol=1e-6)


@pytest.mark.parametrize(("value", "faces"), [(1.0, False), (0.0, False), (-1.0, True)])
def test_fields_of_one_sign_are_all_or_nothing(value: float, faces: bool) -> None:
    found = extract_surface(np.full((4, 4, 4), value))
    assert bool(len(found[1])) is faces
    assert found[0].shape[1:] == found[1].shape[1:] == (3,)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 5), (1, 1, 1), (0, 0, 0)])
def test_grids_that_are_not_cubes_are_rejected(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        extract_surface(np.zeros(shape))


def test_grids_that_are_not_finite_are_rejected() -> None:
    with pytest.raises(ValueError, match="finite"):
        extract_surface(np.full((4, 4, 4), np.nan))

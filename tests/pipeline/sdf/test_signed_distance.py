"""Signed distances against formulas, and what is sampled from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import formulas, shapes
from support.examples import examples
from support.signed_fields import ask, f32, field_of

from shapegan.pipeline.schema import grid_points


def test_box_is_exact(box):
    points = shapes.points_around(4000)
    answer = ask(box, points)
    expected = formulas.box_distance(points, (1.6, 1.2, 0.8))
    np.testing.assert_allclose(answer.sdf, expected, atol=1e-6)
    assert (answer.sdf < 0).any()
    assert answer.sdf.dtype == np.float32
    assert answer.closest.shape == (4000, 3)


def test_fine_sphere_is_nearly_exact():
    points = shapes.points_around(2000)
    got = ask(field_of(shapes.icosphere(0.8, 4)), points).sdf
    np.testing.assert_allclose(got, formulas.sphere_distance(points, 0.8), atol=1.5e-3)


def test_fine_torus_is_nearly_exact():
    points = shapes.points_around(2000)
    got = ask(field_of(shapes.turned(shapes.torus(sections=96), 0.3)), points).sdf
    np.testing.assert_allclose(got, formulas.torus_distance(points), atol=4e-3)


@pytest.mark.parametrize("mesh", [shapes.l_shape(), shapes.icosphere(0.8)], ids=["L", "sphere"])
def test_distances_agree_with_a_slow_reference(mesh):
    near = [shapes.points_near(mesh, 60, gap) for gap in (1e-2, 1e-3)]
    points = np.concatenate([shapes.points_around(500, 3), *near])
    expected = shapes.signed_distances(points, *mesh)
    got = ask(field_of(mesh), points).sdf
    np.testing.assert_allclose(got, expected, atol=2e-6)
    np.testing.assert_array_equal(got < 0, expected < 0)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("side", [-1, 1])
def test_sign_turns_at_the_surface(box, axis, side):
    half = np.array([0.8, 0.6, 0.4])
    step = 1e-4
    points = shapes.points_around(100, axis) * f32(half * 0.95)
    for outwards in (step, -step):
        points[:, axis] = side * (half[axis] + outwards)
        np.testing.assert_allclose(ask(box, points).sdf, outwards, atol=1e-6)


def test_far_points(box):
    got = ask(box, f32([[100, 0, 0], [0, -50, 0], [3, 4, 0.1]])).sdf
    np.testing.assert_allclose(got, [99.2, 49.4, np.hypot(2.2, 3.4)], rtol=1e-6)


def test_signs_are_right_on_the_diagonal_of_a_plate():
    """Here ways to the winding number's references meet edges exactly."""
    at = np.linspace(-0.9, 0.9, 61)
    points = f32(np.stack([at, at, 0 * at + 0.004], axis=1))
    sdf = ask(field_of(shapes.thin_plate(0.01)), points).sdf
    np.testing.assert_allclose(sdf, -0.001, atol=1e-6)


FIELDS = {
    "L": shapes.turned(shapes.l_shape(), 0.3),
    "plane": shapes.plane(),
    "two": shapes.join(shapes.box((0.5, 0.5, 0.5), (-0.6, 0, 0)), shapes.icosphere(0.3)),
}
CACHE = {}


def cached(name):
    if name not in CACHE:
        CACHE[name] = field_of(FIELDS[name])
    return CACHE[name]


@examples(40)
@given(
    name=st.sampled_from(["L", "two", "plane"]),
    seed=st.integers(0, 2**32 - 1),
    length=st.sampled_from([2.0, 0.1, 0.003]),
)
def test_the_field_is_lipschitz_along_segments(name, seed, length):
    random = np.random.default_rng(seed)
    start = random.uniform(-1, 1, (20, 1, 3))
    along = random.standard_normal((20, 1, 3))
    along *= length / np.linalg.norm(along, axis=2, keepdims=True)
    points = start + np.linspace(0, 1, 30)[:, None] * along
    sdf = ask(cached(name), f32(points.reshape(-1, 3))).sdf.reshape(20, 30)
    assert np.abs(np.diff(sdf, axis=1)).max() <= length / 29 + 2e-6


@pytest.mark.parametrize("name", ["L", "plane", "two"])
def test_closest_points_lie_on_the_zero_set(name):
    points = shapes.points_around(1000, 5)
    answer = ask(cached(name), points)
    gap = np.linalg.norm(points - answer.closest, axis=1)
    np.testing.assert_allclose(gap, np.abs(answer.sdf), atol=2e-6)
    np.testing.assert_allclose(ask(cached(name), answer.closest).sdf, 0, atol=2e-6)


def test_interior_faces_do_not_bound_distances():
    """A pillar through a block: within the block its sides are in nobody's way."""
    block, pillar = shapes.box(subdivisions=2), shapes.box((0.3, 0.4, 1.6), subdivisions=2)
    field = field_of(shapes.join(block, pillar))
    points = f32([[0.16, 0.01, 0.02], [-0.13, 0.02, 0.01], [0.03, 0.21, 0.02], [0.14, 0.05, 0.6]])
    expected = [-0.34, -0.37, -0.29, -0.01]
    np.testing.assert_allclose(ask(field, points).sdf, expected, atol=1e-6)


@pytest.mark.parametrize("resolution", [8, 17])
def test_voxels_are_the_field_at_the_grid(box, resolution):
    voxels = box.voxels(resolution)
    assert voxels.shape == (resolution,) * 3
    flat = ask(box, grid_points(resolution)).sdf
    np.testing.assert_array_equal(voxels.ravel(), flat)
    # Index order x, y, z: the box is longest in x.
    half = (resolution - 1) / 2
    for axis, size in enumerate((1.6, 1.2, 0.8)):
        inside = (voxels < 0).any(axis=tuple({0, 1, 2} - {axis})).sum()
        assert inside == 1 + 2 * int(half * size / 2 - 1e-9) - (resolution % 2 == 0) * (
            1 - 2 * ((half * size / 2 - 1e-9) % 1 > 0.5)
        )


def test_voxels_of_a_shape_off_centre():
    """Tells the axes and their directions apart."""
    mesh = shapes.box((0.4, 0.5, 0.6), (0.5, -0.3, 0.1))
    voxels = field_of(mesh).voxels(9)
    axis = np.linspace(-1, 1, 9)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    expected = formulas.box_distance(grid - np.array([0.5, -0.3, 0.1]), (0.4, 0.5, 0.6))
    np.testing.assert_allclose(voxels.ravel(), expected, atol=1e-6)


def test_surface_points_are_spread_by_area(box):
    points = box.surface_points(20_000, np.random.default_rng(0))
    assert points.shape == (20_000, 3)
    assert points.dtype == np.float32
    np.testing.assert_allclose(formulas.box_distance(points, (1.6, 1.2, 0.8)), 0, atol=1e-6)
    half = np.array([0.8, 0.6, 0.4])
    areas = np.array([1.2 * 0.8, 1.6 * 0.8, 1.6 * 1.2])
    for axis in range(3):
        for side in (-1, 1):
            share = (np.abs(side * points[:, axis] - half[axis]) < 1e-6).mean()
            assert share == pytest.approx(areas[axis] / areas.sum() / 2, abs=0.01)
    top = points[np.abs(points[:, 2] - 0.4) < 1e-6]
    np.testing.assert_allclose(top[:, :2].mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(top[:, :2].var(axis=0), np.array([1.6, 1.2]) ** 2 / 12, rtol=0.05)


def test_surface_points_depend_on_the_random_generator_alone(box):
    first, second, other = (
        box.surface_points(50, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_distances_do_not_depend_on_the_order_of_points(box):
    points = shapes.points_around(300)
    order = np.random.default_rng(0).permutation(300)
    whole, mixed = ask(box, points), ask(box, points[order])
    np.testing.assert_array_equal(whole.sdf[order], mixed.sdf)
    np.testing.assert_array_equal(whole.closest[order], mixed.closest)


def test_no_points(box):
    assert ask(box, np.zeros((0, 3), np.float32)).sdf.shape == (0,)

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf.caps import NO_CAPS, find_caps, join_to_surface
from shapegan.pipeline.sdf.shell_queries import ShellQueries
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell.build import build_shell
from shapegan.pipeline.shell.wall_thickness import local_thickness, thicken_thin_parts

THICKNESS = 0.016


def field_of(mesh, thickness=THICKNESS, *, thicken=False):
    shell = build_shell(*mesh)
    thin = thicken_thin_parts(shell, local_thickness(shell), thickness) if thicken else None
    return SignedDistance(ShellQueries.of(shell), thickness, thin)


def capped(field, resolution):
    """The voxels of a field, its caps, and the field and its voxels with them."""
    grid, shape = field.queries.query(grid_points(resolution)), (resolution,) * 3
    voxels = field.evaluate(grid)[0].reshape(shape)
    caps = find_caps(voxels, grid.winding_numbers().reshape(shape))
    caps = join_to_surface(caps, field.queries.nearest_boundary, voxel_spacing(resolution))
    queries = field.queries.with_caps(caps)
    field = SignedDistance(queries, field.sheet_thickness, field.thin_parts)
    return voxels, caps, field, field.evaluate(queries.add_caps(grid))[0].reshape(shape)


class Answer(NamedTuple):
    sdf: np.ndarray
    closest: np.ndarray


def ask(field, points):
    return Answer(*field.signed_distances(points))


def f32(points):
    return np.asarray(points, np.float32)


@pytest.fixture(scope="module")
def box():
    return field_of(shapes.box((1.6, 1.2, 0.8), subdivisions=1))


@pytest.fixture(scope="module")
def plane():
    return field_of(shapes.plane((1.5, 1.0)))


def test_box_is_exact(box):
    points = shapes.points_around(4000)
    answer = ask(box, points)
    expected = shapes.box_distance(points, (1.6, 1.2, 0.8))
    np.testing.assert_allclose(answer.sdf, expected, atol=1e-6)
    assert (answer.sdf < 0).any()
    assert answer.sdf.dtype == np.float32
    assert answer.closest.shape == (4000, 3)


def test_fine_sphere_is_nearly_exact():
    points = shapes.points_around(2000)
    got = ask(field_of(shapes.icosphere(0.8, 4)), points).sdf
    np.testing.assert_allclose(got, shapes.sphere_distance(points, 0.8), atol=1.5e-3)


def test_fine_torus_is_nearly_exact():
    points = shapes.points_around(2000)
    got = ask(field_of(shapes.turned(shapes.torus(sections=96), 0.3)), points).sdf
    np.testing.assert_allclose(got, shapes.torus_distance(points), atol=4e-3)


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


def test_sheets_get_their_thickness(plane):
    points = shapes.points_around(3000)
    bare = shapes.plane_distance(points, (1.5, 1.0))
    answer = ask(plane, points)
    np.testing.assert_allclose(answer.sdf, bare - THICKNESS, atol=1e-6)
    foot = shapes.plane_foot(points, (1.5, 1.0))
    lifted = foot + THICKNESS * (points - foot) / bare[:, None]
    clear = bare > 0.01
    # Of a far point, float32 tells no better where a face is nearest.
    np.testing.assert_allclose(answer.closest[clear], lifted[clear], atol=2e-4)
    assert len(plane.queries.shell.sheets) == 32


def test_within_a_sheet_the_nearer_side_counts(plane):
    answer = ask(plane, f32([[0.1, 0.2, 0.01], [0.1, 0.2, -0.01], [0.1, 0.2, 0]]))
    np.testing.assert_allclose(answer.sdf, [-0.006, -0.006, -0.016], atol=1e-6)
    np.testing.assert_allclose(answer.closest[:, 2], [0.016, -0.016, 0.016], atol=1e-6)


def test_thickness_is_an_option():
    for thickness in (0.1, 0.004):
        field = field_of(shapes.plane(), thickness)
        np.testing.assert_allclose(ask(field, f32([[0, 0, 0.3]])).sdf, 0.3 - thickness, atol=1e-6)


def test_the_distance_of_a_sheet_without_thickness_is_unsigned():
    points = shapes.points_around(500)
    answer = ask(field_of(shapes.plane(), 0.0), points)
    np.testing.assert_allclose(answer.sdf, shapes.plane_distance(points), atol=1e-6)
    np.testing.assert_allclose(answer.closest[:, 2], 0, atol=1e-6)
    gap = np.linalg.norm(points - answer.closest, axis=1)
    np.testing.assert_allclose(gap, answer.sdf, atol=1e-6)


def test_a_sheet_without_thickness_bounds_the_distances_outside_a_solid():
    sheet, solid = shapes.plane(), shapes.box((0.5, 0.5, 0.5), (0, 0, -0.7))
    field = field_of(shapes.join(sheet, solid), 0.0)
    points = shapes.points_around(1500)
    expected = np.minimum(
        shapes.plane_distance(points),
        shapes.box_distance(points + np.array([0, 0, 0.7]), (0.5, 0.5, 0.5)),
    )
    sdf = ask(field, points).sdf
    np.testing.assert_allclose(sdf, expected, atol=1e-6)
    assert (sdf < 0).any()
    on_it = field.surface_points(2000, np.random.default_rng(0))
    np.testing.assert_allclose(ask(field, on_it).sdf, 0, atol=1e-5)
    assert (np.abs(on_it[:, 2]) < 1e-6).mean() > 0.4


def test_sheets_and_solids_are_one_field():
    sheet, solid = shapes.plane(), shapes.box((0.5, 0.5, 0.5), (0, 0, -0.7))
    field = field_of(shapes.join(sheet, solid))
    points = shapes.points_around(1500)
    expected = np.minimum(
        shapes.plane_distance(points) - THICKNESS,
        shapes.box_distance(points + np.array([0, 0, 0.7]), (0.5, 0.5, 0.5)),
    )
    np.testing.assert_allclose(ask(field, points).sdf, expected, atol=1e-6)


def test_interior_faces_do_not_bound_distances():
    """A pillar through a block: within the block its sides are in nobody's way."""
    block, pillar = shapes.box(subdivisions=2), shapes.box((0.3, 0.4, 1.6), subdivisions=2)
    field = field_of(shapes.join(block, pillar))
    points = f32([[0.16, 0.01, 0.02], [-0.13, 0.02, 0.01], [0.03, 0.21, 0.02], [0.14, 0.05, 0.6]])
    expected = [-0.34, -0.37, -0.29, -0.01]
    np.testing.assert_allclose(ask(field, points).sdf, expected, atol=1e-6)


def test_thin_walls_keep_their_thickness_by_default():
    field = field_of(shapes.thin_plate(0.01))
    points = shapes.points_around(1000)
    expected = shapes.box_distance(points, (2, 2, 0.01))
    np.testing.assert_allclose(ask(field, points).sdf, expected, atol=1e-6)


def test_thin_walls_grow_to_the_thickness_of_sheets():
    field = field_of(shapes.thin_plate(0.01), thicken=True)
    assert len(field.thin_parts.faces) > 0
    points = shapes.points_around(1000) * f32([0.7, 0.7, 1])
    answer = ask(field, points)
    # Half of 0.01 is there, 0.011 is lacking.
    np.testing.assert_allclose(answer.sdf, np.abs(points[:, 2]) - THICKNESS, atol=1e-4)
    gap = np.linalg.norm(points - answer.closest, axis=1)
    np.testing.assert_allclose(gap, np.abs(answer.sdf), atol=1e-5)
    inner = ask(field, f32([[0.1, 0.23, 0.004], [0.1, 0.23, 0.008], [0.1, 0.23, -0.004]]))
    np.testing.assert_allclose(inner.sdf, [-0.012, -0.008, -0.012], atol=1e-4)


def test_a_sheet_beside_a_thin_wall_keeps_its_thickness():
    """Where both are as near, the thicker one counts."""
    wall = shapes.thin_plate(0.01)
    sheet = shapes.moved(shapes.plane((0.5, 1.0)), (1.25, 0, 0))
    field = field_of(shapes.join(wall, sheet), thicken=True)
    assert len(field.thin_parts.faces)
    assert len(field.queries.shell.sheets)
    points = shapes.points_around(4000, reach=1.5) * f32([1, 1, 0.2])
    sdf = ask(field, points).sdf
    assert (sdf < shapes.distances(points, *sheet) - THICKNESS + 1e-5).all()
    over = (np.abs(points[:, :2]) < 0.7).all(axis=1)
    np.testing.assert_allclose(sdf[over], np.abs(points[over, 2]) - THICKNESS, atol=1e-4)


def test_thick_walls_do_not_grow(box):
    field = field_of(shapes.box((1.6, 1.2, 0.8), subdivisions=1), thicken=True)
    points = shapes.points_around(500)
    np.testing.assert_array_equal(ask(field, points).sdf, ask(box, points).sdf)
    assert len(field.thin_parts.faces) == 0


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
    expected = shapes.box_distance(grid - np.array([0.5, -0.3, 0.1]), (0.4, 0.5, 0.6))
    np.testing.assert_allclose(voxels.ravel(), expected, atol=1e-6)


def test_a_closed_shape_gets_no_caps(box):
    before, caps, _, after = capped(box, 16)
    np.testing.assert_array_equal(before, box.voxels(16))
    np.testing.assert_array_equal(after, before)
    assert caps is NO_CAPS


@pytest.mark.parametrize("resolution", [24, 64])
def test_results_of_queries_are_reused(bottomless, resolution):
    """Adding caps to them gives what a new query gives, and leaves them as they were."""
    before, _, field, after = capped(bottomless, resolution)
    np.testing.assert_array_equal(field.voxels(resolution), after)
    np.testing.assert_array_equal(bottomless.voxels(resolution), before)


@pytest.fixture(scope="module")
def bottomless():
    """A box of loose panels without its bottom: no rim says where the inside ends."""
    vertices, faces = shapes.soup(shapes.open_box((1.4, 1.4, 1.4), subdivisions=3))
    mesh = vertices * f32([1, 1, -1]), faces
    return field_of(mesh)


def test_wide_openings_get_a_cap(bottomless):
    resolution = 24
    before, caps, field, after = capped(bottomless, resolution)
    assert len(caps.faces) > 0
    spacing = voxel_spacing(resolution)
    jumps = [np.abs(np.diff(grid, axis=2)).max() for grid in (before, after)]
    assert jumps[0] > 4 * spacing
    assert jumps[1] < 1.6 * spacing
    # Signs flip at the cap, which is flat between the voxels that it was made from.
    moved = (after < 0) != (before < 0)
    assert moved.mean() < 1e-3
    assert np.abs(after[moved]).max(initial=0) < 0.5 * spacing
    assert np.abs(before[moved]).max(initial=0) < 0.56 * spacing  # beside the flip without a cap
    assert (np.abs(after) <= np.abs(before) + 1e-6).all()
    middle = ask(field, f32([[0, 0, 0], [0, 0, -0.5], [0, 0, -0.95]])).sdf
    np.testing.assert_array_equal(np.sign(middle), [-1, -1, 1])


def test_surface_points_are_spread_by_area(box):
    points = box.surface_points(20_000, np.random.default_rng(0))
    assert points.shape == (20_000, 3)
    assert points.dtype == np.float32
    np.testing.assert_allclose(shapes.box_distance(points, (1.6, 1.2, 0.8)), 0, atol=1e-6)
    half = np.array([0.8, 0.6, 0.4])
    areas = np.array([1.2 * 0.8, 1.6 * 0.8, 1.6 * 1.2])
    for axis in range(3):
        for side in (-1, 1):
            share = (np.abs(side * points[:, axis] - half[axis]) < 1e-6).mean()
            assert share == pytest.approx(areas[axis] / areas.sum() / 2, abs=0.01)
    top = points[np.abs(points[:, 2] - 0.4) < 1e-6]
    np.testing.assert_allclose(top[:, :2].mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(top[:, :2].var(axis=0), np.array([1.6, 1.2]) ** 2 / 12, rtol=0.05)


def test_surface_points_of_sheets_lie_on_both_sides(plane):
    points = plane.surface_points(4000, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(points[:, 2]), THICKNESS, atol=1e-6)
    assert (points[:, 2] > 0).mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(ask(plane, points).sdf, 0, atol=2e-6)


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


def test_parts_grow_only_where_they_are_searched_for():
    mesh = shapes.join(shapes.box((1.6, 1.2, 0.008)), shapes.box((0.4, 0.4, 0.8), (0, 0, 0.4)))
    plain, grown = field_of(mesh), field_of(mesh, thicken=True)
    points = grid_points(24)
    chosen = np.random.default_rng(0).random(len(points)) < 0.5
    before, after = (one.distances(one.queries.query(points)) for one in (plain, grown))
    got = grown.distances(grown.queries.query(points), chosen)
    np.testing.assert_array_equal(got[chosen], after[chosen])
    outside = ~chosen & (before > 0)
    np.testing.assert_array_equal(got[outside], before[outside])
    assert (after[outside] < before[outside] - 0.005).any()

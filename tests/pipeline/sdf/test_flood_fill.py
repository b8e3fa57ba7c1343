import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import formulas, shapes
from support.examples import examples

from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf import flood_fill as module
from shapegan.pipeline.sdf.flood_fill import FloodedDistance

CELL = voxel_spacing(module.RESOLUTION)
COARSE = 48
T = 0.02
SIZE = (1.2, 1.0, 0.8)


def fill(mesh, thickness=T):
    return FloodedDistance(*mesh, thickness)


def holed_box(width):
    """A cube of side 1.6 with a square hole in the middle of its top."""
    vertices, faces = shapes.box((1.6, 1.6, 1.6))
    rest = faces[~(vertices[faces][:, :, 2] > 0.79).all(axis=1)]
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    flat = np.concatenate([0.8 * square, width / 2 * square])
    ring = [[k, (k + 1) % 4, (k + 1) % 4 + 4] for k in range(4)]
    ring += [[k, (k + 1) % 4 + 4, k + 4] for k in range(4)]
    top = np.pad(flat, ((0, 0), (0, 1)), constant_values=0.8), np.array(ring, np.int32)
    return shapes.join((vertices, rest), top)


@pytest.fixture(scope="module")
def box():
    return fill(shapes.box(SIZE))


@pytest.fixture
def coarse(monkeypatch):
    """Floods coarser grids, in less time; gives their cell."""
    cell = voxel_spacing(COARSE)
    monkeypatch.setattr(module, "RESOLUTION", COARSE)
    monkeypatch.setattr(module, "PROBE_DISTANCE", 1.5 * cell)
    return cell


@pytest.fixture(scope="module")
def sheet():
    return fill(shapes.plane((1.5, 1.0)))


# --- what it gives -------------------------------------------------------------------------------


def test_a_box_grows_by_the_thickness(box):
    points = shapes.points_around(4000, reach=1.3)  # the cube's border is at 1
    sdf, closest = box.signed_distances(points)
    truth = formulas.box_distance(points, SIZE)
    np.testing.assert_allclose(sdf, truth - T, atol=1e-6)
    np.testing.assert_allclose(formulas.box_distance(closest, SIZE), T, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(points - closest, axis=1), np.abs(sdf), atol=1e-6)
    assert (truth < -T).any()
    assert sdf.dtype == closest.dtype == np.float32
    assert (sdf.shape, closest.shape) == ((4000,), (4000, 3))


@pytest.mark.parametrize("gap", [1e-4, 1e-3, 0.25 * CELL, 0.9 * CELL, 1.5 * CELL, 2 * CELL])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_sign_is_right_on_both_sides_of_a_face(box, gap, side):
    across = shapes.points_around(60, reach=0.3)
    for axis in range(3):
        points = across.copy()
        points[:, axis] = SIZE[axis] / 2 + side * gap
        sdf, closest = box.signed_distances(points)
        np.testing.assert_allclose(sdf, side * gap - T, atol=1e-6)
        np.testing.assert_allclose(closest[:, axis], SIZE[axis] / 2 + T, atol=1e-6)


def test_the_sign_is_right_beside_faces_of_any_slant():
    mesh = shapes.icosphere(0.8, 1)
    corners = mesh[0][mesh[1]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    field = fill(mesh)
    weights = np.random.default_rng(0).dirichlet((4, 4, 4), 30)  # off the edges
    there = np.einsum("pk,fkd->fpd", weights, corners)
    for gap in (1e-3, 0.25 * CELL, 0.9 * CELL):
        for side in (-1, 1):
            points = (there + side * gap * normal[:, None]).reshape(-1, 3).astype(np.float32)
            sdf, _ = field.signed_distances(points)
            np.testing.assert_allclose(sdf, side * gap - T, atol=1e-5)


@pytest.mark.parametrize("thickness", [0.0, 0.005, 0.1])
def test_thickness_only_shifts_distances(coarse, thickness):
    mesh, points = shapes.icosphere(0.7), shapes.points_around(1000)
    thick, thin = fill(mesh, thickness), fill(mesh, 0.0)
    got, _ = thick.signed_distances(points)
    np.testing.assert_allclose(got, thin.signed_distances(points)[0] - thickness, atol=1e-6)


def test_voxels_are_distances_at_the_grid(box):
    np.testing.assert_array_equal(box.voxels(7).ravel(), box.signed_distances(grid_points(7))[0])
    assert box.voxels(7).shape == (7, 7, 7)


def test_a_sheet_becomes_a_slab(sheet):
    points = shapes.points_around(2000, reach=1.2)
    sdf, closest = sheet.signed_distances(points)
    np.testing.assert_allclose(sdf, formulas.plane_distance(points, (1.5, 1.0)) - T, atol=1e-6)
    np.testing.assert_allclose(sheet.signed_distances(closest)[0], 0, atol=1e-6)


def test_points_of_the_sheet_itself_lie_inside_the_slab(sheet):
    points = np.array([[0.1, 0.2, 0], [-0.3, 0.1, 0], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(sheet.signed_distances(points)[0], -T, atol=1e-6)


@pytest.mark.parametrize(
    "at", [(1.0, 0.9, 0.9), (1.5, 0, 0), (-40, 3, 2), (0, 0, 1e3), (1e9, -1e9, 0)]
)
def test_beyond_the_cube_all_is_outside(box, at):
    points = np.array([at], np.float32)
    expected = formulas.box_distance(points, SIZE) - T
    np.testing.assert_allclose(box.signed_distances(points)[0], expected, rtol=1e-6)


def test_a_mesh_that_touches_the_border_is_closed(coarse):
    field = fill(shapes.box((2.0, 2.0, 2.0)))
    points = shapes.points_around(2000, reach=1.3)
    truth = formulas.box_distance(points, (2, 2, 2))
    np.testing.assert_allclose(field.signed_distances(points)[0], truth - T, atol=1e-6)
    assert (truth < 0).any()


def test_no_points(box):
    sdf, closest = box.signed_distances(np.zeros((0, 3), np.float32))
    assert (sdf.shape, closest.shape) == ((0,), (0, 3))


# --- what it is robust against -------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        shapes.inside_out,
        shapes.flip_half,
        lambda mesh: shapes.flip_half(shapes.soup(mesh), 3),
        lambda mesh: shapes.join(mesh, shapes.inside_out(mesh)),
    ],
    ids=["inside out", "half flipped", "soup", "doubled and reversed"],
)
def test_windings_and_seams_do_not_matter(box, spoil):
    spoilt = fill(spoil(shapes.box(SIZE)))
    np.testing.assert_allclose(spoilt.voxels(24), box.voxels(24), atol=1e-6)


def test_narrow_gaps_at_edges_are_closed(coarse):
    field = fill(shapes.apart(shapes.box((1.6, 1.6, 1.6), subdivisions=3), 0.1))
    points = shapes.points_around(2000)
    truth = formulas.box_distance(points, (1.6, 1.6, 1.6))
    clear = np.abs(truth) > coarse
    sdf, _ = field.signed_distances(points)
    np.testing.assert_allclose(sdf[clear], truth[clear] - T, atol=0.01)
    np.testing.assert_array_equal((sdf < -T)[clear], (truth < 0)[clear])


@pytest.mark.parametrize(("cells", "closed"), [(0.5, True), (1.9, True), (3.1, False), (6, False)])
@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5])
def test_holes_below_two_cells_are_closed_and_wider_ones_leak(coarse, cells, closed, shift):
    mesh = shapes.moved(holed_box(cells * coarse), (shift * coarse, shift * coarse, 0))
    points = shapes.points_around(300, reach=0.6)
    sign = -1 if closed else 1  # where water comes in, the box is only walls
    expected = sign * shapes.distances(points, *mesh) - T
    np.testing.assert_allclose(fill(mesh).signed_distances(points)[0], expected, atol=1e-6)


def test_holes_are_measured_by_the_cells_of_the_real_grid():
    middle = np.zeros((1, 3), np.float32)
    for cells, sign in ((1.9, -1), (3.1, 1)):
        mesh = holed_box(cells * CELL)
        expected = sign * shapes.distances(middle, *mesh) - T
        np.testing.assert_allclose(fill(mesh).signed_distances(middle)[0], expected, atol=1e-6)


def test_an_inner_cavity_is_filled(coarse):
    field = fill(shapes.nested_spheres())
    points = shapes.points_around(3000)
    radius = np.linalg.norm(points, axis=1)
    sdf, _ = field.signed_distances(points)
    assert (sdf[radius < 0.89] < 0).all()
    assert (sdf[radius > 0.9 + T + 1e-3] > 0).all()


# --- properties ----------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**16), step=st.sampled_from([1e-3, 1e-2, 0.1, 1.0]))
@examples(30)
def test_distances_change_no_faster_than_points(box, sheet, seed, step):
    """Off the edges, where the water of a whole cell may be the other side's."""
    random = np.random.default_rng(seed)
    here = random.uniform(-1.2, 1.2, (200, 3))
    there = here + step * random.uniform(-1, 1, (200, 3))
    for field in (box, sheet):
        a, b = (field.signed_distances(points.astype(np.float32)) for points in (here, there))
        clear = ~(near_an_edge(here) | near_an_edge(there))
        rise = np.abs(a[0] - b[0])[clear]
        assert (rise <= np.linalg.norm(here - there, axis=1)[clear] + 1e-5).all()
        for points, (sdf, closest) in ((here, a), (there, b)):
            fine = ~near_an_edge(points)
            reach = np.linalg.norm(points - closest, axis=1)
            np.testing.assert_allclose(reach[fine], np.abs(sdf)[fine], atol=1e-5)
            np.testing.assert_allclose(field.signed_distances(closest[fine])[0], 0, atol=1e-5)


def near_an_edge(points):
    """Within three cells of two of the box's face planes, so of an edge or its extension."""
    planes = np.abs(np.abs(points) - np.array(SIZE) / 2)
    return (planes < 3 * CELL).sum(axis=1) >= 2


@given(seed=st.integers(0, 2**16))
@examples(8)
def test_near_edges_the_zero_set_stays_in_its_place(box, seed):
    points = shapes.points_near(shapes.box(SIZE), 300, 2 * CELL, seed)
    truth = formulas.box_distance(points, SIZE) - T
    clear = np.abs(truth) > 1e-5
    np.testing.assert_array_equal((box.signed_distances(points)[0] < 0)[clear], (truth < 0)[clear])


def test_surface_points_lie_on_the_zero_set_by_area(box):
    points = box.surface_points(3000, np.random.default_rng(0))
    assert points.shape == (3000, 3)
    assert points.dtype == np.float32
    np.testing.assert_allclose(box.signed_distances(points)[0], 0, atol=1e-6)
    sides = [
        (np.abs(np.abs(points[:, axis]) - SIZE[axis] / 2 - T) < 1e-5).mean() for axis in range(3)
    ]
    areas = np.array([SIZE[1] * SIZE[2], SIZE[0] * SIZE[2], SIZE[0] * SIZE[1]])
    np.testing.assert_allclose(sides, areas / areas.sum(), atol=0.03)
    assert (points.min(axis=0) < 0).all()
    assert (points.max(axis=0) > 0).all()


def test_surface_points_of_a_sheet_are_on_both_sides(sheet):
    points = sheet.surface_points(1000, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(points[:, 2]), T, atol=1e-6)
    assert 400 < (points[:, 2] > 0).sum() < 600


def test_surface_points_follow_the_seed(box):
    first, again, other = (
        box.surface_points(50, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()

import numpy as np
import pytest
import trimesh
import warp as wp
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries import crossing_kernels, winding, winding_kernels
from shapegan.pipeline.queries.winding import WindingField

TOLERANCE = 0.1
"""Error of the multipoles; largest in a sphere, where all of them err alike."""

RIM = 0.4
"""Error of continuing a number that is not quite whole, near holes."""

CLOSED = {
    "box": shapes.box((1.6, 1.2, 0.8)),
    "sphere": shapes.icosphere(0.8, 2),
    "torus": shapes.torus(sections=16),
    "L": shapes.l_shape(),
    "overlapping": shapes.overlapping_boxes(),
    "nested": shapes.nested_spheres(),
    "soup of a sphere": shapes.soup(shapes.icosphere(0.8, 2)),
    "shell": shapes.join(
        shapes.icosphere(0.9), shapes.flip(shapes.icosphere(0.5), np.ones(320, bool))
    ),
}
OPEN = {
    "plane": shapes.plane((1.6, 1.2)),
    "open box": shapes.open_box((1.5, 1.5, 1.5)),
    "lampshade": shapes.tube(caps=False),
    "half flipped": shapes.flip_half(shapes.icosphere(0.8)),
    "torn": (lambda v, f: (v, f[np.random.default_rng(1).random(len(f)) < 0.9]))(
        *shapes.icosphere(0.8, 2)
    ),
}
MESHES = CLOSED | OPEN


def field_of(mesh):
    vertices, faces = mesh
    return WindingField(vertices.astype(np.float32), faces)


def query_points(mesh, seed=0):
    """Points around, on a round grid, and very near faces, edges and vertices."""
    axis = np.linspace(-1, 1, 9)[1:-1]
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3).astype(np.float32)
    near = [shapes.points_near(mesh, 45, gap, seed) for gap in (1e-1, 1e-2, 1e-3, 1e-4)]
    points = np.concatenate([shapes.points_around(100, seed, 1.3), grid, *near])
    # On the surface itself there is no winding number to compare.
    return points[shapes.distances(points, *mesh) > 5e-5]


@pytest.mark.parametrize("name", list(MESHES))
def test_the_cuda_kernel_sums_nearly_the_same(name):
    """Run on the CPU. Batches use a multipole only where it holds for all of their points."""
    points = query_points(MESHES[name])
    field = field_of(MESHES[name])
    alone = wp.empty(len(points), dtype=float, device="cpu")
    inputs = [field._data[0], wp.array(points, dtype=wp.vec3, device="cpu"), alone]
    wp.launch(winding_kernels.winding_numbers, dim=len(points), inputs=inputs, device="cpu")
    np.testing.assert_allclose(alone.numpy(), field.numbers(points, exact=True), atol=TOLERANCE)


@pytest.mark.parametrize("name", list(MESHES))
def test_the_cuda_kernel_counts_the_same_crossings(name):
    start = query_points(MESHES[name])
    end = np.roll(start, 1, axis=0)
    end[::7] = start[::7]
    field = field_of(MESHES[name])
    alone = wp.zeros(len(start), dtype=float, device="cpu")
    segments = [wp.array(points, dtype=wp.vec3, device="cpu") for points in (start, end)]
    inputs = [field._data[0].bvh, *segments, alone]
    wp.launch(crossing_kernels.add_crossings, dim=len(start), inputs=inputs, device="cpu")
    np.testing.assert_array_equal(alone.numpy(), field.signed_crossings(start, end))
    assert (alone.numpy() != 0).any()


@pytest.mark.parametrize("name", list(MESHES))
def test_exact_numbers_are_near_the_sum_of_solid_angles(name):
    mesh = MESHES[name]
    points = query_points(mesh)
    got = field_of(mesh).numbers(points, exact=True)
    assert got.dtype == np.float32
    error = np.abs(got - shapes.winding_numbers(points, *mesh))
    assert error.max() <= TOLERANCE
    assert error.mean() <= 0.03


@pytest.mark.parametrize("name", CLOSED)
def test_continued_numbers_are_right_in_closed_meshes(name):
    mesh = CLOSED[name]
    points = query_points(mesh, 1)
    expected = shapes.winding_numbers(points, *mesh)
    got = field_of(mesh).numbers(points)
    np.testing.assert_array_equal(np.rint(got), np.rint(expected))
    np.testing.assert_allclose(got, expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", list(OPEN))
def test_continued_numbers_are_on_the_right_side_in_open_meshes(name):
    mesh = OPEN[name]
    points = query_points(mesh, 1)
    expected = shapes.winding_numbers(points, *mesh)
    got = field_of(mesh).numbers(points)
    clear = np.abs(expected - 0.5) > TOLERANCE
    np.testing.assert_array_equal((got > 0.5)[clear], (expected > 0.5)[clear])
    # Beyond the bounding box, continuation gives 0.
    low, high = mesh[0].min(axis=0), mesh[0].max(axis=0)
    within = ((points > low + 0.05) & (points < high - 0.05)).all(axis=1)
    np.testing.assert_allclose(got[within], expected[within], atol=RIM)


def test_segments_through_edges_cross_once():
    """The tube has edges in the planes x = y and x = 0, and so do the points."""
    mesh = shapes.tube(sections=16)
    axis = np.linspace(-0.55, 0.55, 41)
    flat = np.linspace(-0.45, 0.45, 10)
    points = np.concatenate(
        [np.stack(np.broadcast_arrays(*ray), axis=1) for z in flat for ray in planes(axis, z)]
    ).astype(np.float32)
    expected = shapes.winding_numbers(points, *mesh)
    np.testing.assert_allclose(field_of(mesh).numbers(points), expected, atol=TOLERANCE)


def test_segments_through_vertices_cross_once():
    """The cubes have corners on the diagonal x = y = z, and so do references and points."""
    ends = [shapes.box((0.1, 0.1, 0.1), (place,) * 3) for place in (-1, 1)]
    for middle in (0.0, 0.1, 0.3141):
        mesh = shapes.join(*ends, shapes.box((0.5, 0.5, 0.5), (middle,) * 3, subdivisions=1))
        diagonal = np.linspace(-0.9, 0.9, 601)
        for mirror in ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)):
            points = (diagonal[:, None] * np.array(mirror)).astype(np.float32)
            expected = np.abs(points - middle).max(axis=1) < 0.25
            clear = np.abs(np.abs(points - middle).max(axis=1) - 0.25) > 1e-4
            got = field_of(mesh).numbers(points)
            np.testing.assert_allclose(got[clear], expected[clear], atol=TOLERANCE)


def planes(axis, z):
    return [(axis, axis, z), (axis, -axis, z), (axis, 0, z), (0, axis, z)]


def test_segments_through_slits_leave_no_wrong_reference():
    """A box under a cap of planks, with slits that are too narrow to count as open."""
    size = (1.6, 1.2, 0.7)
    vertices, faces = shapes.plane((0.0194, 1.2), cells=1)
    places = [np.array([0.02 * number - 0.79, 0, 0.35]) for number in range(80)]
    planks = [(vertices + place, faces) for place in places]
    points = np.array([0.8, 0.6, 0.07]) * shapes.points_around(20_000, 3)
    points = (points + np.array([0, 0, 0.35])).astype(np.float32)
    depth = shapes.box_distance(points, size)
    clear = np.abs(depth) > 0.015
    got = field_of(shapes.join(shapes.open_box(size, 0), *planks)).numbers(points[clear])
    np.testing.assert_array_equal(got > 0.5, depth[clear] < 0)


@examples(40)
@given(st.lists(st.tuples(*[st.integers(-1, 1)] * 3), min_size=4, max_size=9, unique=True))
def test_no_reference_lies_on_a_plane_that_a_modeller_would_choose(corners):
    """Hulls of corners, middles of edges and of faces of a cube: slopes, pyramids, wedges."""
    if np.linalg.matrix_rank(np.subtract(corners, corners[0])) < 3:
        return
    hull = trimesh.Trimesh(corners).convex_hull
    mesh = hull.vertices.astype(np.float64), hull.faces.astype(np.int32)
    axis = np.linspace(-1, 1, 24)
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3).astype(np.float32)
    height = np.max(
        points @ hull.face_normals.T - np.sum(hull.face_normals * hull.triangles[:, 0], axis=1),
        axis=1,
    )
    clear = np.abs(height) > 1e-4
    got = field_of(mesh).numbers(points[clear])
    np.testing.assert_array_equal(got > 0.5, height[clear] < 0)


def test_far_points_need_more_than_dipoles():
    """Sums of dipoles alone err by 0.015 here."""
    mesh = OPEN["lampshade"]
    direction = shapes.points_around(300)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    for radius in (2, 3):
        points = np.float32(radius) * direction
        got = field_of(mesh).numbers(points, exact=True)
        np.testing.assert_allclose(got, shapes.winding_numbers(points, *mesh), atol=0.003)


@pytest.mark.parametrize("size", [1e-3, 30.0])
@pytest.mark.parametrize("exact", [True, False])
def test_numbers_do_not_depend_on_size_and_position(size, exact):
    vertices, faces = shapes.icosphere(0.8, 2)
    points = shapes.points_around(200)
    shift = size * np.array([1.0, -2.0, 0.5])
    field = field_of((size * vertices + shift, faces))
    moved = (size * points + shift).astype(np.float32)
    got = field.numbers(moved, exact=exact)
    np.testing.assert_allclose(got, shapes.winding_numbers(points, vertices, faces), atol=TOLERANCE)


@pytest.mark.parametrize("axis", range(3))
def test_numbers_are_whole_in_the_planes_of_faces(axis):
    """Also on the lines through a box's edges, and just inside its faces."""
    field = field_of(shapes.box((1.0, 1.0, 1.0)))
    points = shapes.points_around(300, axis).astype(np.float64)
    points[:, axis] = 0.5
    points[::3, (axis + 1) % 3] = 0.5
    beyond = np.abs(points).max(axis=1) > 0.501
    got = field.numbers(points[beyond].astype(np.float32))
    np.testing.assert_allclose(got, 0, atol=TOLERANCE)
    points[:, axis] = 0.5 - 1e-4
    inside = np.abs(points).max(axis=1) < 0.5 - 0.5e-4
    assert inside.sum() > 20
    got = field.numbers(points[inside].astype(np.float32))
    np.testing.assert_allclose(got, 1, atol=TOLERANCE)


def test_flipping_all_faces_flips_the_sign():
    vertices, faces = shapes.torus(sections=16)
    points = shapes.points_around(200)
    out, inward = field_of((vertices, faces)), field_of((vertices, faces[:, ::-1]))
    for exact in (True, False):
        np.testing.assert_allclose(
            out.numbers(points, exact=exact), -inward.numbers(points, exact=exact), atol=1e-3
        )


@pytest.mark.parametrize("exact", [True, False])
def test_numbers_are_0_without_faces(exact):
    field = field_of((np.zeros((4, 3)), np.zeros((0, 3), np.int32)))
    np.testing.assert_array_equal(field.numbers(shapes.points_around(10), exact=exact), 0)


@pytest.mark.parametrize("exact", [True, False])
def test_one_triangle_covers_up_to_half_of_the_sphere(exact):
    mesh = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], np.int32)
    points = shapes.points_around(200)
    got = field_of(mesh).numbers(points, exact=exact)
    expected = shapes.winding_numbers(points, *mesh)
    if not exact:
        # Beyond the flat bounding box, continuation gives 0.
        assert not (got > 0.5).any()
        return
    np.testing.assert_allclose(got, expected, atol=TOLERANCE)
    # Close behind and close in front of it.
    close = np.array([[0.3, 0.3, -1e-3], [0.3, 0.3, 1e-3]], np.float32)
    got = field_of(mesh).numbers(close, exact=True)
    np.testing.assert_allclose(got, [0.5, -0.5], atol=0.01)


def test_no_points_give_no_numbers():
    field = field_of(shapes.box())
    assert field.numbers(np.zeros((0, 3), np.float32)).shape == (0,)


coordinates = st.floats(-1, 1, width=32)


@examples(40)
@given(
    count=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.floats(0.05, 1)] * 3),
)
def test_exact_numbers_of_any_soup(count, seed, stretch):
    random = np.random.default_rng(seed)
    centers = random.uniform(-1, 1, (count, 1, 3))
    size = random.uniform(0.01, 0.6, (count, 1, 1))
    corners = (centers + size * random.standard_normal((count, 3, 3))) * stretch
    vertices = corners.reshape(-1, 3).astype(np.float32)
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    points = shapes.points_around(60, seed % 1000, 1.5)
    points = points[shapes.distances(points, vertices, faces) > 1e-4]
    got = WindingField(vertices, faces).numbers(points, exact=True)
    np.testing.assert_allclose(got, shapes.winding_numbers(points, vertices, faces), atol=TOLERANCE)


@examples(30)
@given(
    seed=st.integers(0, 2**32 - 1),
    gap=st.sampled_from([1e-4, 1e-3, 1e-2]),
    name=st.sampled_from(list(CLOSED)),
)
def test_points_near_faces_are_on_the_right_side(seed, gap, name):
    vertices, faces = CLOSED[name]
    points = shapes.points_near((vertices, faces), 60, gap, seed)
    points = points[shapes.distances(points, vertices, faces) > gap / 10]
    expected = shapes.winding_numbers(points, vertices, faces)
    np.testing.assert_array_equal(field_of((vertices, faces)).numbers(points) > 0.5, expected > 0.5)


@pytest.mark.parametrize("name", list(MESHES))
def test_signs_of_few_faces_do_not_depend_on_the_grid_that_they_continue_from(name, monkeypatch):
    vertices, faces = MESHES[name]
    points = query_points((vertices, faces), 3)
    points = points[shapes.distances(points, vertices, faces) > 1e-4]
    queries = [wp.array(points, dtype=wp.vec3), wp.zeros(len(points), dtype=float)]
    found = []
    for limit in (0, 10**9):
        monkeypatch.setattr(winding, "FEW_FACES", limit)
        field = field_of((vertices, faces))
        found.append(field.continued(*queries).numpy())
        assert len(field._data) == (4, 3)[len(found) - 1]
    clear = np.abs(shapes.winding_numbers(points, vertices, faces) - 0.5) > 0.02
    np.testing.assert_array_equal((found[0] > 0.5)[clear], (found[1] > 0.5)[clear])


def test_numbers_do_not_depend_on_the_grids_built_before():
    points = query_points(OPEN["torn"], 2)
    once, twice = field_of(OPEN["torn"]), field_of(OPEN["torn"])
    twice.numbers(points)
    for grids in (1, 2, 3):
        np.testing.assert_array_equal(
            once.numbers(points, grids=grids), twice.numbers(points, grids=grids)
        )

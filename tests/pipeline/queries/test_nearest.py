import numpy as np
import pytest
import warp as wp
from hypothesis import example, given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries import nearest_kernels as kernels
from shapegan.pipeline.queries.bvh_kernels import LANES
from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.nearest import TriangleQueries

NONE = np.zeros((0, 3), np.int32)


def vectors(points):
    return wp.array(points, dtype=wp.vec3, device="cpu")


def nearest(mesh, points, max_distance=None):
    """Distances, nearest points, faces and barycentric weights."""
    limit = None if max_distance is None else wp.array(max_distance, dtype=float, device="cpu")
    got = TriangleQueries(*mesh).nearest(vectors(points), limit)
    face = got.face.numpy()
    first = np.where(face[:, None] >= 0, got.weights.numpy(), 0)  # undefined without a face
    weights = np.column_stack([first, 1 - first.sum(axis=1)])
    return got.distance.numpy(), got.closest.numpy(), face, weights


@examples(60)
@given(
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.sampled_from([1.0, 0.1, 1e-3, 0.0])] * 3),
    points=st.integers(1, 5 * LANES),
    ordered=st.booleans(),
)
@example(count=126, seed=127, stretch=(1.0, 0.0, 0.0), points=13, ordered=False)
def test_nearest_points_agree_with_brute_force(count, seed, stretch, points, ordered):
    """On soups squeezed to needles, planes, lines and single points, too."""
    mesh = shapes.random_soup(count, seed, stretch)
    queries = shapes.points_around(points, seed, 1.3)
    if ordered:
        queries = queries[morton_order(queries)]
    distance, closest, face, weights = nearest(mesh, queries)
    expected = shapes.distances(queries, *mesh)
    np.testing.assert_allclose(distance, expected, rtol=1e-6, atol=1e-6)
    # The nearest point, its face and its weights agree with the distance.
    np.testing.assert_allclose(np.linalg.norm(closest - queries, axis=1), distance, atol=1e-6)
    corners = mesh[0][mesh[1][face]]
    np.testing.assert_allclose((weights[:, :, None] * corners).sum(axis=1), closest, atol=1e-5)
    assert weights.min() > -1e-5


@examples(60)
@given(
    log_length=st.floats(-3, 0),
    log_slimness=st.floats(-5, 0),
    log_gap=st.floats(-5, -1),
    seed=st.integers(0, 2**32 - 1),
)
def test_distances_to_needles_are_accurate(log_length, log_slimness, log_gap, seed):
    """Up to 1e5 times as long as high, from near and from far."""
    random = np.random.default_rng(seed)
    along, across = np.linalg.qr(random.standard_normal((40, 3, 3)))[0][:, :2].transpose(1, 0, 2)
    length = 10**log_length
    start = random.uniform(-0.5, 0.5, (40, 3))
    third = start + length * (random.uniform(0, 1, (40, 1)) * along + 10**log_slimness * across)
    vertices = np.stack([start, start + length * along, third], axis=1).reshape(-1, 3)
    mesh = vertices.astype(np.float32), np.arange(120, dtype=np.int32).reshape(-1, 3)
    queries = shapes.points_near(mesh, 200, 10**log_gap, seed)
    distance, *_ = nearest(mesh, queries)
    np.testing.assert_allclose(distance, shapes.distances(queries, *mesh), atol=3e-7)


@examples(40)
@given(seed=st.integers(0, 2**32 - 1), points=st.integers(1, 3 * LANES))
def test_no_face_is_found_beyond_the_maximum_distance(seed, points):
    mesh = shapes.random_soup(60, seed, size=0.05)
    queries = shapes.points_around(points, seed, 1.3)
    expected = shapes.distances(queries, *mesh)
    max_distance = expected * np.random.default_rng(seed).choice(
        [-1.0, 0.0, 0.5, 0.999, 1.001, 2], points
    )
    distance, _, face, _ = nearest(mesh, queries, max_distance.astype(np.float32))
    within = expected < max_distance
    np.testing.assert_allclose(distance[within], expected[within], rtol=1e-6, atol=1e-6)
    assert (face[within] >= 0).all()
    assert (face[~within] == -1).all()
    assert (distance[~within] == kernels.NOT_FOUND).all()


def test_a_far_neighbour_does_not_hide_the_nearest_face():
    """The face found for one batch lies behind other faces for the next batch."""
    mesh = shapes.icosphere(0.8, 4)
    queries = shapes.points_near(mesh, 40 * LANES, 1e-3, 5)
    distance, *_ = nearest(mesh, queries)
    np.testing.assert_allclose(distance, shapes.distances(queries, *mesh), atol=3e-7)


@pytest.mark.parametrize("max_distance", [None, np.full(5, 1, np.float32)])
def test_nothing_is_found_without_triangles(max_distance):
    distance, _, face, _ = nearest((np.zeros((0, 3)), NONE), np.zeros((5, 3)), max_distance)
    assert (distance == kernels.NOT_FOUND).all()
    assert (face == -1).all()


def test_no_points_give_no_results():
    distance, *_ = nearest(shapes.icosphere(0.8), np.zeros((0, 3)))
    assert len(distance) == 0


def test_the_cuda_kernel_finds_the_same_faces():
    """Run on the CPU, one thread a point."""
    vertices, faces = shapes.torus(sections=16)
    surface = TriangleQueries(vertices, faces)
    queries = shapes.points_around(500, 3, 1.3)
    mesh = wp.Mesh(surface.vertices, surface.faces.flatten())
    max_distance = wp.full(len(queries), 0.2, dtype=float, device="cpu")
    together = surface.nearest(vectors(queries), max_distance)
    alone = wp.empty(len(queries), dtype=int, device="cpu")
    inputs = [wp.uint64(mesh.id), vectors(queries), max_distance, alone]
    wp.launch(kernels.find_faces, dim=len(queries), inputs=inputs, device="cpu")
    expected = together.face.numpy()
    assert ((expected < 0) == (alone.numpy() < 0)).all()
    assert (expected < 0).any()
    assert (expected >= 0).any()
    together.face = alone
    inputs = [surface.vertices, surface.faces, vectors(queries), together]
    wp.launch(kernels.locate, dim=len(queries), inputs=inputs, device="cpu")
    both = expected >= 0
    true = shapes.distances(queries, vertices, faces)
    np.testing.assert_allclose(together.distance.numpy()[both], true[both], atol=1e-6)

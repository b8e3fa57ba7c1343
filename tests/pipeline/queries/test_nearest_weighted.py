import numpy as np
import pytest
import warp as wp
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries import nearest_weighted_kernels as kernels
from shapegan.pipeline.queries.bvh_kernels import LANES
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.queries.nearest_weighted import WeightedQueries

FAR = 1e18


def vectors(points):
    return wp.array(points, dtype=wp.vec3, device="cpu")


def start(count, limit=FAR):
    """Limits and faces of a search that knows nothing yet."""
    return (
        wp.array(np.full(count, limit, np.float32), dtype=float, device="cpu"),
        wp.full(count, -1, dtype=int, device="cpu"),
    )


def nearest(mesh, weights, points, limit=FAR):
    """Least distances minus weights, and where they are: points, faces and weights."""
    queries = WeightedQueries(TriangleQueries(*mesh), weights.astype(np.float32))
    got = queries.nearest(vectors(points), *start(len(points), limit))
    distance, weight = got.distance.numpy(), got.weight.numpy()
    return distance - weight, got.closest.numpy(), got.face.numpy(), weight


def brute_force(mesh, weights, points, steps=24):
    """Least distance minus weight over a lattice of points on each face: never too small."""
    share = np.array([(i, j) for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps
    share = np.column_stack([share, 1 - share.sum(axis=1)])
    there = np.einsum("sk,fkd->fsd", share, mesh[0][mesh[1]].astype(float)).reshape(-1, 3)
    weight = np.einsum("sk,fk->fs", share, weights[mesh[1]].astype(float)).ravel()
    gap = np.linalg.norm(points[:, None] - there, axis=2) - weight
    return gap.min(axis=1)


@examples(30)
@given(
    count=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.sampled_from([1.0, 0.1, 0.0])] * 3),
    spread=st.sampled_from([0.0, 0.05, 0.2, 1.0]),
    points=st.integers(1, 2 * LANES),
)
def test_minima_agree_with_brute_force(count, seed, stretch, spread, points):
    """For weights that grow slower and faster than distances, on needles and lines, too."""
    mesh = shapes.random_soup(count, seed, stretch)
    weights = spread * np.random.default_rng(seed).standard_normal(3 * count)
    queries = shapes.points_around(points, seed, 1.3)
    value, closest, face, weight = nearest(mesh, weights, queries)
    expected = brute_force(mesh, weights.astype(np.float32), queries)
    assert (value <= expected + 2e-6).all()
    # The lattice misses the minimum by at most half its step times the steepest slope.
    assert (value >= expected - 0.08 * (1 + 12 * spread)).all()
    np.testing.assert_allclose(np.linalg.norm(closest - queries, axis=1) - weight, value, atol=2e-6)
    corners = weights[mesh[1][face]]
    assert (weight <= corners.max(axis=1) + 1e-6).all()
    assert (weight >= corners.min(axis=1) - 1e-6).all()


def test_the_minimum_over_a_plane_has_a_closed_form():
    """A slope of 0.6 moves the best point by 0.75 of the height."""
    vertices = np.array([[-9.0, -9, 0], [9, -9, 0], [0, 9, 0]], np.float32)
    mesh = vertices, np.array([[0, 1, 2]], np.int32)
    value, closest, _, weight = nearest(mesh, 0.6 * vertices[:, 0], np.float32([[0.5, 0.2, 2.0]]))
    np.testing.assert_allclose(value, 0.8 * 2 - 0.3, atol=1e-6)
    np.testing.assert_allclose(closest, [[2, 0.2, 0]], atol=1e-6)
    np.testing.assert_allclose(weight, 1.2, atol=1e-6)


def test_even_weights_shift_distances():
    mesh, points = shapes.icosphere(0.8), shapes.points_around(300)
    value, *_ = nearest(mesh, np.full(len(mesh[0]), 0.1), points)
    np.testing.assert_allclose(value, shapes.distances(points, *mesh) - 0.1, atol=1e-6)


@examples(20)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.02, 0.5]))
def test_values_change_no_faster_than_points_move(seed, spread):
    mesh = shapes.random_soup(40, seed)
    random = np.random.default_rng(seed)
    weights = spread * random.standard_normal(120)
    points = shapes.points_around(200, seed)
    others = points + np.float32(0.02) * random.standard_normal((200, 3)).astype(np.float32)
    near, far = (nearest(mesh, weights, some)[0] for some in (points, others))
    assert (np.abs(near - far) <= np.linalg.norm(points - others, axis=1) + 2e-6).all()


def test_nothing_is_found_above_the_limit():
    mesh, points = shapes.icosphere(0.3), shapes.points_around(200)
    weights = np.full(len(mesh[0]), 0.05)
    everything = nearest(mesh, weights, points)[0]
    face = nearest(mesh, weights, points, 0.3)[2]
    clear = np.abs(everything - 0.3) > 1e-5
    np.testing.assert_array_equal(face[clear] >= 0, everything[clear] < 0.3)


def test_a_face_that_is_not_improved_on_stays():
    mesh, points = shapes.plane(), np.float32([[0.1, 0.2, 0.5]])
    queries = WeightedQueries(TriangleQueries(*mesh), np.zeros(len(mesh[0]), np.float32))
    limit, _ = start(1, 0.1)
    face = wp.full(1, 7, dtype=int, device="cpu")
    assert queries.nearest(vectors(points), limit, face).face.numpy() == [7]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_faces_that_are_not_searched_are_not_found(share):
    mesh, points = shapes.torus(sections=16), shapes.points_around(300, 3, 1.3)
    random = np.random.default_rng(0)
    weights = random.uniform(0, 0.1, len(mesh[0])).astype(np.float32)
    searched = random.random(len(mesh[1])) < share
    some = WeightedQueries(TriangleQueries(*mesh), weights, searched)
    found = some.nearest(vectors(points), *start(300))
    rows, face = np.flatnonzero(searched), found.face.numpy()
    if not len(rows):
        assert (face == -1).all()
        return
    assert searched[face].all()
    alone = nearest((mesh[0], mesh[1][rows]), weights, points)[0]
    np.testing.assert_allclose(found.distance.numpy() - found.weight.numpy(), alone, atol=1e-6)


@pytest.mark.parametrize("points", [0, 5])
def test_nothing_is_found_without_triangles(points):
    none = np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    _, _, face, _ = nearest(none, np.zeros(0), np.zeros((points, 3)))
    assert face.tolist() == [-1] * points


def test_the_cuda_kernel_finds_the_same_faces():
    """Run on the CPU, one thread a point."""
    mesh, points = shapes.torus(sections=16), shapes.points_around(300, 3, 1.3)
    weights = (0.1 * mesh[0][:, 0]).astype(np.float32)
    queries = WeightedQueries(TriangleQueries(*mesh), weights)
    limit, alone = start(300)
    together = queries.nearest(vectors(points), limit, alone)
    inputs = [queries._tree, vectors(points), limit, alone]
    wp.launch(kernels.find_weighted, dim=300, inputs=inputs, device="cpu")
    values = []
    for face in (together.face, alone):
        found = queries.nearest(vectors(points), start(300, -FAR)[0], face)
        values.append(found.distance.numpy() - found.weight.numpy())
    np.testing.assert_allclose(*values, atol=1e-6)

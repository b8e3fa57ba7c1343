import numpy as np
import pytest
import warp as wp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import shapes

from shapegan.pipeline.queries import nearest_kernels as kernels
from shapegan.pipeline.queries.bvh_kernels import LANES
from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.nearest import TriangleQueries

NONE = np.zeros((0, 3), np.int32)


def vectors(points):
    return wp.array(points, dtype=wp.vec3, device="cpu")


def found(mesh, points, reach=None):
    """Distances, nearest points, faces and weights of corners."""
    limit = None if reach is None else wp.array(reach, dtype=float, device="cpu")
    got = TriangleQueries(*mesh).nearest(vectors(points), limit)
    first = got.weights.numpy()
    weights = np.column_stack([first, 1 - first.sum(axis=1)])
    return got.distance.numpy(), got.closest.numpy(), got.face.numpy(), weights


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.sampled_from([1.0, 0.1, 1e-3, 0.0])] * 3),
    points=st.integers(1, 5 * LANES),
    ordered=st.booleans(),
)
@example(count=126, seed=127, stretch=(1.0, 0.0, 0.0), points=13, ordered=False)
def test_is_what_a_look_at_every_triangle_finds(count, seed, stretch, points, ordered):
    """Flat soups and needles, too, and lines and points where all is squeezed."""
    mesh = shapes.random_soup(count, seed, stretch)
    asked = shapes.points_around(points, seed, 1.3)
    if ordered:
        asked = asked[morton_order(asked)]
    distance, closest, face, weights = found(mesh, asked)
    expected = shapes.distances(asked, *mesh)
    np.testing.assert_allclose(distance, expected, rtol=1e-6, atol=1e-6)
    # What is said of the nearest point agrees.
    np.testing.assert_allclose(np.linalg.norm(closest - asked, axis=1), distance, atol=1e-6)
    corners = mesh[0][mesh[1][face]]
    np.testing.assert_allclose((weights[:, :, None] * corners).sum(axis=1), closest, atol=1e-5)
    assert weights.min() > -1e-5


@settings(max_examples=60, deadline=None)
@given(
    log_length=st.floats(-3, 0),
    log_slimness=st.floats(-5, 0),
    log_gap=st.floats(-5, -1),
    seed=st.integers(0, 2**32 - 1),
)
def test_distances_to_needles_are_as_good_as_others(log_length, log_slimness, log_gap, seed):
    """As long as 1e5 times their height, asked from near and from far."""
    random = np.random.default_rng(seed)
    along, across = np.linalg.qr(random.standard_normal((40, 3, 3)))[0][:, :2].transpose(1, 0, 2)
    length = 10**log_length
    start = random.uniform(-0.5, 0.5, (40, 3))
    third = start + length * (random.uniform(0, 1, (40, 1)) * along + 10**log_slimness * across)
    vertices = np.stack([start, start + length * along, third], axis=1).reshape(-1, 3)
    mesh = vertices.astype(np.float32), np.arange(120, dtype=np.int32).reshape(-1, 3)
    asked = shapes.points_near(mesh, 200, 10**log_gap, seed)
    distance, *_ = found(mesh, asked)
    np.testing.assert_allclose(distance, shapes.distances(asked, *mesh), atol=3e-7)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), points=st.integers(1, 3 * LANES))
def test_nothing_is_found_beyond_the_reach(seed, points):
    mesh = shapes.random_soup(60, seed, size=0.05)
    asked = shapes.points_around(points, seed, 1.3)
    expected = shapes.distances(asked, *mesh)
    reach = expected * np.random.default_rng(seed).choice([-1.0, 0.0, 0.5, 0.999, 1.001, 2], points)
    distance, _, face, _ = found(mesh, asked, reach.astype(np.float32))
    within = expected < reach
    np.testing.assert_allclose(distance[within], expected[within], rtol=1e-6, atol=1e-6)
    assert (face[within] >= 0).all()
    assert (face[~within] == -1).all()
    assert (distance[~within] == kernels.NOWHERE).all()


def test_neighbours_that_are_far_from_each_other_do_not_mislead():
    """What was nearest to the last ones is behind other faces for the next ones."""
    mesh = shapes.icosphere(0.8, 4)
    asked = shapes.points_near(mesh, 40 * LANES, 1e-3, 5)
    distance, *_ = found(mesh, asked)
    np.testing.assert_allclose(distance, shapes.distances(asked, *mesh), atol=3e-7)


@pytest.mark.parametrize("reach", [None, np.full(5, 1, np.float32)])
def test_without_triangles_nothing_is_near(reach):
    distance, _, face, _ = found((np.zeros((0, 3)), NONE), np.zeros((5, 3)), reach)
    assert (distance == kernels.NOWHERE).all()
    assert (face == -1).all()


def test_no_points_get_no_answer():
    distance, *_ = found(shapes.icosphere(0.8), np.zeros((0, 3)))
    assert len(distance) == 0


def test_each_by_itself_finds_the_same():
    """The way other devices take."""
    vertices, faces = shapes.torus(sections=16)
    surface = TriangleQueries(vertices, faces)
    asked = shapes.points_around(500, 3, 1.3)
    mesh = wp.Mesh(surface.vertices, surface.faces.flatten())
    reach = wp.full(len(asked), 0.2, dtype=float, device="cpu")
    together = surface.nearest(vectors(asked), reach)
    alone = wp.empty(len(asked), dtype=int, device="cpu")
    inputs = [wp.uint64(mesh.id), vectors(asked), reach, alone]
    wp.launch(kernels.search, dim=len(asked), inputs=inputs, device="cpu")
    expected = together.face.numpy()
    assert ((expected < 0) == (alone.numpy() < 0)).all()
    assert (expected < 0).any()
    assert (expected >= 0).any()
    together.face = alone
    inputs = [surface.vertices, surface.faces, vectors(asked), together]
    wp.launch(kernels.look_closer, dim=len(asked), inputs=inputs, device="cpu")
    both = expected >= 0
    true = shapes.distances(asked, vertices, faces)
    np.testing.assert_allclose(together.distance.numpy()[both], true[both], atol=1e-6)

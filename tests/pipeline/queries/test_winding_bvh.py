import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries.bvh import build_bvh
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.queries.winding_bvh import FAR, build_winding_bvh


def nodes_of(vertices, faces):
    return build_winding_bvh(vertices[faces], "cpu").nodes.numpy()


@examples(60)
@given(
    count=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.floats(0.05, 1)] * 3),
    away=st.sampled_from([2.0, 3.0, 6.0]),
)
def test_one_multipole_is_near_the_sum_far_away(count, seed, stretch, away):
    """The error is of third order; the bound has the derivatives of 1 / r of order four."""
    vertices, faces = shapes.random_soup(count, seed, stretch)
    root = nodes_of(vertices, faces)[1]
    radius = np.sqrt(root["far_square"]) / FAR
    direction = np.random.default_rng(seed).standard_normal((20, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = (root["center"] + away * radius * direction).astype(np.float32)
    got = WindingField(vertices, faces).numbers(points, exact=True)
    error = np.abs(got - shapes.winding_numbers(points, vertices, faces))
    order_four = 4 * shapes.area(vertices, faces) / radius**2 / away**4 / (away - 1)
    assert error.max() <= order_four / (4 * np.pi) + 1e-6


@pytest.mark.parametrize("away", [2, 4, 8])
def test_the_error_falls_by_more_than_24_as_the_distance_doubles(away):
    """The winding number falls by 4, and each moment by 2 more."""
    vertices, faces = shapes.random_soup(30, 5)
    direction = shapes.points_around(300)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    errors = []
    for distance in (away, 2 * away):
        points = np.float32(1.7 * distance) * direction
        got = WindingField(vertices, faces).numbers(points, exact=True)
        errors.append(np.abs(got - shapes.winding_numbers(points, vertices, faces)).max())
    assert errors[1] <= errors[0] / 24 + 3e-7


@examples(40)
@given(count=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
def test_every_node_bounds_the_triangles_below_it(count, seed):
    vertices, faces = shapes.random_soup(count, seed)
    data = build_winding_bvh(vertices[faces], "cpu")
    bvh, nodes, boxes = data.bvh, data.nodes.numpy(), data.bvh.boxes.numpy()
    corners, first = bvh.corners.numpy(), bvh.leaf_start.numpy()
    for node in range(1, len(nodes)):
        low = high = node
        while low < bvh.leaves:
            low, high = 2 * low, 2 * high + 1
        own = corners[first[low - bvh.leaves] : first[high - bvh.leaves + 1]].reshape(-1, 3)
        assert (own >= boxes[node]["low"]).all()
        assert (own <= boxes[node]["high"]).all()
        distance = np.linalg.norm(own - nodes[node]["center"], axis=1).max()
        assert distance <= np.sqrt(nodes[node]["far_square"]) / FAR * 1.0001


@examples(60)
@given(
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.floats(0.05, 1)] * 3),
    places=st.sampled_from([1, 2, 5, 1000]),
)
def test_children_are_separated_along_the_longest_side(count, seed, stretch, places):
    """Also where many triangles share few positions."""
    vertices, faces = shapes.random_soup(count, seed, stretch)
    corners = vertices[faces[np.arange(count) % places % count]]
    bvh = build_bvh(corners, "cpu")
    centers, first = bvh.corners.numpy().mean(axis=1), bvh.leaf_start.numpy()
    for node in range(1, bvh.leaves):
        below, low = 1, node
        while low < bvh.leaves:
            low, below = 2 * low, 2 * below
        leaf = low - bvh.leaves
        start, middle, end = first[[leaf, leaf + below // 2, leaf + below]]
        assert 0 < middle - start <= end - middle + 1
        axis = np.ptp(centers[start:end], axis=0).argmax()
        assert centers[start:middle, axis].max() <= centers[middle:end, axis].min() + 1e-5


def test_faces_without_an_area_have_a_centre():
    vertices = np.array([[0.1, 0.2, 0.3], [0.2, 0.2, 0.3], [0.3, 0.2, 0.3]], np.float32)
    root = nodes_of(vertices, np.array([[0, 1, 2], [2, 1, 0]]))[1]
    np.testing.assert_allclose(root["center"], [0.2, 0.2, 0.3], atol=1e-6)

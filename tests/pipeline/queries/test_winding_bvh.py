import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import shapes

from shapegan.pipeline.queries.bvh import build_tree
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.queries.winding_bvh import FAR, build_winding_tree


def nodes_of(vertices, faces):
    return build_winding_tree(vertices[faces], "cpu").nodes.numpy()


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.floats(0.05, 1)] * 3),
    away=st.sampled_from([2.0, 3.0, 6.0]),
)
def test_far_away_one_term_is_near_the_sum(count, seed, stretch, away):
    """What is left out is of third order: the bound has the derivatives of 1 / r of order four."""
    vertices, faces = shapes.random_soup(count, seed, stretch)
    root = nodes_of(vertices, faces)[1]
    radius = np.sqrt(root["reach"]) / FAR
    direction = np.random.default_rng(seed).standard_normal((20, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = (root["center"] + away * radius * direction).astype(np.float32)
    got = WindingField(vertices, faces).numbers(points, exact=True)
    error = np.abs(got - shapes.winding_numbers(points, vertices, faces))
    order_four = 4 * shapes.area(vertices, faces) / radius**2 / away**4 / (away - 1)
    assert error.max() <= order_four / (4 * np.pi) + 1e-6


@pytest.mark.parametrize("away", [2, 4, 8])
def test_doubling_the_distance_takes_an_error_to_a_thirtieth(away):
    """The sum itself falls to a quarter, and each moment by a half more."""
    vertices, faces = shapes.random_soup(30, 5)
    direction = shapes.points_around(300)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    errors = []
    for distance in (away, 2 * away):
        points = np.float32(1.7 * distance) * direction
        got = WindingField(vertices, faces).numbers(points, exact=True)
        errors.append(np.abs(got - shapes.winding_numbers(points, vertices, faces)).max())
    assert errors[1] <= errors[0] / 24 + 3e-7


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
def test_every_node_holds_what_is_below_it(count, seed):
    vertices, faces = shapes.random_soup(count, seed)
    data = build_winding_tree(vertices[faces], "cpu")
    tree, nodes, boxes = data.tree, data.nodes.numpy(), data.tree.boxes.numpy()
    corners, first = tree.corners.numpy(), tree.first.numpy()
    for node in range(1, len(nodes)):
        low = high = node
        while low < tree.leaves:
            low, high = 2 * low, 2 * high + 1
        own = corners[first[low - tree.leaves] : first[high - tree.leaves + 1]].reshape(-1, 3)
        assert (own >= boxes[node]["low"]).all()
        assert (own <= boxes[node]["high"]).all()
        distance = np.linalg.norm(own - nodes[node]["center"], axis=1).max()
        assert distance <= np.sqrt(nodes[node]["reach"]) / FAR * 1.0001


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.floats(0.05, 1)] * 3),
    places=st.sampled_from([1, 2, 5, 1000]),
)
def test_children_lie_on_either_side_along_the_longest_side(count, seed, stretch, places):
    """Many triangles in few places, too, where halves are equal."""
    vertices, faces = shapes.random_soup(count, seed, stretch)
    corners = vertices[faces[np.arange(count) % places % count]]
    tree = build_tree(corners, "cpu")
    centers, first = tree.corners.numpy().mean(axis=1), tree.first.numpy()
    for node in range(1, tree.leaves):
        below, low = 1, node
        while low < tree.leaves:
            low, below = 2 * low, 2 * below
        leaf = low - tree.leaves
        start, middle, end = first[[leaf, leaf + below // 2, leaf + below]]
        assert 0 < middle - start <= end - middle + 1
        axis = np.ptp(centers[start:end], axis=0).argmax()
        assert centers[start:middle, axis].max() <= centers[middle:end, axis].min() + 1e-5


def test_centres_of_faces_without_area_are_where_the_faces_are():
    vertices = np.array([[0.1, 0.2, 0.3], [0.2, 0.2, 0.3], [0.3, 0.2, 0.3]], np.float32)
    root = nodes_of(vertices, np.array([[0, 1, 2], [2, 1, 0]]))[1]
    np.testing.assert_allclose(root["center"], [0.2, 0.2, 0.3], atol=1e-6)

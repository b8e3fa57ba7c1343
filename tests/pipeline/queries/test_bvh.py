import numpy as np
import pytest
import warp as wp
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries import bvh_kernels as kernels
from shapegan.pipeline.queries import winding_bvh_kernels
from shapegan.pipeline.queries.bvh import CAPACITY, build_bvh, leaf_count
from shapegan.pipeline.queries.ray_kernels import WIDTH
from shapegan.pipeline.queries.winding_bvh import build_winding_bvh

soups = given(
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    places=st.sampled_from([1, 5, 1000]),
)
"""Arguments of `soup`."""


def launch(kernel, dim, *inputs):
    wp.launch(kernel, dim=dim, inputs=list(inputs), device="cpu")


def soup(count, seed, places):
    """Corners (count, 3, 3) at few places, so that many are equal."""
    vertices, faces = shapes.random_soup(count, seed)
    return vertices[faces[np.arange(count) % places % count]]


@examples(60)
@soups
def test_every_node_is_split_at_the_median_of_its_longest_side(count, seed, places):
    corners = soup(count, seed, places)
    bvh = build_bvh(corners, "cpu")
    face, starts = bvh.face.numpy(), bvh.leaf_start.numpy()
    assert sorted(face) == list(range(count))
    np.testing.assert_array_equal(starts, np.arange(bvh.leaves + 1) * count // bvh.leaves)
    centers = ((corners[:, 0] + corners[:, 1] + corners[:, 2]) / np.float32(3))[face]
    leaves = bvh.leaves
    while leaves > 1:
        for first in range(0, bvh.leaves, leaves):
            begin, middle, end = starts[[first, first + leaves // 2, first + leaves]]
            left, right = centers[begin:middle], centers[middle:end]
            if len(left) and len(right):
                axis = np.ptp(centers[begin:end], axis=0).argmax()
                assert left[:, axis].max() <= right[:, axis].min()
        leaves //= 2


@examples(60)
@soups
def test_one_launch_bounds_like_one_for_each_level(count, seed, places):
    bvh = build_bvh(soup(count, seed, places), "cpu")
    boxes = bvh.boxes.numpy().copy()
    bvh.boxes.zero_()
    launch(kernels.bound_leaves, bvh.leaves, bvh)
    level = bvh.leaves // 2
    while level:
        launch(kernels.bound_level, level, level, bvh.boxes)
        level //= 2
    np.testing.assert_array_equal(bvh.boxes.numpy(), boxes)


@pytest.mark.parametrize("count", [1, 5, 200])
def test_one_launch_computes_multipoles_like_one_for_each_level(count):
    vertices, faces = shapes.random_soup(count, 0)
    bvh = build_winding_bvh(vertices[faces], "cpu").bvh
    once, levels = (
        wp.zeros(2 * bvh.leaves, dtype=winding_bvh_kernels.Multipole, device="cpu")
        for _ in range(2)
    )
    launch(winding_bvh_kernels.all_multipoles, 1, bvh, once)
    launch(winding_bvh_kernels.leaf_multipoles, bvh.leaves, bvh, levels)
    level = bvh.leaves // 2
    while level:
        launch(winding_bvh_kernels.merge_multipoles, level, bvh, level, levels)
        level //= 2
    np.testing.assert_array_equal(once.numpy(), levels.numpy())
    assert (once.numpy()["area"][1:] > 0).all()


@pytest.mark.parametrize(("triangles", "leaves"), [(0, 1), (4, 1), (5, 2), (8, 2), (9, 4)])
def test_leaves_hold_at_most_their_size(triangles, leaves):
    assert leaf_count(triangles, 4) == leaves


def half_areas(boxes):
    x, y, z = (boxes["high"] - boxes["low"]).T
    return x * y + y * z + z * x


@examples(60)
@given(
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    places=st.sampled_from([1, 5, 1000]),
    leaf_size=st.sampled_from([1, 4, 8]),
)
def test_a_tree_split_by_area_has_each_triangle_once_in_full_boxes(count, seed, places, leaf_size):
    corners = soup(count, seed, places)
    if leaf_count(count, leaf_size) > count:
        return
    bvh = build_bvh(corners, "cpu", leaf_size, by_area=True)
    face, start, boxes = bvh.face.numpy(), bvh.leaf_start.numpy(), bvh.boxes.numpy()
    np.testing.assert_array_equal(np.sort(face), np.arange(count))
    size = np.diff(start)
    assert size.min() >= 1
    assert size.max() <= CAPACITY
    leaf = bvh.leaves + np.repeat(np.arange(bvh.leaves), size)
    while leaf[0]:  # from the leaves up to the root
        assert (boxes["low"][leaf] <= corners[face].min(axis=1)).all()
        assert (boxes["high"][leaf] >= corners[face].max(axis=1)).all()
        leaf //= 2


def test_a_split_by_area_keeps_nodes_small():
    """A large plate among small triangles makes few nodes large."""
    small, plate = shapes.icosphere(0.3, subdivisions=3), shapes.plane((2.0, 2.0))
    corners = np.concatenate([mesh[0][mesh[1]] for mesh in (small, plate)]).astype(np.float32)
    middle, area = (
        half_areas(build_bvh(corners, "cpu", by_area=by_area).boxes.numpy()[1:]).sum()
        for by_area in (False, True)
    )
    assert area < 0.9 * middle


def test_a_ray_is_tested_against_a_leaf_at_once():
    assert int(WIDTH) >= CAPACITY


def test_places_that_coincide_are_split_in_the_middle():
    corners = np.repeat(soup(1, 0, 1), 20, axis=0)
    bvh = build_bvh(corners, "cpu", by_area=True)
    assert np.diff(bvh.leaf_start.numpy()).tolist() == [2, 3, 2, 3, 2, 3, 2, 3]

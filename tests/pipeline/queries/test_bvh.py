import numpy as np
import pytest
import warp as wp
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries import bvh_kernels as kernels
from shapegan.pipeline.queries import winding_bvh_kernels
from shapegan.pipeline.queries.bvh import build_bvh, leaf_count
from shapegan.pipeline.queries.winding_bvh import build_winding_bvh


def launch(kernel, dim, *inputs):
    wp.launch(kernel, dim=dim, inputs=list(inputs), device="cpu")


def soup(count, seed, places):
    """Corners (count, 3, 3) at few places, so that many are equal."""
    vertices, faces = shapes.random_soup(count, seed)
    return vertices[faces[np.arange(count) % places % count]]


@examples(60)
@given(
    count=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    places=st.sampled_from([1, 5, 1000]),
)
def test_one_launch_splits_and_bounds_like_one_for_each_level(count, seed, places):
    corners = soup(count, seed, places)
    bvh = build_bvh(corners, "cpu")
    centers = (corners[:, 0] + corners[:, 1] + corners[:, 2]) / np.float32(3)
    order = wp.array(np.arange(count), dtype=int, device="cpu")
    rows, below = wp.array(centers, dtype=wp.vec3, device="cpu"), bvh.leaves
    while below > 1:
        launch(kernels.split_level, bvh.leaves // below, rows, bvh.leaf_start, below, order)
        below //= 2
    np.testing.assert_array_equal(bvh.face.numpy(), order.numpy())

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

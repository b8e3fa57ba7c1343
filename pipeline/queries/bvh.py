"""Bounding volume hierarchies (BVH) over triangles.

A hierarchy is a complete binary tree: node i has the children 2i and 2i + 1, so traversal needs no
stack. Triangles are sorted into leaves on the CPU, whatever device searches them: a GPU would split
the first nodes with a thread or two. On the CPU a single launch bounds all nodes: a launch takes
longer than a small level.

- Winding numbers: each node's triangles are split at the median along the longest side of their
  centroids' bounding box. CPU and CUDA have the same tree.
- Nearest points and rays on the CPU: split by the surface area heuristic (`bvh_area_kernels`), at
  the place with the least sum over both children of area times triangles. Building takes a little
  longer, and queries less time. Leaves then hold different numbers of triangles.
"""

import math
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.queries import bvh_area_kernels as area_kernels
from shapegan.pipeline.queries import bvh_kernels as kernels
from shapegan.pipeline.triangles import centroids

LEAF_SIZE = 4
"""Triangles in a leaf where many points traverse a BVH together."""

CAPACITY = 8
"""The largest number of triangles in a leaf of a BVH that is split by area. A ray is tested against
as many at a time (`shapegan.pipeline.queries.ray_kernels.WIDTH`)."""


def leaf_count(triangles: int, leaf_size: int) -> int:
    """Number of leaves, a power of two, of a BVH over triangles with leaves up to a size."""
    return 1 << max(0, math.ceil(math.log2(max(triangles, 1) / leaf_size)))


def build_bvh(
    corners: NDArray[np.float32],
    device: str,
    leaf_size: int = LEAF_SIZE,
    *,
    by_area: bool = False,
) -> Any:
    """Build a BVH over triangles.

    Args:
        corners: (F, 3, 3), F may be 0.
        device: Warp's name of the device.
        leaf_size: the largest number of triangles in a leaf. A leaf holds at least half as many,
            unless it is the only one. If split by area: the mean is from half of this to this.
        by_area: split by the surface area heuristic, on the CPU; other devices split at medians.

    Returns:
        A `Bvh` for kernels. Row 0 of its boxes is unused; without triangles, all rows are.
    """
    leaves = leaf_count(len(corners), leaf_size)
    leaf_start: Any = wp.array(
        np.arange(leaves + 1) * len(corners) // leaves, dtype=int, device="cpu"
    )
    if by_area and device == "cpu" and len(corners):
        face = _split_by_area(corners, leaf_start)
    else:
        face = _split_at_medians(centroids(corners), leaf_start)

    bvh: Any = kernels.Bvh()
    bvh.leaves = leaves
    bvh.leaf_start, bvh.face = leaf_start.to(device), face.to(device)
    bvh.corners = wp.array(take_rows(corners, face.numpy()), dtype=wp.vec3, ndim=2, device=device)
    bvh.boxes = wp.zeros(2 * leaves, dtype=kernels.Box, device=device)
    if device == "cpu" and len(corners):
        wp.launch(kernels.bound_levels, dim=1, inputs=[bvh], device=device)
    elif len(corners):
        wp.launch(kernels.bound_leaves, dim=leaves, inputs=[bvh], device=device)
        level = leaves // 2
        while level:
            wp.launch(kernels.bound_level, dim=level, inputs=[level, bvh.boxes], device=device)
            level //= 2
    return bvh


def _split_at_medians(centers: NDArray[np.float32], leaf_start: Any) -> Any:
    """An order of triangles in which those of every node are contiguous.

    Args:
        centers: (F, 3), the triangles' centroids.
        leaf_start: (leaves + 1,), the position at which each leaf begins.

    Returns:
        (F,) indices of triangles, an array of Warp's.
    """
    positions: Any = wp.array(centers, dtype=wp.vec3, device="cpu")
    order: Any = wp.array(np.arange(len(centers)), dtype=int, device="cpu")
    inputs = [positions, leaf_start, order]
    wp.launch(kernels.split_levels, dim=1, inputs=inputs, device="cpu")
    return order


def _split_by_area(corners: NDArray[np.float32], leaf_start: Any) -> Any:
    """As `_split_at_medians` for triangles (F, 3, 3), F > 0, by the surface area heuristic.

    Args:
        corners: (F, 3, 3).
        leaf_start: (leaves + 1,), of which the first and the last element are given; the others
            are found. F is at most `CAPACITY` times the number of leaves, and no less than it.

    Returns:
        (F,) indices of triangles, an array of Warp's.
    """
    count = len(corners)
    items: Any = area_kernels.Items()
    bins: Any = area_kernels.Bins()
    items.boxes, items.spare_boxes = (
        wp.empty(count, dtype=area_kernels.Bounds, device="cpu") for _ in range(2)
    )
    items.order, items.spare_order = (wp.empty(count, dtype=int, device="cpu") for _ in range(2))
    size = 3 * int(area_kernels.BINS)
    bins.boxes = wp.empty(size, dtype=area_kernels.Bounds, device="cpu")
    bins.count = wp.empty(size, dtype=int, device="cpu")
    bins.above = wp.empty(size, dtype=float, device="cpu")
    triangles: Any = wp.array(corners, dtype=wp.vec3, ndim=2, device="cpu", copy=False)
    wp.launch(area_kernels.bound_triangles, dim=count, inputs=[triangles, items], device="cpu")
    inputs = [items, bins, CAPACITY, leaf_start]
    wp.launch(area_kernels.split_by_area, dim=1, inputs=inputs, device="cpu")
    return items.order

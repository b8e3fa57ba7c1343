"""Trees over triangles, to find quickly what is near or far of many.

A tree is complete: node i has the children 2i and 2i + 1, so that a walk needs no stack. Each
node's triangles are halved along its longest side, so that nodes are compact.
"""

import math
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import centroids
from shapegan.pipeline.queries import bvh_kernels as kernels

LEAF_SIZE = 4
"""Triangles of a leaf, where many points go through a tree together."""


def build_tree(corners: NDArray[np.float32], device: str, leaf_size: int = LEAF_SIZE) -> Any:
    """Lays a tree over triangles (F, 3, 3), F may be 0: a `Triangles` for kernels.

    Row 0 of its boxes is unused, and all of a tree without triangles are.

    Args:
        corners: (F, 3, 3).
        device: Warp's name of it.
        leaf_size: triangles of a leaf at most; half as many at least, but for trees of one leaf.
    """
    leaves = 1 << max(0, math.ceil(math.log2(max(len(corners), 1) / leaf_size)))
    first: Any = wp.array(np.arange(leaves + 1) * len(corners) // leaves, dtype=int, device=device)
    source = _compact_order(centroids(corners), first, leaves, device)

    tree: Any = kernels.Triangles()
    tree.leaves = leaves
    tree.first = first
    tree.source = source
    tree.corners = wp.array(corners[source.numpy()], dtype=wp.vec3, ndim=2, device=device)
    tree.boxes = wp.zeros(2 * leaves, dtype=kernels.Box, device=device)
    if len(corners):
        wp.launch(kernels.box_leaves, dim=leaves, inputs=[tree], device=device)
        level = leaves // 2
        while level:
            wp.launch(kernels.join_boxes, dim=level, inputs=[level, tree.boxes], device=device)
            level //= 2
    return tree


def _compact_order(centers: NDArray[np.float32], first: Any, leaves: int, device: str) -> Any:
    """An order (F,) of triangles, by their centres (F, 3), in which every node's are together.

    Args:
        centers: of the triangles.
        first: (leaves + 1,), where each leaf's triangles begin.
        leaves: a power of two.
        device: Warp's name of it.
    """
    places: Any = wp.array(centers, dtype=wp.vec3, device=device)
    order: Any = wp.array(np.arange(len(centers)), dtype=int, device=device)
    below = leaves
    while below > 1:
        inputs = [places, first, below, order]
        wp.launch(kernels.halve, dim=leaves // below, inputs=inputs, device=device)
        below //= 2
    return order

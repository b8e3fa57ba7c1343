"""Morton order of points."""

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import bounds
from shapegan.pipeline.queries.morton_kernels import numbered_keys

_CELLS = 64
"""Cells along the longest side of the points' bounding box."""


def morton_order(points: NDArray[np.float32]) -> NDArray[np.intp]:
    """Indices that sort points along a Morton (Z-order) curve.

    Neighbours in this order are close in space. Points of one cell keep their order.

    Args:
        points: (N, 3).

    Returns:
        (N,), a permutation.
    """
    if len(points) == 0:
        return np.zeros(0, np.intp)
    corners = bounds(points)
    low, high = corners[0].astype(np.float64), corners[1]
    scale = (_CELLS - 1) / max(float((high - low).max()), 1e-30)
    keys = np.empty(len(points), np.int64)
    inputs: list[Any] = [
        wp.array(np.ascontiguousarray(points), dtype=wp.vec3, device="cpu", copy=False),
        wp.vec3d(*low),
        scale,
        wp.array(keys, dtype=wp.int64, device="cpu", copy=False),
    ]
    wp.launch(numbered_keys, dim=len(points), inputs=inputs, device="cpu")
    # Keys with the index in their lower bits sort several times as fast as a stable argsort.
    keys.sort()
    return keys & 0xFFFFFFFF

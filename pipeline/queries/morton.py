"""Morton order of points."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import bounds

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
    cell = ((points - low) * scale).astype(np.int32)
    spread = _spread_bits(np.arange(_CELLS, dtype=np.int32), _CELLS.bit_length() - 1)
    key = spread[cell[:, 0]] | (spread[cell[:, 1]] << 1) | (spread[cell[:, 2]] << 2)
    # Keys with the index in their lower bits sort several times as fast as a stable argsort.
    numbered = (key.astype(np.int64) << 32) | np.arange(len(key))
    numbered.sort()
    order: NDArray[np.intp] = (numbered & 0xFFFFFFFF).astype(np.intp)
    return order


def _spread_bits(values: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Insert two zero bits after each of the lowest `bits` bits."""
    spread = np.zeros_like(values)
    for bit in range(bits):
        spread |= ((values >> bit) & 1) << (3 * bit)
    return spread

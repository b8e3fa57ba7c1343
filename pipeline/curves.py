"""Orders of points in which neighbours in space follow each other."""

import numpy as np
from numpy.typing import NDArray

_CELLS = 64
"""Along a side, for the coarser order."""

_BITS = 10
"""Of a place along a side, for the finer one."""


def coherent_order(points: NDArray[np.float32]) -> NDArray[np.intp]:
    """A Morton curve: quickly had.

    Args:
        points: (N, 3).
    """
    if len(points) == 0:
        return np.zeros(0, np.intp)
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0)
    scale = (_CELLS - 1) / max(float((high - low).max()), 1e-30)
    cell = ((points - low) * scale).astype(np.int32)
    spread = _spread_bits(np.arange(_CELLS, dtype=np.int32), _CELLS.bit_length() - 1)
    key = spread[cell[:, 0]] | (spread[cell[:, 1]] << 1) | (spread[cell[:, 2]] << 2)
    return np.argsort(key, kind="stable")


def hilbert_order(points: NDArray[np.floating]) -> NDArray[np.intp]:
    """A Hilbert curve: finer, and of those that follow each other, none are far apart.

    After Skilling 2004, "Programming the Hilbert curve".

    Args:
        points: (N, 3).
    """
    if len(points) == 0:
        return np.zeros(0, np.intp)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (2**_BITS - 1) / max(float((high - low).max()), 1e-30)
    place = ((points - low) * scale).astype(np.int32).T.copy()
    # 1. From the coarsest cells down, turn each cell's content as the curve runs through it.
    for bit in range(_BITS - 1, 0, -1):
        below = np.int32((1 << bit) - 1)
        for axis in range(3):
            upper = -((place[axis] >> bit) & 1) & below  # all bits below, or none
            place[0] ^= upper
            swap = (place[0] ^ place[axis]) & (below & ~upper)
            place[0] ^= swap
            place[axis] ^= swap
    # 2. Number the cells, each one bit off the last.
    place[1] ^= place[0]
    place[2] ^= place[1]
    turn = np.zeros_like(place[0])
    for bit in range(_BITS - 1, 0, -1):
        turn ^= -((place[2] >> bit) & 1) & np.int32((1 << bit) - 1)
    place ^= turn
    spread = _spread_bits(np.arange(2**_BITS, dtype=np.int32), _BITS)
    key = (spread[place[0]] << 2) | (spread[place[1]] << 1) | spread[place[2]]
    return np.argsort(key, kind="stable")


def _spread_bits(values: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Puts two zeros between the lowest bits of numbers."""
    spread = np.zeros_like(values)
    for bit in range(bits):
        spread |= ((values >> bit) & 1) << (3 * bit)
    return spread

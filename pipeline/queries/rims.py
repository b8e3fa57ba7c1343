"""Rims: edges that bound a surface, and where they are open.

Near an open rim the winding number changes along paths that cross no face. Most rims are not open:
the two sides of a seam whose vertices do not match cancel each other.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import last_axis_first

PROBES = 2
"""Positions on the rims in each cell at which they are tested."""

MAX_FRACTION = 0.12
"""A winding number farther than this from a whole number shows an open rim. Of three probes round
an open rim, at least one is off by a sixth or more."""


def rim_edges(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """Edges (E, 2) that faces (F, 3) wind more often one way than the other.

    They bound the surface. Without any, winding numbers are whole everywhere.
    """
    tail = np.concatenate(last_axis_first(faces)).astype(np.int64)
    head = np.concatenate(last_axis_first(faces[:, [1, 2, 0]])).astype(np.int64)
    # The lowest bit of a key is the direction. Sorting takes a fraction of the time of numpy's
    # `unique` with an inverse.
    key = np.minimum(tail, head) << 32 | np.maximum(tail, head) << 1 | (tail < head)
    key.sort()
    edge = key >> 1
    first = np.flatnonzero(np.diff(edge, prepend=-1))
    net = np.add.reduceat(2 * (key & 1) - 1, first) if len(first) else first
    rim = edge[first[net != 0]]
    return np.stack([rim >> 31, rim & 0x7FFFFFFF], axis=1)


def open_rim_points(
    rim: NDArray[np.float32],
    cell: float,
    winding_numbers: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Positions on the rims near which the winding number is not whole.

    Args:
        rim: (E, 2, 3), edges.
        cell: size of the cells in which rims are tested.
        winding_numbers: exact winding numbers (N,) of points (N, 3).

    Returns:
        (M, 3), at most `PROBES` in each cell.
    """
    if len(rim) == 0:
        return np.zeros((0, 3), np.float32)
    # 1. Spread positions along the edges.
    position, edge = _points_along(rim, cell / 2)
    chosen = _rows_per_cell(np.floor(position / cell).astype(np.int64), PROBES)
    position, along = position[chosen], (rim[:, 1] - rim[:, 0])[edge[chosen]]

    # 2. Test three points round each until one shows an open rim.
    across = np.cross(along, np.eye(3, dtype=np.float32)[np.abs(along).argmin(axis=1)])
    other = np.cross(along, across)
    across, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (across, other))
    angles = 2 * np.pi / 3 * np.arange(3) + 0.3
    around = np.cos(angles)[:, None, None] * across + np.sin(angles)[:, None, None] * other
    is_open = np.zeros(len(position), bool)
    for probes in (position + cell / 4 * around).astype(np.float32):
        rest = np.flatnonzero(~is_open)
        number = winding_numbers(probes[rest])
        is_open[rest] = np.abs(number - np.rint(number)) > MAX_FRACTION
    points: NDArray[np.float32] = position[is_open]
    return points


def _points_along(
    segments: NDArray[np.float32], step: float
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Points (M, 3) along segments (E, 2, 3), at most `step` apart, and their segments (M,)."""
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    count = 2 + (length / step).astype(np.int64)
    segment = np.repeat(np.arange(len(segments)), count)
    rank = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    share = ((rank + 0.5) / count[segment])[:, None].astype(np.float32)
    points: NDArray[np.float32] = segments[segment, 0] * (1 - share) + segments[segment, 1] * share
    return points, segment


def _rows_per_cell(cells: NDArray[np.int64], limit: int) -> NDArray[np.intp]:
    """Indices of at most `limit` rows of each cell: the first and then every n-th of its rows.

    Args:
        cells: (N, 3), the cell of each row.
        limit: rows of each cell.
    """
    key = (cells - cells.min(axis=0)) @ np.array([1 << 42, 1 << 21, 1])
    _, group = np.unique(key, return_inverse=True)
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    stride = -(-size // limit)
    rows: NDArray[np.intp] = order[rank % np.repeat(stride, size) == 0]
    return rows

"""Fillings of holes: triangles of the smallest total area that close loops of edges."""

import numpy as np
from numpy.typing import NDArray

MAX_FILL_EDGES = 96
"""Loops with more edges are filled by a fan: the exact search takes time cubic in their length."""

MAX_CANDIDATES = 2_000_000
"""Candidate triangles that are held in memory at once."""


def fill_loops(
    loops: list[list[int]], vertices: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.float64]]:
    """Fill loops of edges with triangles, each loop with the smallest total area.

    Dynamic programming over all triangulations (Barequet and Sharir 1995, "Filling gaps in the
    boundary of a polyhedron"). Loops longer than `MAX_FILL_EDGES` get a fan round their centroid.

    Args:
        loops: of three edges or more each, rows of `vertices`.
        vertices: (V, 3).

    Returns:
        The triangles (T, 3), whose indices from V on are new vertices; the loop that each triangle
        closes (T,); and the new vertices (N, 3).
    """
    triangles, owners = list[NDArray[np.int64]](), list[NDArray[np.intp]]()
    centers = list[NDArray[np.float64]]()
    for count in sorted({len(loop) for loop in loops}):
        chosen = np.flatnonzero([len(loop) == count for loop in loops])
        rings = np.array([loops[k] for k in chosen], dtype=np.int64)
        if count > MAX_FILL_EDGES:
            hubs = len(vertices) + len(centers) + np.arange(len(rings))
            centers.extend(vertices[rings].mean(axis=1))
            hub = np.broadcast_to(hubs[:, None], rings.shape)
            fill = np.stack([rings, np.roll(rings, -1, axis=1), hub], axis=2)
        else:
            fill = _fill_in_batches(rings, vertices)
        triangles.append(fill.reshape(-1, 3))
        owners.append(np.repeat(chosen, fill.shape[1]))
    if not loops:
        return np.zeros((0, 3), np.int32), np.zeros(0, np.intp), np.zeros((0, 3))
    new = np.array(centers).reshape(-1, 3)
    return np.concatenate(triangles).astype(np.int32), np.concatenate(owners), new


def _fill_in_batches(rings: NDArray[np.int64], vertices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Triangles (B, K - 2, 3) that fill loops of the same length (B, K)."""
    size = max(1, MAX_CANDIDATES // rings.shape[1] ** 2)
    fills = []
    for start in range(0, len(rings), size):
        batch = rings[start : start + size]
        local = _minimal_triangulations(vertices[batch])
        fills.append(np.take_along_axis(batch[:, None], local, axis=2))
    return np.concatenate(fills)


def _minimal_triangulations(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Triangulations (B, K - 2, 3) of smallest area of closed polylines (B, K, 3).

    The smallest area between the corners i and k of a polyline is the minimum over m of
    cost(i, m) + cost(m, k) + area(i, m, k).
    """
    number, count, _ = points.shape
    cost = np.zeros((number, count, count))
    apex = np.zeros((number, count, count), dtype=np.int64)
    for gap in range(2, count):
        i = np.arange(count - gap)
        k = i + gap
        middle = i[:, None] + np.arange(1, gap)
        spokes = points[:, middle] - points[:, i, None]
        bases = (points[:, k] - points[:, i])[:, :, None]
        area = np.sqrt(_square_of_cross(spokes, bases)) / 2
        total = area + cost[:, i[:, None], middle] + cost[:, middle, k[:, None]]
        best = np.argmin(total, axis=2)
        cost[:, i, k] = np.take_along_axis(total, best[:, :, None], axis=2)[:, :, 0]
        apex[:, i, k] = i + 1 + best
    return np.array([_triangles_of(one.tolist()) for one in apex]).reshape(number, count - 2, 3)


def _square_of_cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared lengths of the cross products of vectors that broadcast to (..., 3)."""
    x = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    y = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    z = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    square: NDArray[np.float64] = x * x + y * y + z * z
    return square


def _triangles_of(apex: list[list[int]]) -> list[tuple[int, int, int]]:
    """Triangles of the best triangulation; `apex[i][k]` is the corner opposite to side i, k."""
    triangles, spans = [], [(0, len(apex) - 1)]
    while spans:
        left, right = spans.pop()
        if right - left >= 2:
            middle = apex[left][right]
            triangles.append((left, middle, right))
            spans += [(left, middle), (middle, right)]
    return triangles

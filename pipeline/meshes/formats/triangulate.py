"""Polygons -> triangles that cover the same area, concave ones too."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST = 2000
"""Concave polygons of more corners than this are cut into a fan, right or not: cutting ears off
takes time that grows with the square of their number, up to ten seconds for a spiral of so many."""

_SLACK = 1e-6
"""Share of a polygon's area by which a triangle may look the wrong way."""

Point = tuple[float, float]


def triangulate(
    vertices: NDArray[np.float64], corners: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cuts polygons into triangles, in order.

    A fan around the first corner is right for a convex polygon, and is tried first. Where it
    folds over, a quad is cut along its other diagonal, and a larger polygon loses ears (corners
    that stick out, with no other corner in them) one after the other (Meisters 1975, "Polygons
    have ears"). Polygons that cross themselves keep the fan.

    Args:
        vertices: (V, 3), not necessarily finite.
        corners: (C,), rows of `vertices`, polygon after polygon.
        counts: (P,), corners of each polygon. Those with less than three give nothing.

    Returns:
        (F, 3), a triangle for each corner of a polygon but two.
    """
    triangles = np.maximum(counts - 2, 0)
    begins = np.cumsum(counts) - counts
    rows = np.cumsum(triangles) - triangles
    apex = np.repeat(begins, triangles)
    step = np.arange(len(apex)) - np.repeat(rows, triangles)
    faces: NDArray[np.int64] = corners[np.stack([apex, apex + step + 1, apex + step + 2], axis=1)]
    for size in np.unique(counts[counts > 3]).tolist():
        some = np.flatnonzero(counts == size)
        polygons = corners[begins[some][:, None] + np.arange(size)]
        normals, folded = _judge_fans(vertices[polygons])
        for index in np.flatnonzero(folded).tolist():
            row, polygon = rows[some[index]], polygons[index]
            order = _cut(vertices[polygon], normals[index])
            if order is not None:
                faces[row : row + size - 2] = polygon[order]
    return faces


def _judge_fans(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Normals of polygons (P, N, 3), and whether a triangle of the fan looks the other way."""
    with np.errstate(all="ignore"):
        arms = points[:, 1:] - points[:, :1]
        crosses = np.cross(arms[:, :-1], arms[:, 1:])
        normals = crosses.sum(axis=1)
        along = np.einsum("pnk,pk->pn", crosses, normals)
        folded: NDArray[np.bool_] = along.min(axis=1) < -_SLACK * (normals**2).sum(axis=1)
    return normals, folded


def _cut(points: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Ears of a polygon (N, 3) by its corners' numbers: (N - 2, 3); None if there are none."""
    if len(points) > LARGEST:
        return None
    # Seen along the axis closest to the normal, the polygon keeps its shape but for a stretch.
    axis = int(np.abs(normal).argmax())
    flat = np.delete(points, axis, axis=1)
    if (normal[axis] < 0) != (axis == 1):
        flat = flat[:, ::-1]
    ears = cut_ears([(x, y) for x, y in flat.tolist()])
    return None if ears is None else np.array(ears, np.int64)


def cut_ears(points: Sequence[Point]) -> list[tuple[int, int, int]] | None:
    """Cuts a polygon that runs counter-clockwise into triangles of its corners' numbers.

    Returns:
        None for a polygon that runs out of ears: it crosses itself.
    """
    left = list(range(len(points)))
    dents = {k for k in left if _is_dent(points, left, k)}
    ears: list[tuple[int, int, int]] = []
    place = misses = 0
    while len(left) > 3 and misses < len(left):
        a, b, c = (left[(place + k) % len(left)] for k in (-1, 0, 1))
        # Whatever lies in a corner, a dent does: the other corners need not be looked at.
        if b in dents or any(_holds(points[a], points[b], points[c], points[k]) for k in dents):
            place, misses = (place + 1) % len(left), misses + 1
            continue
        ears.append((a, b, c))
        del left[place]
        dents -= {k for k in (a, c) if not _is_dent(points, left, left.index(k))}
        place, misses = (place + 1) % len(left), 0
    return None if len(left) > 3 else [*ears, (left[0], left[1], left[2])]


def _is_dent(points: Sequence[Point], left: list[int], place: int) -> bool:
    a, b, c = (points[left[(place + k) % len(left)]] for k in (-1, 0, 1))
    return _turn(a, b, c) <= 0


def _holds(a: Point, b: Point, c: Point, p: Point) -> bool:
    """Whether p lies in a triangle or on its rim, but not in a corner (as bridges to holes do)."""
    if p in (a, b, c):
        return False
    return _turn(a, b, p) >= 0 and _turn(b, c, p) >= 0 and _turn(c, a, p) >= 0


def _turn(a: Point, b: Point, c: Point) -> float:
    """Twice the area of a triangle, positive if it runs counter-clockwise."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

"""Polygons -> triangles that cover the same area, concave polygons included."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.ear_clipping import clip_ears

_MAX_FOLD = 1e-6
"""Share of a polygon's area by which a triangle may face the other way without being a fold."""
_NO_SHARE = 1e-12
"""A triangle with a smaller share of a polygon's area has none."""


def triangulate(
    vertices: NDArray[np.float64], corners: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cut polygons into triangles, in order.

    A convex polygon becomes a fan around its first corner. Where that fan folds over, or has a
    triangle without an area, a quad is cut along its other diagonal, and a larger polygon by
    `shapegan.pipeline.meshes.formats.ear_clipping.clip_ears`. Polygons for which neither helps,
    since they cross themselves or have no area, keep the fan.

    Args:
        vertices: (V, 3), possibly not finite.
        corners: (C,), rows of `vertices`, polygon after polygon.
        counts: (P,), corners of each polygon. Those with fewer than three give nothing.

    Returns:
        (F, 3), rows of `vertices`, wound as their polygons. A polygon of n corners gives n - 2
        triangles with all its edges; if it crosses itself, it may give fewer.
    """
    triangles = np.maximum(counts - 2, 0)
    begins = np.cumsum(counts) - counts
    rows = np.cumsum(triangles) - triangles
    apex = np.repeat(begins, triangles)
    step = np.arange(len(apex)) - np.repeat(rows, triangles)
    faces: NDArray[np.int64] = corners[np.stack([apex, apex + step + 1, apex + step + 2], axis=1)]
    kept = np.ones(len(faces), bool)
    for size in np.unique(counts[counts > 3]).tolist():
        some = np.flatnonzero(counts == size)
        polygons = corners[begins[some][:, None] + np.arange(size)]
        normals, shares = _fan_shares(vertices[polygons])
        bad = np.any((shares < -_MAX_FOLD) | (np.abs(shares) < _NO_SHARE), axis=1)
        if size == 4:
            _cut_quads(vertices, polygons[bad], rows[some[bad]], faces)
        for index in np.flatnonzero(bad).tolist() if size > 4 else ():
            cut = clip_ears(vertices[polygons[index]], normals[index])
            if len(cut):
                row = rows[some[index]]
                faces[row : row + len(cut)] = polygons[index][cut]
                kept[row + len(cut) : row + size - 2] = False
    return faces[kept]


def _fan_shares(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure the fans of polygons (P, N, 3).

    Returns:
        Normals (P, 3) as long as twice the areas, and the share (P, N - 2) of the area that each
        triangle has; it is negative if the triangle faces the other way, and NaN if unknown.
    """
    with np.errstate(all="ignore"):
        arms = points[:, 1:] - points[:, :1]
        crosses = np.cross(arms[:, :-1], arms[:, 1:])
        normals = crosses.sum(axis=1)
        along = np.einsum("pnk,pk->pn", crosses, normals)
        squares = (normals**2).sum(axis=1, keepdims=True)
        return normals, along / np.where(np.isfinite(squares), squares, np.nan)


def _cut_quads(
    vertices: NDArray[np.float64],
    quads: NDArray[np.int64],
    rows: NDArray[np.intp],
    faces: NDArray[np.int64],
) -> None:
    """Cut quads (Q, 4) along their other diagonal, if that is better.

    Args:
        vertices: (V, 3).
        quads: rows of the vertices.
        rows: (Q,), the first of the two faces of each quad.
        faces: (F, 3), changed in place.
    """
    turned = np.roll(quads, 1, axis=1)
    worst, turned_worst = (_fan_shares(vertices[one])[1].min(axis=1) for one in (quads, turned))
    better = turned_worst > worst
    faces[rows[better]] = turned[better][:, [0, 1, 2]]
    faces[rows[better] + 1] = turned[better][:, [2, 3, 0]]

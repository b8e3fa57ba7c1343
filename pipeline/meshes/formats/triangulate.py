"""Polygons -> triangles that cover the same area, concave polygons included."""

import mapbox_earcut
import numpy as np
from numpy.typing import NDArray

_MAX_FOLD = 1e-6
"""Share of a polygon's area by which a triangle may face the other way without being a fold."""


def triangulate(
    vertices: NDArray[np.float64], corners: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cut polygons into triangles, in order.

    A convex polygon becomes a fan around its first corner. Where that fan folds over, a quad is cut
    along its other diagonal, and a larger polygon by ear clipping (Meisters 1975, "Polygons have
    ears"; library mapbox-earcut). Polygons for which neither helps, since they cross themselves or
    have no area, keep the fan.

    Args:
        vertices: (V, 3), possibly not finite.
        corners: (C,), rows of `vertices`, polygon after polygon.
        counts: (P,), corners of each polygon. Those with fewer than three give nothing.

    Returns:
        (F, 3), rows of `vertices`, wound as their polygons: a fan of n corners has n - 2 triangles,
        ear clipping may leave out corners between collinear edges and give fewer.
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
        normals, folded = _judge_fans(vertices[polygons])
        for index in np.flatnonzero(folded).tolist():
            polygon, row = polygons[index], rows[some[index]]
            cut = _cut(vertices[polygon], normals[index])
            if len(cut):
                faces[row : row + len(cut)] = polygon[cut]
                kept[row + len(cut) : row + size - 2] = False
    return faces[kept]


def _judge_fans(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Normals of polygons (P, N, 3), as long as twice their areas, and which fans fold over."""
    with np.errstate(all="ignore"):
        arms = points[:, 1:] - points[:, :1]
        crosses = np.cross(arms[:, :-1], arms[:, 1:])
        normals = crosses.sum(axis=1)
        along = np.einsum("pnk,pk->pn", crosses, normals)
        folded: NDArray[np.bool_] = along.min(axis=1) < -_MAX_FOLD * (normals**2).sum(axis=1)
    return normals, folded


def _cut(points: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cut a polygon (N, 3) whose fan folds over: (T, 3) corners of triangles; T may be 0."""
    if len(points) == 4:
        return np.array([[3, 0, 1], [1, 2, 3]], np.int64)
    if not np.isfinite(points).all():
        return np.empty((0, 3), np.int64)
    # Seen along the axis closest to the normal, a polygon keeps its shape except for a stretch.
    # Earcut winds all triangles counter-clockwise, so it must see the polygon from its front.
    axis = int(np.abs(normal).argmax())
    flat = np.delete(points, axis, axis=1)
    if (normal[axis] < 0) != (axis == 1):
        flat = flat[:, ::-1]
    ends = np.array([len(points)], np.uint32)
    cut = mapbox_earcut.triangulate_float64(np.ascontiguousarray(flat), ends)
    return cut.reshape(-1, 3).astype(np.int64)

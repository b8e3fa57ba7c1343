"""Ear clipping of single polygons (Meisters 1975, "Polygons have ears"; library mapbox-earcut)."""

import itertools
from collections import Counter, defaultdict

import mapbox_earcut
import numpy as np
from numpy.typing import NDArray

Edge = tuple[int, int]
Triangle = tuple[int, int, int]

_DETOUR = 1e-6
"""Share by which the way along corners of an edge may be longer than the edge."""


def clip_ears(points: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cut a polygon into triangles that have all its edges.

    Earcut leaves out corners between collinear edges. A neighbour that shares such a corner would
    not meet the triangles there, and a closed mesh would no longer be closed. So triangles are
    split at these corners.

    Args:
        points: (N, 3), the corners; the polygon need not be convex or flat.
        normal: (3,), of any length.

    Returns:
        Corners (T, 3) of triangles wound as the polygon, T <= N - 2. T is 0 if there is no way, or
        if a point is not finite.
    """
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
    triangles = cut.reshape(-1, 3).astype(np.int64)
    if 0 < len(triangles) < len(points) - 2:
        return _with_all_edges(triangles, points)
    return triangles


def _with_all_edges(triangles: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Split triangles (T, 3) at the corners of the polygon (N, 3) that lie on their edges."""
    mesh = [(a, b, c) for a, b, c in triangles.tolist()]
    place = {edge: index for index, triangle in enumerate(mesh) for edge in _edges(triangle)}
    for loop in _open_loops(mesh, len(points)):
        _close(loop, mesh, place, points)
    if len(mesh) > len(points) - 2:  # only of polygons that cross themselves
        return triangles
    return np.array(mesh, np.int64)


def _edges(triangle: Triangle) -> tuple[Edge, Edge, Edge]:
    a, b, c = triangle
    return (a, b), (b, c), (c, a)


def _open_loops(mesh: list[Triangle], corner_count: int) -> list[list[int]]:
    """Loops of edges that triangles lack: those of the polygon, and those between triangles."""
    lacking = Counter((k, (k + 1) % corner_count) for k in range(corner_count))
    for triangle in mesh:
        lacking.subtract(_edges(triangle))
    following: dict[int, list[int]] = defaultdict(list)
    for a, b in sorted({edge for one in lacking for edge in (one, one[::-1])}):
        following[a] += [b] * (lacking[a, b] - lacking[b, a])
    loops = []
    for start in sorted(following):
        while following[start]:
            path = [start]
            while following[path[-1]]:
                end = following[path[-1]].pop()
                if end in path:
                    first = path.index(end)
                    loops.append(path[first:])
                    del path[first + 1 :]
                else:
                    path.append(end)
    return loops


def _close(
    loop: list[int], mesh: list[Triangle], place: dict[Edge, int], points: NDArray[np.float64]
) -> None:
    """Give the mesh the edges of a loop, which encloses no area, or nearly none.

    If the loop runs along its longest edge and back, and that is the edge of a triangle, this
    triangle is split at the other corners. Otherwise triangles without an area fill the loop.
    """
    ends = loop[1:] + loop[:1]
    lengths = np.linalg.norm(points[ends] - points[loop], axis=1)
    is_there = [(b, a) in place for a, b in zip(loop, ends, strict=True)]
    last = max(range(len(loop)), key=lambda k: (lengths[k], is_there[k]))
    path = loop[last + 1 :] + loop[: last + 1]
    is_straight = lengths.sum() < (2 + _DETOUR) * lengths[last]
    split = place.get((path[0], path[-1])) if is_straight else None
    if split is not None and (apex := _opposite(mesh[split], path)) not in path:
        new = [(a, b, apex) for a, b in itertools.pairwise(path)]
        mesh[split] = new.pop()
        place.update(dict.fromkeys(_edges(mesh[split]), split))
    else:
        new = _fill(loop, points)
    for triangle in new:
        place.update(dict.fromkeys(_edges(triangle), len(mesh)))
        mesh.append(triangle)


def _opposite(triangle: Triangle, path: list[int]) -> int:
    """Corner of a triangle that is not an end of the path."""
    return next(corner for corner in triangle if corner not in (path[0], path[-1]))


def _fill(loop: list[int], points: NDArray[np.float64]) -> list[Triangle]:
    """Cut a loop into triangles, the ones with the smallest areas first."""
    left, triangles = list(loop), []
    while len(left) > 2:
        before, after = left[-1:] + left[:-1], left[1:] + left[:1]
        arms = points[before] - points[left], points[after] - points[left]
        ear = int(np.linalg.norm(np.cross(*arms), axis=1).argmin())
        triangles.append((before[ear], left[ear], after[ear]))
        del left[ear]
    return triangles

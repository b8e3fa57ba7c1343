"""Patches of a triangle mesh, their consistent winding, and the holes in them.

All of it is combinatorial: only which faces share which edges counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapegan.pipeline.columns import largest, smallest


@dataclass(frozen=True)
class Patches:
    """Faces grouped by manifold edges and wound alike within each group."""

    faces: NDArray[np.int32]
    """(F, 3), some of them turned round."""
    patch: NDArray[np.int32]
    """(F,), which patch a face belongs to, 0 to P - 1."""

    @property
    def count(self) -> int:
        """P."""
        return int(self.patch.max()) + 1 if len(self.patch) else 0


def find_patches(faces: NDArray[np.int32]) -> Patches:
    """Joins faces over edges that exactly two of them share, and winds each patch alike.

    Each face enters a graph twice, as it is and turned round; two faces over an edge are linked
    in the states in which their windings agree. A patch that can be oriented falls into two
    mirrored components; one that cannot (a Moebius strip) is one, and is left in pieces of
    faces whose windings agree as they came.

    Args:
        faces: (F, 3) without degenerate or repeated ones.
    """
    count = len(faces)
    left, right, agree = _neighbours(faces)
    state = _components(
        2 * count,
        np.concatenate([left, left + count]),
        np.concatenate(
            [np.where(agree, right, right + count), np.where(agree, right + count, right)]
        ),
    )
    as_is, turned = state[:count], state[count:]
    twisted = as_is == turned
    # Of a pair of mirrored components the lower number wins: one choice for the whole patch.
    turn = (turned < as_is) & ~twisted
    patch = np.minimum(as_is, turned).astype(np.int64)
    if twisted.any():
        calm = agree & twisted[left]
        pieces = _components(count, left[calm], right[calm])
        patch = np.where(twisted, 2 * count + pieces, patch)
    oriented = np.where(turn[:, None], faces[:, ::-1], faces)
    return Patches(oriented, np.unique(patch, return_inverse=True)[1].astype(np.int32))


def _neighbours(
    faces: NDArray[np.int32],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Pairs of faces over an edge that just two share, and whether their windings agree."""
    edges, face = _directed_edges(faces), np.tile(np.arange(len(faces)), 3)
    order, start, size = _group_edges(edges)
    first = order[start[size == 2]]
    second = order[start[size == 2] + 1]
    # Neighbours agree where they walk their common edge in opposite directions.
    agree = edges[first, 0] != edges[second, 0]
    return face[first], face[second], agree


def _directed_edges(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """All (3 F, 2) directed edges: first every face's edge 0-1, then 1-2, then 2-0."""
    ends = faces[:, [0, 1, 1, 2, 2, 0]].astype(np.int64)
    return np.concatenate([ends[:, 0:2], ends[:, 2:4], ends[:, 4:6]])


def _group_edges(
    edges: NDArray[np.int64],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Sorts edges so that those with the same two ends lie together: order, starts, sizes."""
    key = (smallest(edges) << 32) | largest(edges)
    order = np.argsort(key, kind="stable")
    fresh = np.concatenate([[True], np.diff(key[order]) != 0]) if len(key) else np.zeros(0, bool)
    start = np.flatnonzero(fresh)
    return order, start, np.diff(np.append(start, len(key)))


def _components(count: int, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.int32]:
    links = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    labels: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return labels


def boundary_loops(faces: NDArray[np.int32]) -> list[list[int]]:
    """Simple closed loops of edges that only one face has.

    A loop runs against the faces beside it, so that a patch put in with the loop's own winding
    is wound like them. A walk that comes back to a vertex closes a loop there, so figures of
    eight come apart; walks that end at a non-manifold vertex are dropped.

    Args:
        faces: (F, 3), consistently wound patches.
    """
    edges = _directed_edges(faces)
    order, start, size = _group_edges(edges)
    rim = edges[order[start[size == 1]]]
    onward: dict[int, list[int]] = {}
    for tail, head in rim.tolist():
        onward.setdefault(head, []).append(tail)
    loops = []
    for seed in list(onward):
        while onward.get(seed):
            loops.extend(_walk(seed, onward))
    return loops


def _walk(seed: int, onward: dict[int, list[int]]) -> list[list[int]]:
    """Follows rim edges from `seed`, using them up, until it can go no farther."""
    loops: list[list[int]] = []
    path, place = [seed], {seed: 0}
    while onward.get(path[-1]):
        vertex = onward[path[-1]].pop()
        if vertex in place:
            cut = place[vertex]
            loops.append(path[cut:])
            for passed in path[cut + 1 :]:
                del place[passed]
            del path[cut + 1 :]
        else:
            place[vertex] = len(path)
            path.append(vertex)
    return loops


MAX_FILL_EDGES = 96
"""Loops of more edges are filled by a fan round their centroid instead: the exact search takes
time cubic in their length."""


def fill_loops(
    loops: list[list[int]], vertices: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.float64]]:
    """Triangles that close loops of edges, each with the smallest area that there is.

    By dynamic programming over all triangulations (Barequet and Sharir 1995, "Filling gaps in
    the boundary of a polyhedron").

    Args:
        loops: of three edges or more each, rows into `vertices`.
        vertices: (V, 3).

    Returns:
        (T, 3) corners, where numbers from V on are those of new vertices; (T,), whose loop each
        closes; and the new vertices (N, 3).
    """
    triangles: list[NDArray[np.int64]] = []
    owners: list[NDArray[np.intp]] = []
    centers: list[NDArray[np.float64]] = []
    for count in sorted({len(loop) for loop in loops}):
        alike = np.flatnonzero([len(loop) == count for loop in loops])
        rings = np.array([loops[k] for k in alike], dtype=np.int64)
        if count > MAX_FILL_EDGES:
            hubs = len(vertices) + len(centers) + np.arange(len(rings))
            centers.extend(vertices[rings].mean(axis=1))
            hub = np.broadcast_to(hubs[:, None], rings.shape)
            fill = np.stack([rings, np.roll(rings, -1, axis=1), hub], axis=2)
        else:
            fill = _in_batches(rings, vertices)
        triangles.append(fill.reshape(-1, 3))
        owners.append(np.repeat(alike, fill.shape[1]))
    if not loops:
        return np.zeros((0, 3), np.int32), np.zeros(0, np.intp), np.zeros((0, 3))
    new = np.array(centers).reshape(-1, 3)
    return np.concatenate(triangles).astype(np.int32), np.concatenate(owners), new


_BATCH = 2_000_000
"""Candidate triangles that are looked at together."""


def _in_batches(rings: NDArray[np.int64], vertices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Closes loops of the same length (B, K): corners (B, K - 2, 3)."""
    size = max(1, _BATCH // rings.shape[1] ** 2)
    fills = []
    for start in range(0, len(rings), size):
        part = rings[start : start + size]
        local = _least_areas(vertices[part])
        fills.append(np.take_along_axis(part[:, None], local, axis=2))
    return np.concatenate(fills)


def _least_areas(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The triangulations of closed polylines (B, K, 3) with the least area: (B, K - 2, 3)."""
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
    return np.array([_read_off(one.tolist()) for one in apex]).reshape(number, count - 2, 3)


def _square_of_cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    x = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    y = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    z = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    square: NDArray[np.float64] = x * x + y * y + z * z
    return square


def _read_off(apex: list[list[int]]) -> list[tuple[int, int, int]]:
    """The triangles that a table of apexes stands for."""
    triangles, spans = [], [(0, len(apex) - 1)]
    while spans:
        left, right = spans.pop()
        if right - left >= 2:
            middle = apex[left][right]
            triangles.append((left, middle, right))
            spans += [(left, middle), (middle, right)]
    return triangles

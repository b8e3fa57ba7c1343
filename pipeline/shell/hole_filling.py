"""Holes of oriented faces: which are closed, and which mean that the faces enclose nothing."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.patches import directed_edges, group_edges
from shapegan.pipeline.shell.surface_samples import OFFSET, face_areas, sample_faces

OPEN_ENDED = 0.45
"""A part with two holes or more whose closures have more than this share of its area is no solid
but a sheet that is open at its ends, such as a lampshade. It is 0.5 for a pipe as long as wide,
0.05 for one ten times as long."""


@dataclass(frozen=True)
class Solid:
    """Oriented faces with their holes closed."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    patch: NDArray[np.int32]
    """(F,), where a face came from; each hole's closure is a patch of its own."""
    filled: int

    def without(self, drop: NDArray[np.bool_]) -> "Solid":
        """Leaves out the faces that are marked (F,)."""
        filled = int((~drop)[len(drop) - self.filled :].sum())
        return replace(self, faces=self.faces[~drop], patch=self.patch[~drop], filled=filled)


def close(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    patch: NDArray[np.int32],
    device: str,
) -> tuple[Solid, NDArray[np.int32]]:
    """Closes the holes of oriented faces where the winding number has its half-way there.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        patch: (F,), where each came from.
        device: Warp's name of it.

    Returns:
        The solid, and the faces (S, 3) of open-ended parts, which are left out of it.
    """
    # 1. Put a patch over every loop of rim edges.
    loops = [loop for loop in boundary_loops(faces) if len(loop) >= 3]
    fill, loop, centers = fill_loops(loops, vertices)
    grown = np.concatenate([vertices, centers])
    if len(fill) == 0:
        return Solid(vertices, faces, patch, 0), faces[:0]

    # 2. Keep those that stand between inside and outside: half-way between two whole numbers,
    #    for a hole of one part may lie inside another part.
    samples = sample_faces(grown, fill, extra=len(loops))
    field = WindingField(grown.astype(np.float32), faces, device)
    winding = field.numbers(samples.position + np.float32(OFFSET) * samples.normal, exact=True)
    halfway = (np.abs(winding - np.floor(winding) - 0.5) < 0.3) & (winding > 0)
    weight = np.bincount(loop[samples.face], samples.area)
    good = np.bincount(loop[samples.face], samples.area * halfway) > 0.9 * weight
    fill, loop = fill[good[loop]], loop[good[loop]]

    # 3. Leave out the parts that are mostly holes.
    sheet, closes_sheet = _open_ended(grown, faces, fill, loop)
    fill, loop = fill[~closes_sheet], loop[~closes_sheet]
    closures = patch.max(initial=0) + 1 + loop
    solid = Solid(
        grown,
        np.concatenate([faces[~sheet], fill]),
        np.concatenate([patch[~sheet], closures]).astype(np.int32),
        len(fill),
    )
    return solid, faces[sheet]


def _open_ended(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    fill: NDArray[np.int32],
    loop: NDArray[np.intp],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which faces (F,) belong to parts that are mostly holes, and which closures (T,)."""
    ends = np.concatenate([faces, fill])
    tail, head = ends[:, [0, 1]].ravel(), ends[:, [1, 2]].ravel()
    links = coo_matrix((np.ones(len(tail), np.int8), (tail, head)), shape=(len(vertices),) * 2)
    count, part = connected_components(links, directed=False)
    of_face, of_fill = part[faces[:, 0]], part[fill[:, 0]]
    area = np.bincount(of_face, face_areas(vertices, faces), count)
    closed = np.bincount(of_fill, face_areas(vertices, fill), count)
    holes = np.bincount(part[fill[np.unique(loop, return_index=True)[1], 0]], minlength=count)
    is_sheet = (holes >= 2) & (closed > OPEN_ENDED * area)
    return is_sheet[of_face], is_sheet[of_fill]


def boundary_loops(faces: NDArray[np.int32]) -> list[list[int]]:
    """Simple closed loops of edges that only one face has.

    A loop runs against the faces beside it, so that a patch put in with the loop's own winding
    is wound like them. A walk that comes back to a vertex closes a loop there, so figures of
    eight come apart; walks that end at a non-manifold vertex are dropped.

    Args:
        faces: (F, 3), consistently wound patches.
    """
    edges = directed_edges(faces)
    order, start, size = group_edges(edges)
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

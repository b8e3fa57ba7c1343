"""Missing rims: strips between the mouths of two skins, where the end of a wall has no faces.

A vessel of two skins whose rim is missing has two holes one above the other. Filled one by one,
they would put a plug into its mouth. Of all surfaces between both loops the smallest counts, as for
a single hole (Barequet and Sharir 1995): a strip round the mouth, unless the wall is thicker than
the mouth is wide from its middle, about.
"""

from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from shapegan.pipeline.arrays import lengths, take_rows
from shapegan.pipeline.shell.patches import directed_edges
from shapegan.pipeline.triangles import areas, cross_products

ANTIPARALLEL = -0.5
"""Largest cosine between the area vectors of two mouths of one wall."""

FLAT = 1e-3
"""Two mouths lie in one plane if they are nearer along its normal than this share of a loop."""

WITHIN = 0.95
"""Share of the longer loop below which the shorter of two mouths in one plane lies within it. The
halves of a ball meet in two equal loops, and no rim is missing there."""


def bridge_missing_rims(
    loops: list[list[int]],
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    patch: NDArray[np.int32],
) -> tuple[NDArray[np.intp], list[NDArray[np.int32]]]:
    """Find pairs of loops with a rim missing between them, and the strips that stand for it.

    Args:
        loops: from `shapegan.pipeline.shell.hole_filling.boundary_loops`, L of them.
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        patch: (F,), the patch of each face.

    Returns:
        Pairs of loops (N, 2), none twice, and for each its strip (T, 3), wound like the faces.
    """
    none = np.zeros((0, 2), np.intp)
    if len(loops) < 2:
        return none, []
    center, vector, around = _measure(loops, vertices)
    candidates = _facing_away(center, vector, around)
    if len(candidates) == 0:
        return none, []
    owner = _patches_of(loops, faces, patch)
    volume = _volumes_about(center[candidates], owner[candidates], vertices, faces, patch)
    # Only one of two skins has the hollow in front of it.
    skins = (owner[candidates[:, 0]] != owner[candidates[:, 1]]) & (volume.prod(axis=1) < 0)
    pairs: list[tuple[int, int]] = []
    strips: list[NDArray[np.int32]] = []
    used = np.zeros(len(loops), bool)
    for one, other in candidates[skins].tolist():
        if used[one] or used[other]:
            continue
        strip = _strip(vertices, loops[one], loops[other])
        if areas(take_rows(vertices, strip)).sum() < lengths(vector[[one, other]]).sum():
            used[[one, other]] = True
            pairs.append((one, other))
            strips.append(strip)
    return np.array(pairs, np.intp).reshape(-1, 2), strips


def _measure(
    loops: list[list[int]], vertices: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centres (L, 3), area vectors (L, 3) and lengths (L,) of loops."""
    size = np.array([len(loop) for loop in loops])
    start = np.cumsum(size) - size
    ring = vertices[np.fromiter(chain.from_iterable(loops), np.intp, size.sum())]
    center = np.add.reduceat(ring, start) / size[:, None]
    following = np.arange(1, len(ring) + 1)
    following[start + size - 1] = start
    spoke, side = ring - np.repeat(center, size, axis=0), ring[following] - ring
    vector = np.add.reduceat(np.cross(spoke, side), start) / 2
    return center, vector, np.add.reduceat(lengths(side), start)


def _patches_of(
    loops: list[list[int]], faces: NDArray[np.int32], patch: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The patch (L,) of the face at the first edge of each loop, which runs opposite to it."""
    edges = directed_edges(faces)
    key = edges[:, 0] << 32 | edges[:, 1]
    order = np.argsort(key)
    first = np.array([loop[:2] for loop in loops], np.int64)
    at = order[np.searchsorted(key[order], first[:, 1] << 32 | first[:, 0])]
    found: NDArray[np.int32] = patch[at % len(faces)]
    return found


def _volumes_about(
    center: NDArray[np.float64],
    owner: NDArray[np.int32],
    vertices: NDArray[np.float64],
    faces: NDArray[np.int32],
    patch: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Volumes (N, 2) between patches (N, 2) and points (N, 2, 3), negative in front of a patch.

    With the middle of a flat hole for the point, it is that of the patch and the filled hole.

    Args:
        center: (N, 2, 3), cube frame.
        owner: (N, 2), patches.
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        patch: (F,), the patch of each face.
    """
    corners = take_rows(vertices, faces)
    spans = cross_products(corners)
    about_origin = np.bincount(patch, (corners[:, 0] * spans).sum(axis=1))
    span = np.stack([np.bincount(patch, spans[:, k]) for k in range(3)], axis=1)
    volume: NDArray[np.float64] = about_origin[owner] - (center * span[owner]).sum(axis=-1)
    return volume / 6


def _facing_away(
    center: NDArray[np.float64], vector: NDArray[np.float64], around: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Pairs of loops (N, 2) whose fillings would face away from each other, the nearest first.

    Args:
        center: (L, 3), their middles.
        vector: (L, 3), their area vectors, in the direction that fillings would face.
        around: (L,), their lengths.
    """
    # A strip is smaller than two discs only if they are nearer than about their radius.
    near = cKDTree(center).query_ball_point(center, around / (2 * np.pi))
    one = np.repeat(np.arange(len(center)), [len(some) for some in near])
    other = np.concatenate([np.asarray(some, np.intp) for some in near])
    way = center[other] - center[one]
    cosine = (vector[one] * vector[other]).sum(axis=1)
    chosen = (one != other) & (around[other] <= around[one])
    chosen &= cosine < ANTIPARALLEL * lengths(vector[one]) * lengths(vector[other])
    heights = [
        (way * vector[end]).sum(axis=1) / np.maximum(lengths(vector[end]), np.finfo(float).tiny)
        for end in (one, other)
    ]
    flat = np.abs(heights).max(axis=0) < FLAT * around[one]
    within = around[other] < WITHIN * around[one]
    chosen &= np.where(flat, within, (heights[0] < 0) & (heights[1] > 0))
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(lengths(way[rows]), kind="stable")]
    return np.stack([one[rows], other[rows]], axis=1)


def _strip(vertices: NDArray[np.float64], one: list[int], other: list[int]) -> NDArray[np.int32]:
    """Triangles (T, 3) between two loops that run in opposite directions, by short diagonals."""
    back = other[::-1]
    distance = lengths(vertices[back] - vertices[one[0]])
    start = int(distance.argmin())
    back = back[start:] + back[:start]
    ends, i, j = [], 0, 0
    while i < len(one) or j < len(back):
        here, there = one[i % len(one)], back[j % len(back)]
        next_here, next_there = one[(i + 1) % len(one)], back[(j + 1) % len(back)]
        along_one = np.linalg.norm(vertices[next_here] - vertices[there])
        along_other = np.linalg.norm(vertices[next_there] - vertices[here])
        if j == len(back) or (i < len(one) and along_one <= along_other):
            ends.append((here, next_here, there))
            i += 1
        else:
            ends.append((next_there, there, here))
            j += 1
    return np.array(ends, np.int32)

"""Patches of a triangle mesh, their consistent winding, and the holes in them.

All of it is combinatorial: only which faces share which edges counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapegan.pipeline.arrays import largest, smallest


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
    edges, face = directed_edges(faces), np.tile(np.arange(len(faces)), 3)
    order, start, size = group_edges(edges)
    first = order[start[size == 2]]
    second = order[start[size == 2] + 1]
    # Neighbours agree where they walk their common edge in opposite directions.
    agree = edges[first, 0] != edges[second, 0]
    return face[first], face[second], agree


def directed_edges(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """All (3 F, 2) directed edges: first every face's edge 0-1, then 1-2, then 2-0."""
    ends = faces[:, [0, 1, 1, 2, 2, 0]].astype(np.int64)
    return np.concatenate([ends[:, 0:2], ends[:, 2:4], ends[:, 4:6]])


def group_edges(
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

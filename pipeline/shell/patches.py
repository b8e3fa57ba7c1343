"""Patches: faces joined over manifold edges and wound consistently.

Everything here is combinatorial: only shared edges count, not positions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shapegan.pipeline.arrays import distinct, largest, smallest


@dataclass(frozen=True)
class Patches:
    """Faces grouped by manifold edges and wound consistently within each group."""

    faces: NDArray[np.int32]
    """(F, 3), some of them flipped."""
    patch: NDArray[np.int32]
    """(F,), the patch of each face, 0 to P - 1."""

    @property
    def count(self) -> int:
        """Number of patches P."""
        return int(self.patch.max()) + 1 if len(self.patch) else 0


def find_patches(faces: NDArray[np.int32]) -> Patches:
    """Join faces over edges that exactly two of them share, and wind each patch consistently.

    Each face enters a graph twice, as it is and flipped. Two faces over an edge are linked in the
    states in which their windings agree. An orientable patch falls into two mirrored components.
    A patch that is not orientable (a Moebius strip) forms one component; it is divided into
    smaller patches of faces whose windings agree as they are.

    Args:
        faces: (F, 3) without degenerate or repeated faces.
    """
    count = len(faces)
    left, right, agree = _adjacent_faces(faces)
    state = _components(
        2 * count,
        np.concatenate([left, left + count]),
        np.concatenate(
            [np.where(agree, right, right + count), np.where(agree, right + count, right)]
        ),
    )
    as_is, flipped = state[:count], state[count:]
    unorientable = as_is == flipped
    # Take the lower number of two mirrored components: the whole patch makes the same choice.
    flip = (flipped < as_is) & ~unorientable
    patch = np.minimum(as_is, flipped).astype(np.int64)
    if unorientable.any():
        consistent = agree & unorientable[left]
        parts = _components(count, left[consistent], right[consistent])
        patch = np.where(unorientable, 2 * count + parts, patch)
    oriented = np.where(flip[:, None], faces[:, ::-1], faces)
    return Patches(oriented, distinct(patch, 3 * count)[1].astype(np.int32))


def _adjacent_faces(
    faces: NDArray[np.int32],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Pairs of faces that share a manifold edge: first faces, second faces, windings agree."""
    edges, face = directed_edges(faces), np.tile(np.arange(len(faces)), 3)
    order, start, size = group_edges(edges)
    first = order[start[size == 2]]
    second = order[start[size == 2] + 1]
    # Windings agree where the two faces traverse their common edge in opposite directions.
    agree = edges[first, 0] != edges[second, 0]
    return face[first], face[second], agree


def directed_edges(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """Directed edges (3 F, 2) of faces (F, 3): edge 0-1 of every face, then 1-2, then 2-0."""
    ends = faces[:, [0, 1, 1, 2, 2, 0]].astype(np.int64)
    return np.concatenate([ends[:, 0:2], ends[:, 2:4], ends[:, 4:6]])


def group_edges(
    edges: NDArray[np.int64],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Group edges (E, 2) that have the same two ends, in either direction.

    Returns:
        The order (E,) that puts the edges of a group next to each other, and for each of the G
        groups where it starts (G,) in that order, and its size (G,).
    """
    key = (smallest(edges) << 32) | largest(edges)
    order = np.argsort(key, kind="stable")
    fresh = np.concatenate([[True], np.diff(key[order]) != 0]) if len(key) else np.zeros(0, bool)
    start = np.flatnonzero(fresh)
    return order, start, np.diff(np.append(start, len(key)))


def closed_patches(faces: NDArray[np.int32], patch: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Patches (P,) without a boundary: two faces each meet at all of their edges.

    Args:
        faces: (F, 3).
        patch: (F,), the patch of each face, 0 to P - 1; one without faces counts as closed.
    """
    edges = directed_edges(faces)
    order, _, size = group_edges(edges)
    in_pair = np.zeros(len(edges), bool)
    in_pair[order] = np.repeat(size == 2, size)
    closed = np.ones(patch.max(initial=-1) + 1, bool)
    closed[np.tile(patch, 3)[~in_pair]] = False
    return closed


def _components(count: int, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.int32]:
    """Connected component (N,) of each of `count` nodes that are linked left to right (E,)."""
    links = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    labels: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return labels

"""Exterior faces: the parts of faces that bound the union of a mesh's overlapping parts.

The leg of a table ends within its top: the upper ends of its long faces bound nothing. Distances
from inside must ignore those ends, and distances to the exterior must not miss a corner. So faces
are split along their intersections with other faces. Each piece between intersections is exterior
or interior as a whole, and one winding number decides which. A face whose pieces are all alike
stays whole, and sibling pieces that are alike are merged again.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest, take_rows
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.intersections import (
    TOLERANCE,
    SplitTree,
    find_intersections,
    split_faces,
)
from shapegan.pipeline.shell.split_triangles import halving_sides, split
from shapegan.pipeline.triangles import centroids, edge_lengths, normals_and_double_areas

PROBE_DISTANCE = 1e-5
"""Distance in front of a face at which the winding number is queried, cube frame. Narrower gaps
between parts count as closed: many files hold no more digits."""

MAX_INTERSECTIONS = 250_000
"""Meshes with more intersections are not split, such as a tree whose thousands of needles intersect
each other. Other trees have at most three quarters of it."""

MAX_SLENDERNESS = 3e4
MIN_HEIGHT = 5e-4
"""On a GPU, Warp searches for the nearest face in single precision. In a triangle of length l and
height h this errs by up to 2e-8 l^3 / h^2, which is 6e-4 where l^3 / h^2 is `MAX_SLENDERNESS`, but
by at most about h, since a neighbour is found then. So triangles lower than `MIN_HEIGHT` (cube
frame) need no halving. A smaller `MAX_SLENDERNESS` costs time: more pieces are about equally
near."""


@dataclass(frozen=True)
class SplitFaces:
    """Faces, some of them split into pieces, and which pieces are exterior."""

    vertices: NDArray[np.float32]
    """(V + W, 3), cube frame: the vertices of the faces, and then W that splitting added."""
    pieces: NDArray[np.int32]
    """(P, 3), whole faces in their order, then pieces of the others."""
    exterior: NDArray[np.bool_]
    """(P,), which pieces bound the inside."""
    source: NDArray[np.int64]
    """(P,), the face that each piece is part of."""


def split_exterior(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    exterior: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    winding: WindingField,
) -> SplitFaces:
    """Split the faces that bound the inside only in part, and those that are too slender.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), wound outwards, F > 0.
        exterior: (F,), which faces bound the inside; used for faces that no other face intersects.
        clusters: (F,), faces that share one value of `exterior`, so that it may be wrong for some
            of them where another face of the cluster is intersected.
        winding: winding numbers of the faces.
    """
    split_up = SplitFaces(vertices, faces, exterior.copy(), np.arange(len(faces)))
    intersections = find_intersections(vertices, faces, winding.device, MAX_INTERSECTIONS)
    if intersections is not None and len(intersections.face):
        # 1. Classify again the faces that share a cluster with intersected ones.
        exact = vertices.astype(np.float64)
        beside = np.isin(clusters, clusters[intersections.face])
        beside[intersections.face] = False
        split_up.exterior[beside] = _is_exterior(exact[faces[beside]], winding)
        # 2. Split and classify the intersected faces.
        tree = split_faces(exact, faces, intersections)
        split_up = _merge(split_up, tree, *_classify(tree, winding))
    return halve_slender(split_up)


def halve_slender(faces: SplitFaces) -> SplitFaces:
    """Halve exterior faces until none is so slender that a nearest-point search misses it."""
    vertices, pieces = faces.vertices.astype(np.float64), faces.pieces
    exterior, source = faces.exterior, faces.source
    fresh = np.arange(len(pieces))
    while True:
        # 1. Errors grow with the cube of the length over the square of the height.
        corners = take_rows(vertices, take_rows(pieces, fresh))
        length = edge_lengths(corners)
        longest = largest(length)
        double_area = normals_and_double_areas(corners)[1]
        height = double_area / np.maximum(longest, np.finfo(float).tiny)
        slender = (height > MIN_HEIGHT) & (longest**3 > MAX_SLENDERNESS * height**2)
        chosen = np.flatnonzero(slender & exterior[fresh])
        if len(chosen) == 0:
            return SplitFaces(vertices.astype(np.float32), pieces, exterior, source)

        # 2. Split them at the middles of their longest edges.
        halved = fresh[chosen]
        vertices, halves, owner = split(vertices, pieces[halved], halving_sides(length[chosen]))
        kept = np.ones(len(pieces), bool)
        kept[halved] = False
        exterior, source = (
            np.concatenate([of[kept], of[halved[owner]]]) for of in (exterior, source)
        )
        pieces = np.concatenate([pieces[kept], halves])
        fresh = np.arange(len(pieces) - len(halves), len(pieces))


def _classify(
    tree: SplitTree, winding: WindingField
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each node (N,): all of its leaves are exterior, and any of its leaves is exterior.

    Slivers have no reliable side. Alone, they give "all" but not "any".
    """
    every, some = np.ones(len(tree.parent), bool), np.zeros(len(tree.parent), bool)
    leaf = np.ones(len(tree.parent), bool)
    leaf[tree.parent[tree.rounds[0] :]] = False

    # 1. Classify the leaves at their centroids.
    corners = take_rows(tree.vertices, tree.triangles[leaf])
    double_area = normals_and_double_areas(corners)[1]
    wide = double_area > TOLERANCE * largest(edge_lengths(corners))
    reliable = np.flatnonzero(leaf)[wide]
    every[reliable] = some[reliable] = _is_exterior(
        take_rows(corners, np.flatnonzero(wide)), winding
    )

    # 2. Combine them from the last round up.
    for first, end in reversed(list(itertools.pairwise(tree.rounds))):
        parents = tree.parent[first:end]
        np.logical_and.at(every, parents, every[first:end])
        np.logical_or.at(some, parents, some[first:end])
    return every, some


def _is_exterior(corners: NDArray[np.float64], winding: WindingField) -> NDArray[np.bool_]:
    """For each triangle (N, 3, 3): its centroid has the outside in front and the inside behind."""
    in_front = centroids(corners) + PROBE_DISTANCE * normals_and_double_areas(corners)[0]
    return np.abs(winding.numbers(in_front.astype(np.float32))) < 0.5


def _merge(
    whole: SplitFaces, tree: SplitTree, every: NDArray[np.bool_], some: NDArray[np.bool_]
) -> SplitFaces:
    """Keep faces whole where all leaves are alike, and else their largest such pieces.

    Slivers of faces that are split are dropped.

    Args:
        whole: all faces, before splitting.
        tree: the intersected faces and their pieces, N nodes.
        every: (N,), all leaves of a node are exterior.
        some: (N,), any leaf of a node is exterior.
    """
    count = len(tree.source)
    mixed, alike = some & ~every, some == every
    exterior = whole.exterior.copy()
    exterior[tree.source[alike[:count]]] = some[:count][alike[:count]]
    kept = np.ones(len(exterior), bool)
    kept[tree.source[mixed[:count]]] = False
    piece = count + np.flatnonzero(alike[count:] & mixed[tree.parent[count:]])

    used, corner = np.unique(tree.triangles[piece], return_inverse=True)
    old = used < len(whole.vertices)
    index = np.where(old, used, len(whole.vertices) - old.sum() + np.arange(len(used)))
    return SplitFaces(
        np.concatenate([whole.vertices, tree.vertices[used[~old]].astype(np.float32)]),
        np.concatenate([whole.pieces[kept], index[corner].reshape(-1, 3).astype(np.int32)]),
        np.concatenate([exterior[kept], some[piece]]),
        np.concatenate([np.flatnonzero(kept), tree.source[tree.root[piece]]]),
    )

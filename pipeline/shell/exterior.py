"""Which parts of faces bound the solid, where parts of a mesh go through each other.

The leg of a table ends within its top: the upper ends of its long faces bound nothing. Distances
from inside must not stop there, and distances to what is exposed must miss no corner of it. So
faces are cut along the lines in which others meet them. What of a face lies between such lines is
exposed or buried as a whole, and one winding number tells which. A face of which all is the same
stays whole, and pieces that are alike are put together again as far as they were cut apart.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import centroids, largest, lengths
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.shell.intersections import (
    SLACK,
    CutTree,
    cut_faces,
    edges,
    find_cuts,
    halving,
    normals,
    split,
)

BEFORE = 1e-5
"""How far before a face it is asked whether that is outside, cube frame. Narrower cracks between
parts count as closed: many files hold no more digits."""

TANGLED = 250_000
"""A mesh with more cuts than this is left whole: thousands of needles that go through each other
all over. Other trees have three quarters of it at most."""

LONG = 3e4
THIN = 5e-4
"""On a GPU, Warp searches for what is nearest, in floats. In a triangle of length l and height h,
that errs by up to 2e-8 l^3 / h^2, which is 6e-4 at `LONG`, but by no more than h: then a neighbour
is found. A lower limit costs time, since more pieces are about as near."""


@dataclass(frozen=True)
class Pieces:
    """Faces, some of them in pieces."""

    vertices: NDArray[np.float32]
    """(V + W, 3), the faces' own, and then those that cutting took."""
    faces: NDArray[np.int32]
    """(P, 3), whole faces in their order, then pieces of others."""
    outer: NDArray[np.bool_]
    """(P,), which of them bound the inside."""
    source: NDArray[np.int64]
    """(P,), which face each was."""


def expose(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    outer: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    winding: WindingField,
    device: str,
) -> Pieces:
    """Cuts faces that bound the inside only in part, and those that are too long and thin.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), wound outwards.
        outer: (F,), which of the faces bound the inside, for those that no other face meets.
        clusters: (F,), which faces `outer` takes for one, so that it may be wrong near the others.
        winding: winding numbers of the faces.
        device: Warp's name of it.
    """
    pieces = Pieces(vertices, faces, outer.copy(), np.arange(len(faces)))
    cuts = find_cuts(vertices, faces, device, TANGLED)
    if cuts is not None and len(cuts.face):
        # 1. Ask again for the faces beside those that others meet.
        exact = vertices.astype(np.float64)
        beside = np.isin(clusters, clusters[cuts.face])
        beside[cuts.face] = False
        pieces.outer[beside] = _lie_open(exact[faces[beside]], winding)
        # 2. Cut those themselves.
        tree = cut_faces(exact, faces, cuts)
        pieces = _chosen(pieces, tree, *_exposed(tree, winding))
    return shortened(pieces)


def shortened(pieces: Pieces) -> Pieces:
    """Halves outer faces so long and thin that the search for what is nearest passes over them."""
    vertices, faces = pieces.vertices.astype(np.float64), pieces.faces
    outer, source = pieces.outer, pieces.source
    fresh = np.arange(len(faces))
    while True:
        # 1. Errors grow as the cube of the length over the square of the height.
        corners = vertices[faces[fresh]]
        length = lengths(edges(corners))
        longest = largest(length)
        height = normals(corners)[1] / np.maximum(longest, np.finfo(float).tiny)
        bad = (height > THIN) & (longest**3 > LONG * height**2)
        long = np.flatnonzero(bad & outer[fresh])
        if len(long) == 0:
            return Pieces(vertices.astype(np.float32), faces, outer, source)

        # 2. Cut them across the middles of their longest edges.
        cut = fresh[long]
        vertices, halves, owner = split(vertices, faces[cut], halving(length[long]))
        kept = np.ones(len(faces), bool)
        kept[cut] = False
        outer, source = (np.concatenate([of[kept], of[cut[owner]]]) for of in (outer, source))
        faces = np.concatenate([faces[kept], halves])
        fresh = np.arange(len(faces) - len(halves), len(faces))


def _exposed(tree: CutTree, winding: WindingField) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether all, and whether any, of what a face or piece (N,) was cut into bounds the inside.

    Slivers say nothing: for those, it is all, but not any.
    """
    every, some = np.ones(len(tree.parent), bool), np.zeros(len(tree.parent), bool)
    leaf = np.ones(len(tree.parent), bool)
    leaf[tree.parent[tree.rounds[0] :]] = False

    # 1. Ask before the middles of those that were not cut.
    corners = tree.vertices[tree.corners[leaf]]
    wide = normals(corners)[1] > SLACK * largest(lengths(edges(corners)))
    asked = np.flatnonzero(leaf)[wide]
    every[asked] = some[asked] = _lie_open(corners[wide], winding)

    # 2. From the last pieces up, ask all and any.
    for first, end in reversed(list(itertools.pairwise(tree.rounds))):
        above = tree.parent[first:end]
        np.logical_and.at(every, above, every[first:end])
        np.logical_or.at(some, above, some[first:end])
    return every, some


def _lie_open(corners: NDArray[np.float64], winding: WindingField) -> NDArray[np.bool_]:
    """Whether there is outside before the middles of triangles (N, 3, 3), and inside behind."""
    before = centroids(corners) + BEFORE * normals(corners)[0]
    return np.abs(winding.numbers(before.astype(np.float32))) < 0.5


def _chosen(
    whole: Pieces, tree: CutTree, every: NDArray[np.bool_], some: NDArray[np.bool_]
) -> Pieces:
    """Whole faces of which all is the same, and of others the largest pieces of which it is."""
    count = len(tree.source)
    mixed, alike = some & ~every, some == every
    outer = whole.outer.copy()
    outer[tree.source[alike[:count]]] = some[:count][alike[:count]]
    kept = np.ones(len(outer), bool)
    kept[tree.source[mixed[:count]]] = False
    piece = count + np.flatnonzero(alike[count:] & mixed[tree.parent[count:]])

    used, corner = np.unique(tree.corners[piece], return_inverse=True)
    own = used < len(whole.vertices)
    place = np.where(own, used, len(whole.vertices) - own.sum() + np.arange(len(used)))
    return Pieces(
        np.concatenate([whole.vertices, tree.vertices[used[~own]].astype(np.float32)]),
        np.concatenate([whole.faces[kept], place[corner].reshape(-1, 3).astype(np.int32)]),
        np.concatenate([outer[kept], some[piece]]),
        np.concatenate([np.flatnonzero(kept), tree.source[tree.root[piece]]]),
    )

"""Intersections of a mesh with itself: find them, and split faces along them."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import (
    cross,
    distinct,
    first_places,
    largest,
    lengths,
    take_rows,
    unit,
)
from shapegan.pipeline.shell import cut_kernels, intersection_kernels
from shapegan.pipeline.shell.split_triangles import halving_sides, split
from shapegan.pipeline.triangles import edge_lengths, normals_and_double_areas

TOLERANCE = 1e-6
"""Points nearer to a plane or an edge than this count as lying on it, cube frame. Floats round
coordinates by 6e-8."""

MIN_WIDTH = 5e-5
"""No narrower piece is cut off, cube frame: a cut that passes a corner or an edge more closely is
moved onto it. Where leaves of a tree intersect each other, most pieces would be slivers."""

MAX_CUTS_PER_TRIANGLE = 64
"""A piece with more cuts than this is halved first. Splitting along one line after the other would
take as many rounds as there are lines around the foot of a round leg."""

MIN_HALVED_LENGTH = 1e-3
"""Shorter pieces are not halved, cube frame: all their cuts may pass through one point."""

MAX_PIECES = 100_000
"""Splitting stops after the round that exceeds this number of pieces, and exceeds
`MAX_PIECES_PER_FACE` too. A mesh rarely takes a third of it; one that intersects itself many times
would take millions. The pieces that still have cuts are small by then; each is classified at its
centroid."""

MAX_PIECES_PER_FACE = 10


@dataclass(frozen=True)
class Intersections:
    """Segments along which other faces intersect a face, ordered by face."""

    face: NDArray[np.int32]
    """(C,), the face that is intersected."""
    start: NDArray[np.float64]
    """(C, 3), cube frame."""
    end: NDArray[np.float64]
    """(C, 3), cube frame."""


def find_intersections(
    vertices: NDArray[np.floating], faces: NDArray[np.int32], device: str, limit: int
) -> Intersections | None:
    """Find where faces intersect other faces, except along their own edges.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), F > 0.
        device: Warp's name of the device.
        limit: largest number of intersections to return.

    Returns:
        The intersections, or None if there are more than `limit`.
    """
    mesh = wp.Mesh(
        wp.array(vertices.astype(np.float32), dtype=wp.vec3, device=device),
        wp.array(faces.ravel(), dtype=int, device=device),
    )
    # Count first, then store each face's segments in consecutive rows: the order is deterministic.
    every = np.arange(len(faces), dtype=np.int32)
    number, _, _ = _launch(mesh, every, np.zeros(0, np.int32), 0)
    intersected = np.flatnonzero(number).astype(np.int32)
    number = number[intersected]
    if number.sum() > limit:
        return None
    first = np.cumsum(number, dtype=np.int32) - number
    _, start, end = _launch(mesh, intersected, first, int(number.sum()))
    return Intersections(np.repeat(intersected, number), start, end)


def _launch(
    mesh: wp.Mesh, faces: NDArray[np.int32], first: NDArray[np.int32], capacity: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Count the intersections of faces (N,), and store `capacity` of them from `first` (N,) on."""
    device = mesh.device
    outputs: list[Any] = [wp.empty(capacity, dtype=wp.vec3d, device=device) for _ in range(2)]
    outputs.append(wp.empty(len(faces), dtype=int, device=device))
    rows: list[Any] = [wp.array(a, dtype=int, device=device) for a in (faces, first)]
    wp.launch(
        intersection_kernels.find_intersections,
        dim=len(faces),
        inputs=[mesh.id, TOLERANCE, *rows],
        outputs=outputs,
        device=device,
    )
    start, end, number = (output.numpy() for output in outputs)
    return number, start, end


@dataclass(frozen=True)
class SplitTree:
    """Intersected faces, the pieces that they were split into, the pieces of those, and so on."""

    vertices: NDArray[np.float64]
    """(V + W, 3), cube frame; W new vertices."""
    source: NDArray[np.int32]
    """(M,), the faces that were split."""
    triangles: NDArray[np.int32]
    """(N, 3), the nodes: the M faces, and then all pieces, round by round."""
    parent: NDArray[np.int64]
    """(N,), the node that a piece was split off, which comes earlier; -1 for faces."""
    rounds: list[int]
    """First node of each round, and N at the end."""

    @property
    def root(self) -> NDArray[np.int64]:
        """(N,), which of the M faces each node is part of."""
        root = np.arange(len(self.parent))
        for first, end in itertools.pairwise(self.rounds):
            root[first:end] = root[self.parent[first:end]]
        return root


def split_faces(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], intersections: Intersections
) -> SplitTree:
    """Split faces until no intersection crosses a piece, or there are `MAX_PIECES`.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        intersections: of these faces, from `find_intersections`.
    """
    source, piece = np.unique(intersections.face, return_inverse=True)
    triangles, parent, rounds = [faces[source]], [np.full(len(source), -1)], [len(source)]
    piece, cuts = _by_length(vertices[faces[source]], piece, intersections)
    cut = np.arange(len(piece))
    limit = max(MAX_PIECES, MAX_PIECES_PER_FACE * len(faces))
    while True:
        # 1. Keep the cuts that cross their piece.
        latest = take_rows(vertices, triangles[-1])
        crosses, side = _crossing(latest, piece, cuts, cut)
        piece, cut = piece[crosses], cut[crosses]
        if len(piece) == 0 or rounds[-1] > limit:
            nodes = np.concatenate(triangles), np.concatenate(parent)
            return SplitTree(vertices, source, *nodes, rounds)

        # 2. Split each piece along the first of its cuts, or in halves if it has many.
        whole, of_whole = distinct(piece, len(latest))
        lead, count = first_places(of_whole, len(whole)), np.bincount(of_whole)
        side = _halve_crowded(latest[whole], side[lead], count)
        vertices, children, owner = split(vertices, triangles[-1][whole], side)

        # 3. Pass all cuts of a piece on to each of its children.
        piece, cut = _pass_on(cut, of_whole, np.bincount(owner))
        parent.append(rounds[-1] - len(triangles[-1]) + whole[owner])
        triangles.append(children)
        rounds.append(rounds[-1] + len(children))


def _pass_on(
    cut: NDArray[np.intp], parent: NDArray[np.intp], children: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair each cut of a parent with each of the parent's children.

    Args:
        cut: (N,), cuts.
        parent: (N,), the parent that each cut belongs to, below P.
        children: (P,), number of children of each parent; they are numbered consecutively.

    Returns:
        The child (M,) and the cut (M,) of each pair.
    """
    first = np.cumsum(children) - children
    number = children[parent]
    pair = np.repeat(np.arange(len(cut)), number)
    before = np.cumsum(number) - number
    return (first[parent] - before)[pair] + np.arange(len(pair)), cut[pair]


def _by_length(
    corners: NDArray[np.float64], piece: NDArray[np.intp], intersections: Intersections
) -> tuple[NDArray[np.intp], Any]:
    """Order cuts (C,) by their face, longest first: each then leaves more of the others whole.

    Args:
        corners: (M, 3, 3), of the faces that are cut.
        piece: (C,), which of the M faces each intersection cuts.
        intersections: C of them.
    """
    start, end = intersections.start, intersections.end
    order = np.lexsort([-lengths(end - start), piece])
    piece, start, end = piece[order], start[order], end[order]
    normal = normals_and_double_areas(corners)[0][piece]
    cuts: Any = cut_kernels.Cuts()
    of_cuts = {"start": start, "end": end, "normal": normal}
    of_cuts["left"] = unit(cross(normal, end - start))
    for name, values in of_cuts.items():
        setattr(cuts, name, wp.array(values, dtype=wp.vec3d, device="cpu"))
    return piece, cuts


def _crossing(
    corners: NDArray[np.float64], piece: NDArray[np.intp], cuts: Any, cut: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the pairs of a piece and a cut in which the cut crosses the piece.

    Args:
        corners: (P, 3, 3), of the pieces.
        piece: (N,), the piece of each pair.
        cuts: all cuts.
        cut: (N,), the cut of each pair.

    Returns:
        The M pairs (M,), and the side of the cut on which each corner of their piece lies (M, 3).
    """
    inputs = [
        wp.array(corners, dtype=wp.vec3d, ndim=2, device="cpu", copy=False),
        wp.array(piece, dtype=wp.int64, device="cpu", copy=False),
        cuts,
        wp.array(cut, dtype=wp.int64, device="cpu", copy=False),
        MIN_WIDTH,
        TOLERANCE,
    ]
    side: Any = wp.empty(len(piece), dtype=wp.vec3d, device="cpu")
    crosses: Any = wp.empty(len(piece), dtype=wp.bool, device="cpu")
    wp.launch(
        cut_kernels.find_crossing,
        dim=len(piece),
        inputs=inputs,
        outputs=[side, crosses],
        device="cpu",
    )
    kept = np.flatnonzero(crosses.numpy())
    return kept, take_rows(side.numpy(), kept)


def _halve_crowded(
    corners: NDArray[np.float64], side: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sides (N, 3) for `split`; pieces with more than `MAX_CUTS_PER_TRIANGLE` cuts are halved."""
    length = edge_lengths(corners)
    crowded = (count > MAX_CUTS_PER_TRIANGLE) & (largest(length) > MIN_HALVED_LENGTH)
    side[crowded] = halving_sides(length[crowded])
    return side

"""Cuts faces along the lines in which other faces meet them."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest, lengths, smallest, some
from shapegan.pipeline.shell import intersection_kernels

SLACK = 1e-6
"""What is nearer to a plane or an edge than this, lies in it, cube frame: floats round by 6e-8."""

NARROW = 5e-5
"""Nothing narrower than this is cut off, cube frame: a cut goes through a corner or along an edge
that is as near. Where leaves of a tree go through each other, most pieces would be slivers."""

CROWDED = 64
"""A piece with more cuts than this is halved first. Cutting along one line after the other would
go through as many rounds as there are lines round the foot of a round leg."""

HALVED = 1e-3
"""Pieces shorter than this are not halved: all their cuts may run through one point."""

ENOUGH = 100_000
"""Cutting stops at the round that makes more pieces than this, or than `ENOUGH_FOR_EACH` face. A
mesh rarely takes a third of it; one that lies within itself many times would take millions. Pieces
that then still have cuts are small by then, and are taken for what their middle is."""
ENOUGH_FOR_EACH = 10


@dataclass(frozen=True)
class Cuts:
    """Segments along which faces are met by other faces, ordered by face."""

    face: NDArray[np.int32]
    """(C,), the face that is cut."""
    start: NDArray[np.float64]
    """(C, 3)."""
    end: NDArray[np.float64]
    """(C, 3)."""


def find_cuts(
    vertices: NDArray[np.floating], faces: NDArray[np.int32], device: str, most: int
) -> Cuts | None:
    """Where faces meet others, but for where that is along edges of their own.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3), one at least.
        device: Warp's name of it.
        most: where there are more cuts than this, there is no answer.
    """
    mesh = wp.Mesh(
        wp.array(vertices.astype(np.float32), dtype=wp.vec3, device=device),
        wp.array(faces.ravel(), dtype=int, device=device),
    )
    # Count them, then write them down, each face's in a row: no order is left to chance.
    every = np.arange(len(faces), dtype=np.int32)
    number, _, _ = _launch(mesh, every, np.zeros(0, np.int32), 0)
    met = np.flatnonzero(number).astype(np.int32)
    number = number[met]
    if number.sum() > most:
        return None
    place = np.cumsum(number, dtype=np.int32) - number
    _, start, end = _launch(mesh, met, place, int(number.sum()))
    return Cuts(np.repeat(met, number), start, end)


def _launch(
    mesh: wp.Mesh, faces: NDArray[np.int32], place: NDArray[np.int32], room: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """How many cuts the faces have, and as many of them as there is room for."""
    device = mesh.device
    outputs: list[Any] = [wp.empty(room, dtype=wp.vec3d, device=device) for _ in range(2)]
    outputs.append(wp.empty(len(faces), dtype=int, device=device))
    inputs = [mesh.id, SLACK, *(wp.array(a, dtype=int, device=device) for a in (faces, place))]
    wp.launch(
        intersection_kernels.find_cuts,
        dim=len(faces),
        inputs=inputs,
        outputs=outputs,
        device=device,
    )
    start, end, number = (output.numpy() for output in outputs)
    return number, start, end


@dataclass(frozen=True)
class CutTree:
    """Faces that others meet, the pieces that they were cut into, and so on."""

    vertices: NDArray[np.float64]
    """(V + W, 3)."""
    source: NDArray[np.int32]
    """(M,), the faces."""
    corners: NDArray[np.int32]
    """(N, 3), vertices of the M faces and then of all pieces, round by round."""
    parent: NDArray[np.int64]
    """(N,), what a piece was cut from, which comes before it; -1 for faces."""
    rounds: list[int]
    """Where the pieces of each round begin, and where the last ones end."""

    @property
    def root(self) -> NDArray[np.int64]:
        """(N,), which of the M faces each is or was cut from."""
        root = np.arange(len(self.parent))
        for first, end in itertools.pairwise(self.rounds):
            root[first:end] = root[self.parent[first:end]]
        return root


def cut_faces(vertices: NDArray[np.float64], faces: NDArray[np.int32], cuts: Cuts) -> CutTree:
    """Cuts faces in pieces until no cut goes through a piece, or there are `ENOUGH` of them."""
    source, piece = np.unique(cuts.face, return_inverse=True)
    corners, parent, rounds = [faces[source]], [np.full(len(source), -1)], [len(source)]
    # Long cuts first: each turn leaves the others on one side or the other.
    order = np.lexsort([-lengths(cuts.end - cuts.start), piece])
    piece, start, end = piece[order], cuts.start[order], cuts.end[order]
    normal = normals(vertices[faces[source]])[0][piece]
    left = _unit(np.cross(normal, end - start))
    cut = np.arange(len(piece))
    while True:
        # 1. Keep the cuts that go through their piece.
        latest = vertices[corners[-1]]
        side = _sides(latest[piece], start[cut], left[cut])
        through = np.flatnonzero((smallest(side) < 0) & (largest(side) > 0))
        within = _within(latest[piece[through]], *(x[cut[through]] for x in (start, end, normal)))
        kept = through[within]
        piece, cut, side = piece[kept], cut[kept], side[kept]
        if len(piece) == 0 or rounds[-1] > max(ENOUGH, ENOUGH_FOR_EACH * len(faces)):
            joined = np.concatenate(corners), np.concatenate(parent)
            return CutTree(vertices, source, *joined, rounds)

        # 2. Cut each piece along the first of its cuts, or in halves if there are many.
        whole, lead, of_whole, share = np.unique(
            piece, return_index=True, return_inverse=True, return_counts=True
        )
        side = _halve_crowded(latest[whole], side[lead], share)
        grown, children, owner = split(vertices, corners[-1][whole], side)

        # 3. Each of the children may have to do with all cuts of its piece.
        number = np.bincount(owner)
        born = np.cumsum(number) - number
        pair = np.repeat(np.arange(len(piece)), number[of_whole])
        before = np.cumsum(number[of_whole]) - number[of_whole]
        piece, cut = (born[of_whole] - before)[pair] + np.arange(len(pair)), cut[pair]
        parent.append(rounds[-1] - len(corners[-1]) + whole[owner])
        corners.append(children)
        rounds.append(rounds[-1] + len(children))
        vertices = grown


def normals(
    corners: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit normals (N, 3) of triangles (N, 3, 3), and their areas (N,) twice."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = lengths(normal)
    return normal / np.maximum(double, np.finfo(float).tiny)[:, None], double


def edges(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The edges (N, 3, 3) that leave each corner of triangles (N, 3, 3)."""
    return np.roll(corners, -1, axis=1) - corners


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = lengths(vectors)[..., None]
    unit: NDArray[np.float64] = vectors / np.maximum(length, np.finfo(float).tiny)
    return unit


def _sides(
    corners: NDArray[np.float64], start: NDArray[np.float64], left: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far to the left (N, 3) of lines the corners of triangles (N, 3, 3) lie in their plane.

    Args:
        corners: (N, 3, 3).
        start: (N, 3), on each line.
        left: (N, 3), unit length: which way is left.
    """
    side: NDArray[np.float64] = np.einsum("nkx,nx->nk", corners, left)
    side -= np.einsum("nx,nx->n", start, left)[:, None]
    side[np.abs(side) <= NARROW] = 0.0
    return side


def _within(
    corners: NDArray[np.float64],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Whether more than an end of a segment (N,) lies in its triangle, and not along an edge."""
    inwards = _unit(np.cross(normal[:, None], edges(corners)))
    first, last = (np.einsum("nkx,nkx->nk", x[:, None] - corners, inwards) for x in (start, end))
    beside = some((first <= SLACK) & (last <= SLACK))
    apart = np.where(first == last, 1.0, first - last)
    enters = largest(np.where(first < 0, first / apart, 0.0))
    leaves = smallest(np.where(last < 0, first / apart, 1.0))
    length = lengths(end - start)
    within: NDArray[np.bool_] = ~beside & ((leaves - enters) * length > SLACK)
    return within


def _halve_crowded(
    corners: NDArray[np.float64], side: NDArray[np.float64], share: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The sides (N, 3) of triangles' corners, those of crowded ones so that they are halved."""
    length = lengths(edges(corners))
    crowded = (share > CROWDED) & (largest(length) > HALVED)
    side[crowded] = halving(length[crowded])
    return side


def halving(length: NDArray[np.float64]) -> NDArray[np.float64]:
    """On which sides (N, 3) of a line through the longest edge's middle a triangle's corners lie.

    Args:
        length: (N, 3), of the edges that leave the corners.
    """
    side = np.zeros_like(length)
    longest = length.argmax(axis=1)[:, None]
    np.put_along_axis(side, longest, 1.0, axis=1)
    np.put_along_axis(side, (longest + 1) % 3, -1.0, axis=1)
    return side


def split(
    vertices: NDArray[np.float64], corners: NDArray[np.int32], side: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]:
    """Cuts triangles along lines.

    Args:
        vertices: (V, 3).
        corners: (N, 3), of each triangle.
        side: (N, 3), how far to the left of the line each corner lies: one to the left at least,
            and one to the right.

    Returns:
        The vertices and those that cutting took (V + W, 3), the pieces' corners (P, 3), and whose
        they are (P,), ascending.
    """
    # 1. Begin with the corner on the line, or else the one that is alone on its side.
    sign = np.sign(side)
    on_line = some(sign == 0)
    first = np.where(on_line[:, None], sign == 0, sign == -sign.sum(axis=1, keepdims=True))
    turn = (first.argmax(axis=1)[:, None] + np.arange(3)) % 3
    corners, side = np.take_along_axis(corners, turn, 1), np.take_along_axis(side, turn, 1)

    # 2. Two pieces where a corner lies on the line.
    (a, b, c), (_, left, right) = corners[on_line].T, side[on_line].T
    x = len(vertices) + np.arange(len(a), dtype=np.int32)
    middle = _between(vertices, b, c, left, right)
    owner = [np.flatnonzero(on_line)] * 2
    pieces = [np.stack(p, axis=1) for p in ((a, b, x), (a, x, c))]

    # 3. Else three: the four-sided rest is cut along its shorter diagonal.
    (a, b, c), (alone, left, right) = corners[~on_line].T, side[~on_line].T
    x = len(vertices) + len(middle) + np.arange(len(a), dtype=np.int32)
    y = x + np.int32(len(a))
    near, far = _between(vertices, a, b, alone, left), _between(vertices, a, c, alone, right)
    to_c = np.linalg.norm(vertices[c] - near, axis=1) < np.linalg.norm(vertices[b] - far, axis=1)
    rest = (x, b, np.where(to_c, c, y)), (np.where(to_c, x, b), c, y)
    owner += [np.flatnonzero(~on_line)] * 3
    pieces += [np.stack(p, axis=1) for p in ((a, x, y), *rest)]

    owners = np.concatenate(owner)
    order = np.argsort(owners, kind="stable")
    grown = np.concatenate([vertices, middle, near, far])
    return grown, np.concatenate(pieces)[order], owners[order]


def _between(
    vertices: NDArray[np.float64],
    one: NDArray[np.int32],
    other: NDArray[np.int32],
    from_one: NDArray[np.float64],
    from_other: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where a line crosses edges: its distances from both ends have opposite signs."""
    share = from_one / (from_one - from_other)
    crossing: NDArray[np.float64] = vertices[one] + share[:, None] * (
        vertices[other] - vertices[one]
    )
    return crossing

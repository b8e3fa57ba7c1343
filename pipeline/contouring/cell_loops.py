"""Loops in which a surface meets the boundary of a lattice cell.

The corner (x, y, z) of the unit cell has number x + 2y + 4z. An edge along an axis has number
4 * axis + b + 2c, where (b, c) are the coordinates of its start along the two other axes in cyclic
order: y, z for an edge along x; z, x for y; x, y for z. The face 2 * axis + side is that at the
coordinate `side` of the axis.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

Edge = int
Segment = tuple[Edge, Edge]

STARTS: tuple[tuple[int, int, int], ...] = tuple(
    tuple({(axis + 1) % 3: b, (axis + 2) % 3: c}.get(k, 0) for k in range(3))  # type: ignore[misc]
    for axis in range(3)
    for c in (0, 1)
    for b in (0, 1)
)
"""Start (x, y, z) of each of the twelve edges."""


def _corner(place: tuple[int, ...]) -> int:
    return place[0] + 2 * place[1] + 4 * place[2]


def _face_corners(face: int) -> tuple[int, ...]:
    """Corners of a face, counter-clockwise as seen from outside the cell."""
    axis, side = divmod(face, 2)
    cycle = [(0, 0), (1, 0), (1, 1), (0, 1)] if side else [(0, 0), (0, 1), (1, 1), (1, 0)]
    places = [{axis: side, (axis + 1) % 3: b, (axis + 2) % 3: c} for b, c in cycle]
    return tuple(_corner(tuple(place[k] for k in range(3))) for place in places)


FACE_CORNERS = tuple(_face_corners(face) for face in range(6))
EDGE_CORNERS = tuple(
    (_corner(start), _corner(start) + (1, 2, 4)[number // 4]) for number, start in enumerate(STARTS)
)
"""Start and end of each edge."""
_EDGES = {frozenset(corners): edge for edge, corners in enumerate(EDGE_CORNERS)}
_FACES = tuple(
    frozenset(face for face in range(6) if set(corners) <= set(FACE_CORNERS[face]))
    for corners in EDGE_CORNERS
)
"""The two faces of each edge."""


@dataclass(frozen=True)
class CellLoops:
    """The surface in a cell, for given signs of its corners."""

    loops: tuple[tuple[Edge, ...], ...]
    """Crossed edges of each loop, counter-clockwise as seen from outside the surface."""
    shared_faces: tuple[tuple[int, Segment, Segment], ...]
    """Faces both of whose two segments belong to one loop, with the segments."""


@cache
def cell_loops(signs: int, joined: int) -> CellLoops:
    """Find the loops of a cell.

    Args:
        signs: Bit c is set if corner c is inside.
        joined: Bit f is set if the inside is connected across face f, of the faces with four
            crossed edges.
    """
    following: dict[Edge, Edge] = {}
    doubled: dict[int, list[Segment]] = {}
    for face in range(6):
        segments = _face_segments(face, signs, bool(joined >> face & 1))
        following.update(segments)
        if len(segments) == 2:
            doubled[face] = segments
    loops: list[tuple[Edge, ...]] = []
    owner: dict[Edge, int] = {}
    for first in sorted(following):
        if first in owner:
            continue
        loop = [first]
        while (edge := following[loop[-1]]) != first:
            loop.append(edge)
        owner.update(dict.fromkeys(loop, len(loops)))
        loops.append(tuple(loop))
    shared = [
        (face, one, two) for face, (one, two) in doubled.items() if owner[one[0]] == owner[two[0]]
    ]
    return CellLoops(tuple(loops), tuple(shared))


def _face_segments(face: int, signs: int, joined: bool) -> list[Segment]:
    """Segments between the crossed edges of a face.

    Going round the face counter-clockwise, each segment begins on an edge that enters the inside.
    Seen from the cell beyond, that edge leaves the inside, so there the segment has the opposite
    direction.
    """
    corners = FACE_CORNERS[face]
    inside = [bool(signs >> corner & 1) for corner in corners]
    edges = [_EDGES[frozenset(pair)] for pair in pairwise((*corners, corners[0]))]
    leaving = [k for k in range(4) if inside[k] and not inside[(k + 1) % 4]]
    entering = [k for k in range(4) if not inside[k] and inside[(k + 1) % 4]]
    if len(leaving) < 2:
        return [(edges[b], edges[a]) for a, b in zip(leaving, entering, strict=True)]
    # With both segments around the outside corners, the inside is joined.
    step = 1 if joined else -1
    return [(edges[(k + step) % 4], edges[k]) for k in leaving]


MIDDLE = -1
"""Stands for a point in the middle of a loop."""


@cache
def triangulate_loop(loop: tuple[Edge, ...]) -> tuple[tuple[int, int, int], ...]:
    """Cut a loop into triangles of edges, whose diagonals lie in no face of the cell.

    Returns:
        Triangles. `MIDDLE` is one of their corners where diagonals alone cannot do it.
    """
    count = len(loop)
    for first in range(count):
        turned = loop[first:] + loop[:first]
        if all(not _FACES[turned[0]] & _FACES[other] for other in turned[2:-1]):
            return tuple((turned[0], b, c) for b, c in pairwise(turned[1:]))
    return tuple((MIDDLE, b, c) for b, c in pairwise((*loop, loop[0])))

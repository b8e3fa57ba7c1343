"""Dual contouring (Ju et al. 2002) whose meshes are 2-manifold.

Each loop of a cell gets a vertex, which is where the tangent planes of the surface near the loop
meet: on sharp edges and in corners. `shapegan.pipeline.contouring` explains why the mesh is
manifold.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.contouring.cell_loops import STARTS
from shapegan.pipeline.contouring.cells import CellGroup, Cells
from shapegan.pipeline.contouring.crossings import MARGIN
from shapegan.pipeline.contouring.quadrics import Quadrics

Places = NDArray[np.float64]
"""(N, 3), lattice coordinates."""

_QUADRANTS = ((0, 0), (1, 0), (1, 1), (0, 1))
"""The four cells around an edge, counter-clockwise: how far they begin before it."""
_OUTWARDS = 0.2
"""Distance of the points whose gradients are taken from the crossings, in edges."""
_SHORTEST = 1e-3
"""Gradients of points nearer to the surface are too inaccurate, in edges."""
_CHUNK = 2**19
"""Points of one call of the field; bounds the memory."""


class DistanceField(Protocol):
    """A signed distance field, negative inside."""

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distances (N,) at points (N, 3), and their nearest surface points (N, 3)."""


@dataclass(frozen=True)
class _Loops:
    """The loops of all cells."""

    of_edge: NDArray[np.int32]
    """(C, 12), loop that each edge of a cell is in; -1 for edges that are not crossed."""
    cell: NDArray[np.intp]
    """(L,), the cell of each loop."""


def dual_contouring(
    cells: Cells, crossings: Places, field: DistanceField
) -> tuple[Places, NDArray[np.int32]]:
    """Connect vertices within the cells that a surface passes through.

    Args:
        cells: the crossed cells.
        crossings: (E, 3), a point on each crossed edge, lattice coordinates.
        field: the field, for tangent planes near the crossings.

    Returns:
        Vertices (V, 3), lattice coordinates, and faces (F, 3), counter-clockwise as seen from
        outside.
    """
    groups = list(cells.groups())
    loops = _number_loops(cells, groups)
    # 1. Put the vertex of each loop where the tangent planes of its crossings meet.
    planes = _tangent_planes(cells, crossings, field)
    quadrics = Quadrics.of_planes(*planes, crossings, cells.edges, loops.of_edge, loops.cell)
    vertices = _within_cells(cells, loops, quadrics.minima, quadrics.mean)
    # 2. Connect the four loops around each crossed edge.
    quads = _quads(cells, loops)
    shared = _shared_faces(cells, groups, loops)
    middles, polygons = _split_doubled_edges(shared, len(vertices), crossings, quads)
    plain = np.ones(len(quads), bool)
    plain[list(polygons)] = False
    faces = [_triangles(quads[plain], vertices, quadrics), _fans(polygons, len(vertices))]
    return np.concatenate([vertices, middles]), np.concatenate(faces)


def _number_loops(cells: Cells, groups: list[CellGroup]) -> _Loops:
    of_edge = np.full(cells.edges.shape, -1, np.int32)
    owners = [np.zeros(0, np.intp)]
    count = 0
    for group in groups:
        for loop in group.loops.loops:
            numbers = np.arange(count, count + len(group.rows), dtype=np.int32)
            of_edge[group.rows[:, None], loop] = numbers[:, None]
            owners.append(group.rows)
            count += len(numbers)
    return _Loops(of_edge, np.concatenate(owners))


def _tangent_planes(
    cells: Cells, crossings: Places, field: DistanceField
) -> tuple[Places, NDArray[np.float64]]:
    """A point on the surface near each crossing (E, 3), and the normal there (E, 3).

    They are those of a point a little outside, since a field has no gradient on its surface.
    """
    lattice = cells.lattice
    sign = np.where(lattice.values[cells.edge_start] < 0, 1.0, -1.0)
    outside = crossings.copy()
    outside[np.arange(len(outside)), cells.edge_axis] += _OUTWARDS * sign
    points = lattice.points(outside).astype(np.float32)
    closest = np.empty_like(points)
    for start in range(0, len(points), _CHUNK):
        piece = slice(start, start + _CHUNK)
        closest[piece] = field.signed_distances(points[piece])[1]
    away = (points.astype(np.float64) - closest) / lattice.spacing
    length = np.linalg.norm(away, axis=1, keepdims=True)
    normal = np.where(length > _SHORTEST, away / np.maximum(length, _SHORTEST), 0)
    return closest.astype(np.float64) / lattice.spacing - 0.5, normal


def _within_cells(cells: Cells, loops: _Loops, places: Places, mean: Places) -> Places:
    """Move vertices (L, 3) into their cells, and those of one cell apart."""
    low = cells.lattice.places(cells.corners[loops.cell, 0]).astype(np.float64)
    places = np.clip(places, low + MARGIN, low + 1 - MARGIN)
    # 1. Find vertices that have the place of another one of their cell.
    order = np.argsort(loops.cell, kind="stable")
    one, other = order[:-1], order[1:]
    same = loops.cell[one] == loops.cell[other]
    close = same & (np.abs(places[one] - places[other]).max(axis=1) < MARGIN)
    # 2. Put both into the middle of their crossings.
    for rows in (one[close], other[close]):
        places[rows] = mean[rows]
    return places


def _quads(cells: Cells, loops: _Loops) -> NDArray[np.int32]:
    """Loops (E, 4) around each crossed edge, counter-clockwise as seen from outside."""
    quads = np.empty((len(cells.edge_start), 4), np.int32)
    for edge, start in enumerate(STARTS):
        axis = edge // 4
        before = (start[(axis + 1) % 3], start[(axis + 2) % 3])
        rows = np.flatnonzero(cells.edges[:, edge] >= 0)
        # A cell that begins further before the edge is earlier on the way round it.
        quads[cells.edges[rows, edge], (_QUADRANTS.index(before) + 2) % 4] = loops.of_edge[
            rows, edge
        ]
    inwards = cells.lattice.values[cells.edge_start] >= 0
    quads[inwards] = quads[inwards, ::-1]
    return quads


@dataclass(frozen=True)
class _SharedFace:
    """A face both of whose segments join the same two loops."""

    segments: tuple[tuple[int, int], tuple[int, int]]
    """Crossed edges of each segment."""
    loops: tuple[int, int]


def _split_doubled_edges(
    shared: list[_SharedFace], loop_count: int, crossings: Places, quads: NDArray[np.int32]
) -> tuple[Places, dict[int, list[int]]]:
    """Split the edges between loops that meet in both segments of a face.

    Returns:
        Points in the middle of the segments (M, 3), and the polygons in place of some quads:
        crossed edge -> loops, and L + m for the m-th of the points, where there are L loops.
    """
    middles = [np.zeros((0, 3))]
    polygons: dict[int, list[int]] = {}
    for face in shared:
        for segment in face.segments:
            middle = loop_count + len(middles) - 1
            middles.append(crossings[list(segment)].mean(axis=0)[None])
            for edge in segment:
                polygon = polygons.setdefault(edge, quads[edge].tolist())
                first, second = sorted(polygon.index(loop) for loop in face.loops)
                # The two follow each other, perhaps across the end of the list.
                polygon.insert(second if second == first + 1 else len(polygon), middle)
    return np.concatenate(middles), polygons


def _shared_faces(cells: Cells, groups: list[CellGroup], loops: _Loops) -> list[_SharedFace]:
    """Find the faces whose two segments belong to one loop in both of their cells."""
    found: list[_SharedFace] = []
    seen: dict[tuple[int, int], int] = {}
    for group in groups:
        for _, one, two in group.loops.shared_faces:
            edges = cells.edges[group.rows][:, [*one, *two]].tolist()
            owners = loops.of_edge[group.rows, one[0]].tolist()
            for (a, b, c, d), loop in zip(edges, owners, strict=True):
                face = min(a, b, c, d), max(a, b, c, d)  # no other face has these two edges
                if face in seen:
                    found.append(_SharedFace(((a, b), (c, d)), (seen[face], loop)))
                seen[face] = loop
    return found


def _fans(polygons: dict[int, list[int]], loop_count: int) -> NDArray[np.int32]:
    """Triangles (F, 3) of polygons, all of which begin at a middle."""
    faces = []
    for polygon in polygons.values():
        first = next(k for k, corner in enumerate(polygon) if corner >= loop_count)
        turned = polygon[first:] + polygon[:first]
        faces += [(turned[0], b, c) for b, c in pairwise(turned[1:])]
    return np.array(faces, np.int32).reshape(-1, 3)


def _triangles(quads: NDArray[np.int32], vertices: Places, quadrics: Quadrics) -> NDArray[np.int32]:
    """Cut quads (Q, 4) along the diagonal whose middle is nearer to the planes at its ends."""
    second = quadrics.prefer_second_diagonals(quads, vertices)
    turned = np.where(second[:, None], np.roll(quads, -1, axis=1), quads)
    return turned[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)

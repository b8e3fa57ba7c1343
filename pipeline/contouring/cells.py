"""The crossed edges of a lattice, the cells around them, and the loops in those cells."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.contouring.cell_loops import (
    EDGE_CORNERS,
    FACE_CORNERS,
    STARTS,
    CellLoops,
    cell_loops,
)
from shapegan.pipeline.contouring.lattice import Evaluate, Lattice, key_step, unique_keys

Rows = NDArray[np.int32]


@dataclass(frozen=True)
class CellGroup:
    """Cells in which the surface takes the same way."""

    loops: CellLoops
    rows: NDArray[np.intp]
    """(G,), rows of `Cells`."""


@dataclass(frozen=True)
class Cells:
    """The crossed cells of a lattice, all of whose corners are evaluated."""

    lattice: Lattice
    edge_start: Rows
    """(E,), row of the lattice point at which each crossed edge starts."""
    edge_end: Rows
    """(E,), row of the lattice point at which it ends."""
    edge_axis: NDArray[np.int8]
    """(E,), the axis that the edge is along."""
    corners: Rows
    """(C, 8), rows of lattice points, in the order of `cell_loops`."""
    edges: Rows
    """(C, 12), crossed edges, in the order of `cell_loops`; -1 for edges that are not crossed."""

    def groups(self) -> Iterator[CellGroup]:
        """Cells by the loops in them."""
        values = self.lattice.values[self.corners]
        bits = np.packbits(values < 0, axis=1, bitorder="little")[:, 0]
        code = bits + (_joined_faces(values) << 8)
        if not len(code):
            return
        order = np.argsort(code, kind="stable")
        found, starts = np.unique(code[order], return_index=True)
        for one, rows in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            yield CellGroup(cell_loops(one & 255, one >> 8), rows)


def find_cells(lattice: Lattice, evaluate: Evaluate) -> Cells:
    """Find all crossed cells of a lattice.

    Where the zero set leaves the evaluated points, more of them are evaluated, until it does so no
    more: the surface is closed, whatever the field.

    Args:
        lattice: the evaluated points.
        evaluate: the field.
    """
    while True:
        following = np.stack([lattice.next_rows(axis) for axis in range(3)], axis=1)
        start, end, axis = _crossed_edges(lattice, following)
        bases = _cells_around(lattice.keys[start], axis)
        corners, missing = _corners(lattice, following, bases)
        if not len(missing):
            break
        lattice = lattice.extended(missing, evaluate)
    # Most points are near the surface, but at no crossed cell: drop them.
    used = np.zeros(len(lattice.keys), bool)
    used[corners] = True
    row = np.cumsum(used, dtype=np.int32) - 1
    lattice = Lattice(lattice.spacing, lattice.keys[used], lattice.values[used])
    start, end, corners = row[start], row[end], row[corners]
    return Cells(lattice, start, end, axis, corners, _edges(lattice, start, axis, corners))


def _crossed_edges(lattice: Lattice, following: Rows) -> tuple[Rows, Rows, NDArray[np.int8]]:
    """Start, end and axis of each edge whose ends have different signs."""
    inside = lattice.values < 0
    row, axis = np.nonzero((following >= 0) & (inside[:, None] != inside[following]))
    return row.astype(np.int32), following[row, axis], axis.astype(np.int8)


def _cells_around(starts: NDArray[np.int64], axis: NDArray[np.int8]) -> NDArray[np.int64]:
    """Keys of the first corners of the four cells around each edge, each of them once."""
    found = [np.zeros(0, np.int64)]
    for edge, start in enumerate(STARTS):
        found.append(starts[axis == edge // 4] - key_step(start))
    return unique_keys(np.concatenate(found))


def _corners(
    lattice: Lattice, following: Rows, bases: NDArray[np.int64]
) -> tuple[Rows, NDArray[np.int64]]:
    """Corners (C, 8) of cells, and the keys of those that are not evaluated yet."""
    corners = np.empty((len(bases), 8), np.int32)
    corners[:, 0] = lattice.rows(bases)
    for axis, bit in enumerate((1, 2, 4)):
        for corner in range(bit):
            known = corners[:, corner]
            corners[:, corner + bit] = np.where(known >= 0, following[known, axis], -1)
    rows, lost = np.nonzero(corners < 0)
    # A neighbour of a missing corner may have been evaluated.
    keys = bases[rows] + np.array([key_step((c & 1, c >> 1 & 1, c >> 2)) for c in range(8)])[lost]
    corners[rows, lost] = lattice.rows(keys)
    return corners, unique_keys(keys[corners[rows, lost] < 0])


def _edges(lattice: Lattice, start: Rows, axis: NDArray[np.int8], corners: Rows) -> Rows:
    """Crossed edges (C, 12) of cells; -1 where an edge is not crossed."""
    number = np.full((len(lattice.keys), 3), -1, np.int32)
    number[start, axis] = np.arange(len(start), dtype=np.int32)
    edges = np.empty((len(corners), 12), np.int32)
    for edge, (first, _) in enumerate(EDGE_CORNERS):
        edges[:, edge] = number[corners[:, first], edge // 4]
    return edges


def _joined_faces(values: NDArray[np.float32]) -> NDArray[np.int16]:
    """Bits of the faces with four crossed edges across which the inside is connected.

    By the asymptotic decider: where the bilinear interpolation of the face's corners is negative at
    its saddle point.

    Args:
        values: (C, 8), at the corners.
    """
    joined = np.zeros(len(values), np.int16)
    for face, corners in enumerate(FACE_CORNERS):
        a, b, c, d = (values[:, corner].astype(np.float64) for corner in corners)
        one, two = a * c, b * d  # the same from both cells of the face
        alternate = ((a < 0) == (c < 0)) & ((b < 0) == (d < 0)) & ((a < 0) != (b < 0))
        connected = np.where(a < 0, one > two, two > one)
        joined |= (alternate & connected).astype(np.int16) << face
    return joined

"""Points at which a surface meets the edges of a lattice."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.contouring.cells import Cells
from shapegan.pipeline.contouring.lattice import Evaluate

MARGIN = 0.01
"""Smallest distance of a vertex from the corners, and from the walls, of its cell, in edges.
Vertices of different edges or cells so stay apart, in single precision, too."""

_ROUNDS = 4
_TOLERANCE = 0.01
"""A value of this many edges is near enough to 0."""


def find_crossings(cells: Cells, evaluate: Evaluate) -> NDArray[np.float64]:
    """Find the zero of a field on each crossed edge, by regula falsi (Illinois algorithm).

    Linear interpolation alone is wrong where the nearest surface changes along the edge, as within
    a wall that is thinner than two edges.

    Args:
        cells: E crossed edges.
        evaluate: the field.

    Returns:
        (E, 3), lattice coordinates, at least `MARGIN` away from the ends of the edges.
    """
    lattice = cells.lattice
    low, high = np.zeros(len(cells.edge_start)), np.ones(len(cells.edge_start))
    at_low = lattice.values[cells.edge_start].astype(np.float64)
    at_high = lattice.values[cells.edge_end].astype(np.float64)
    place = at_low / (at_low - at_high)
    open_rows = np.arange(len(place))
    kept = np.zeros(len(place), np.int8)  # which end the last round kept
    for _ in range(_ROUNDS):
        points = lattice.points(_places(cells, open_rows, place[open_rows]))
        value = _in_chunks(evaluate, points).astype(np.float64)
        is_open = np.abs(value) > _TOLERANCE * lattice.spacing
        open_rows, value = open_rows[is_open], value[is_open]
        if not len(open_rows):
            break
        replaces_low = (value < 0) == (at_low[open_rows] < 0)
        one, two = open_rows[replaces_low], open_rows[~replaces_low]
        low[one], at_low[one] = place[one], value[replaces_low]
        high[two], at_high[two] = place[two], value[~replaces_low]
        at_high[one] *= np.where(kept[one] == 1, 0.5, 1)
        at_low[two] *= np.where(kept[two] == -1, 0.5, 1)
        kept[one], kept[two] = 1, -1
        share = at_low[open_rows] / (at_low[open_rows] - at_high[open_rows])
        place[open_rows] = low[open_rows] + share * (high[open_rows] - low[open_rows])
    return _places(cells, np.arange(len(place)), place.clip(MARGIN, 1 - MARGIN))


def _places(
    cells: Cells, rows: NDArray[np.intp], along: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Lattice coordinates (M, 3) of points on crossed edges (M,), a share of the way along them."""
    places = cells.lattice.places(cells.edge_start[rows]).astype(np.float64)
    places[np.arange(len(rows)), cells.edge_axis[rows]] += along
    return places


def _in_chunks(evaluate: Evaluate, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values (N,) at points (N, 3)."""
    values = np.empty(len(points), np.float32)
    for start in range(0, len(points), 2**19):
        piece = slice(start, start + 2**19)
        values[piece] = evaluate(points[piece].astype(np.float32))
    return values

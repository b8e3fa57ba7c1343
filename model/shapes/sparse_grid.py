"""A field on a grid that is evaluated only near a level, from coarse to fine.

A coarse grid is refined step by step. A cell is refined if the values at its corners come so close
to the level that the slope of the field could reach it in between. The slope is measured in the
grid around the cell, and assumed to be at least 1, the slope of a distance field, so parts thinner
than a cell are found as well. In the end all corners of each cell that the surface passes through
are evaluated, and marching cubes give the mesh of the dense grid.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from shapegan.pipeline.schema import grid_axis

Grid = NDArray[np.float32]
"""(R, R, R), index order x, y, z."""
Points = NDArray[np.float32]
"""(N, 3), frame units."""
Evaluate = Callable[[Points], NDArray[np.float32]]
"""Points (N, 3) -> values (N,)."""
_Mask = NDArray[np.bool_]
"""One flag for each cell, or each corner, of a grid."""

_COARSEST = 24
"""Minimum number of cells along each axis of the first grid."""
_SAFETY = 0.8
"""Factor on the slope's bound. Only a cone reaches the bound: 0.4 was still enough for all of 184
published shapes, and 0.3 lost the first voxels."""
_TO_NEAREST, _TO_ALL = 3**0.5 / 2, 3 + 3 * 2**0.5 + 3**0.5
"""In a unit cube, a point's largest distance to its nearest corner, and the largest sum of its
distances to all eight. A field of slope 1 that is 0 at some point is bounded by these distances."""
_MARGIN = 2
"""Cells evaluated on each side of a cell at which the surface leaves the evaluated region."""


def evaluate_near_levels(
    evaluate: Evaluate, resolution: int, levels: Sequence[float], *, dense: bool = False
) -> Grid:
    """Evaluate a field on a grid, exactly at the corners of all cells that hold a level.

    Args:
        evaluate: The field.
        resolution: R, points along each axis, at least 2.
        levels: Values of the field.
        dense: Evaluate all R^3 points.

    Returns:
        (R, R, R). A value elsewhere comes from a coarser grid: only its side of each level is
        right.
    """
    # 1. Evaluate all points of the coarsest grid
    strides = [1] if dense else _strides(resolution)
    grid = _SparseGrid.coarsest(resolution, strides[0], evaluate)
    grid.follow(levels, evaluate)
    # 2. Refine the cells that may hold a level
    for stride in strides[1:]:
        grid = grid.refined(stride, grid.near(levels), evaluate)
        grid.follow(levels, evaluate)
    return grid.values


def _strides(resolution: int) -> list[int]:
    """Strides of the grids from coarse to fine, in rows of the finest: 2^k, ..., 2, 1."""
    strides = [1]
    while (resolution - 1) // (2 * strides[0]) >= _COARSEST:
        strides.insert(0, 2 * strides[0])
    return strides


class _SparseGrid:
    """A partly evaluated field at every s-th row, and at the last row, of the finest grid.

    Args:
        axis: (R,) float64, coordinates of the finest grid's rows along each axis.
        rows: (n,) rows of the finest grid that this grid has.
        values: (n, n, n), taken from a coarser grid where not `known`.
        known: (n, n, n), True where the field was evaluated.
    """

    def __init__(
        self, axis: NDArray[np.float64], rows: NDArray[np.int64], values: Grid, known: _Mask
    ) -> None:
        self._axis, self._rows, self.values, self._known = axis, rows, values, known

    @classmethod
    def coarsest(cls, resolution: int, stride: int, evaluate: Evaluate) -> "_SparseGrid":
        """Grid with all its points evaluated."""
        rows = np.append(np.arange(0, resolution - 1, stride), resolution - 1)
        values = np.zeros((len(rows),) * 3, np.float32)
        grid = cls(grid_axis(resolution), rows, values, np.zeros(values.shape, bool))
        grid._evaluate(np.ones(values.shape, bool), evaluate)
        return grid

    def refined(self, stride: int, cells: _Mask, evaluate: Evaluate) -> "_SparseGrid":
        """Finer grid, evaluated within the marked cells (n - 1)^3 of this one."""
        rows = np.append(np.arange(0, self._rows[-1], stride), self._rows[-1])
        below = np.searchsorted(self._rows, rows, side="right") - 1
        shared = rows == self._rows[below]
        values = self.values[np.ix_(below, below, below)]
        known = self._known[np.ix_(below, below, below)]
        for axis in range(3):
            known &= np.moveaxis(shared[:, None, None], 0, axis)
        grid = _SparseGrid(self._axis, rows, values, known)
        parent = below[:-1]
        grid._evaluate(_corners(cells[np.ix_(parent, parent, parent)]), evaluate)
        return grid

    def near(self, levels: Sequence[float]) -> _Mask:
        """Cells (n - 1)^3 that may hold a level, among those with all corners known."""
        steps = np.diff(self._axis[self._rows])
        known = _all_corners(self._known)
        # 1. Bound the slope in each cell by the steepest edge of each axis
        slope = np.zeros(known.shape, np.float32)
        for axis in range(3):
            along = np.moveaxis(steps.astype(np.float32)[:, None, None], 0, axis)
            steepest = np.abs(np.diff(self.values, axis=axis)) / along
            for other in {0, 1, 2} - {axis}:
                steepest = _pairs(steepest, other, np.maximum)
            slope += steepest**2
        slope = np.sqrt(np.where(known, slope, 0))
        slope = np.maximum(maximum_filter(slope, size=3, mode="nearest"), 1)
        # 2. Compare the corners' distances from the level with the reach of that slope
        reach = slope * np.float32(_SAFETY * steps.max())
        cells = np.zeros(known.shape, bool)
        for level in levels:
            closest = total = np.abs(self.values - np.float32(level))
            for axis in range(3):
                closest, total = _pairs(closest, axis, np.minimum), _pairs(total, axis, np.add)
            cells |= (closest <= _TO_NEAREST * reach) & (total <= _TO_ALL * reach)
            cells |= self._crossed(level)
        return known & cells

    def follow(self, levels: Sequence[float], evaluate: Evaluate) -> None:
        """Evaluate on where a surface leaves the known region, until no surface does."""
        while True:
            crossed = np.logical_or.reduce([self._crossed(level) for level in levels])
            lost = crossed & ~_all_corners(self._known)
            if not lost.any():
                return
            lost = maximum_filter(lost, size=2 * _MARGIN + 1)
            self._evaluate(_corners(lost), evaluate)

    def _crossed(self, level: float) -> _Mask:
        """Cells that the surface passes through; it also closes the inside at the grid's border."""
        inside = self.values < level
        outside, filled = _all_corners(~inside), _all_corners(inside)
        for axis in range(3):
            np.moveaxis(filled, axis, 0)[[0, -1]] = False
        return ~(outside | filled)

    def _evaluate(self, wanted: _Mask, evaluate: Evaluate) -> None:
        places = np.nonzero(wanted & ~self._known)
        axis = self._axis[self._rows].astype(np.float32)
        self.values[places] = evaluate(np.stack([axis[place] for place in places], axis=1))
        self._known |= wanted


def _pairs(array: NDArray[Any], axis: int, combine: Callable[..., Any]) -> NDArray[Any]:
    """Combine neighbours along an axis: n -> n - 1."""
    moved = np.moveaxis(array, axis, 0)
    joined: NDArray[Any] = np.moveaxis(combine(moved[:-1], moved[1:]), 0, axis)
    return joined


def _all_corners(marks: _Mask) -> _Mask:
    """Cells (n - 1)^3 with all corners (n)^3 marked."""
    for axis in range(3):
        marks = _pairs(marks, axis, np.logical_and)
    return marks


def _corners(cells: _Mask) -> _Mask:
    """Corners (n)^3 of the marked cells (n - 1)^3."""
    marks = np.zeros(tuple(length + 1 for length in cells.shape), bool)
    low, high = slice(None, -1), slice(1, None)
    for i in (low, high):
        for j in (low, high):
            for k in (low, high):
                marks[i, j, k] |= cells
    return marks

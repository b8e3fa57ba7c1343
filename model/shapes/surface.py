"""Generator -> mesh: marching cubes on a grid that is asked for only near the surface.

A coarse grid is refined step by step. A cell is looked into where its corners' values come so
close to the level that the field's slope could bring it there in between; the slope is measured
on the spot, and never taken for less than that of a distance field, which is 1. So what is thinner
than a cell is found as well. Then each cell that the surface crosses has all its corners asked for,
and the mesh is that of the dense grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from torch import Tensor

from shapegan.model.networks.generator import Frame
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.schema import grid_axis

CHUNK = 16_384
"""Points that a network is asked for at once: the fastest on a CPU, and small on any device."""

_COARSEST = 24
"""Cells along each axis of the first grid, at least."""
_CARE = 0.8
"""Part of the bound by the slope that is kept to. Only a cone would reach all of it: 0.4 was still
enough for each of 184 published shapes, and at 0.3 first voxels were lost."""
_TO_NEAREST, _TO_ALL = 3**0.5 / 2, 3 + 3 * 2**0.5 + 3**0.5
"""In a unit cube: no point is farther than this from the nearest corner, nor from all eight
together. A field of slope 1 that is 0 at some point has values no larger than these distances."""
_FRONT = 2
"""Cells on each side that are asked for beside one that the surface was seen to run into."""

Grid = NDArray[np.float32]
"""(R, R, R), index order x, y, z."""
Cells = NDArray[np.bool_]
"""A mark for each cell, or corner, of a grid."""


class _Config(Protocol):
    @property
    def frame(self) -> Frame: ...


class DistanceField(Protocol):
    """What a surface is taken of: a `Generator`, or anything that is called like one."""

    @property
    def config(self) -> _Config:
        """Knows the frame."""

    def __call__(self, points: Tensor, latents: Tensor) -> Tensor:
        """Signed distances (1, N) at points (N, 3) for a latent (1, Z)."""


@dataclass(frozen=True)
class Surface:
    """A closed triangle mesh, wound outwards, in the frame of its generator."""

    vertices: NDArray[np.float32]
    """(V, 3); no rows where the surface is empty."""
    faces: NDArray[np.int32]
    """(F, 3), rows of `vertices`."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing."""
        return len(self.faces) == 0


def extract(
    generator: DistanceField,
    latent: Tensor,
    resolution: int = 128,
    level: float = 0.0,
    chunk: int = CHUNK,
    *,
    dense: bool = False,
) -> Surface:
    """The surface on which a generated field has the value `level`.

    The grid is that of the dataset's voxels, `linspace(-1, 1, R)` along each axis. Beyond it, and
    in the sphere frame beyond the unit ball, all counts as outside, so the surface is closed there.

    Args:
        generator: Asked on the device of the latent.
        latent: (Z,).
        resolution: Points along each axis, R.
        level: The value looked for; 0.04 in Kleineberg et al. 2020.
        chunk: Points to ask for at once, which bounds the memory.
        dense: Ask for all points, R^3: the slow twin.

    Returns:
        A mesh, of zero faces where all of the grid is outside.

    Raises:
        ValueError: for a resolution below 2, or where the generator gives numbers not finite.
    """
    return _surface(sample(generator, latent, resolution, level, chunk, dense=dense), level)


def extract_levels(
    generator: DistanceField,
    latent: Tensor,
    resolution: int,
    levels: Sequence[float],
    chunk: int = CHUNK,
) -> list[Surface]:
    """The same surfaces as `extract` gives for each of some levels, but the field is asked once.

    Levels that are a few voxels apart share most of the points near them.
    """
    values = _sample(generator, latent, resolution, levels, chunk, dense=False)
    return [_surface(values, level) for level in levels]


def sample(
    generator: DistanceField,
    latent: Tensor,
    resolution: int,
    level: float,
    chunk: int = CHUNK,
    *,
    dense: bool = False,
) -> Grid:
    """A generated field on a grid, for `extract`: exact at corners of cells that hold `level`.

    Elsewhere a value tells no more than the side, and was taken from a coarser grid; `dense` makes
    all of it exact. For arguments see `extract`.
    """
    return _sample(generator, latent, resolution, (level,), chunk, dense=dense)


def _sample(
    generator: DistanceField,
    latent: Tensor,
    resolution: int,
    levels: Sequence[float],
    chunk: int,
    *,
    dense: bool,
) -> Grid:
    if resolution < 2:
        raise ValueError(f"resolution: expected at least 2, got {resolution}")

    def ask(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return _ask(generator, latent, points, chunk)

    # 1. All of the coarsest grid
    strides = [1] if dense else _strides(resolution)
    grid = _FineGrid.first(resolution, strides[0], ask)
    grid.follow(levels, ask)
    # 2. Finer and finer where the level may be
    for stride in strides[1:]:
        grid = grid.refined(stride, grid.near(levels), ask)
        grid.follow(levels, ask)
    return grid.values


def _surface(values: Grid, level: float) -> Surface:
    vertices, faces = extract_surface(values, level)
    return Surface(vertices.astype(np.float32), faces)


_Ask = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Points (N, 3) -> values (N,)."""


def _strides(resolution: int) -> list[int]:
    """Distances between a grid's rows in rows of the finest: 2^k, ..., 2, 1."""
    strides = [1]
    while (resolution - 1) // (2 * strides[0]) >= _COARSEST:
        strides.insert(0, 2 * strides[0])
    return strides


@torch.no_grad()
def _ask(
    generator: DistanceField, latent: Tensor, points: NDArray[np.float32], chunk: int
) -> NDArray[np.float32]:
    """Values of the field at points (N, 3), in full precision: (N,)."""
    values = np.empty(len(points), np.float32)
    for start in range(0, len(points), chunk):
        piece = torch.from_numpy(points[start : start + chunk]).to(latent.device)
        found = generator(piece, latent[None])[0].float().cpu().numpy()
        values[start : start + chunk] = found
    if not np.isfinite(values).all():
        raise ValueError("expected finite distances of the generator, got others")
    if generator.config.frame == "sphere":
        # A point generator never saw what is beyond its ball, and may have put anything there.
        np.maximum(values, np.linalg.norm(points, axis=1) - 1, out=values)
    return values


class _FineGrid:
    """A field at every s-th row, and at the last one, of the finest grid; asked for in part.

    Args:
        axis: (n,) float64, coordinates of its rows along each axis.
        rows: (n,) which ones of the finest grid they are.
        values: (n, n, n), from a coarser grid where not `known`.
        known: (n, n, n), where the field was asked for.
    """

    def __init__(
        self, axis: NDArray[np.float64], rows: NDArray[np.int64], values: Grid, known: Cells
    ) -> None:
        self._axis, self._rows, self.values, self._known = axis, rows, values, known

    @classmethod
    def first(cls, resolution: int, stride: int, ask: _Ask) -> "_FineGrid":
        """All of a grid."""
        rows = np.append(np.arange(0, resolution - 1, stride), resolution - 1)
        values = np.zeros((len(rows),) * 3, np.float32)
        grid = cls(grid_axis(resolution), rows, values, np.zeros(values.shape, bool))
        grid._learn(np.ones(values.shape, bool), ask)
        return grid

    def refined(self, stride: int, cells: Cells, ask: _Ask) -> "_FineGrid":
        """A finer grid, known within these cells of this one."""
        rows = np.append(np.arange(0, self._rows[-1], stride), self._rows[-1])
        below = np.searchsorted(self._rows, rows, side="right") - 1
        shared = rows == self._rows[below]
        values = self.values[np.ix_(below, below, below)]
        known = self._known[np.ix_(below, below, below)]
        for axis in range(3):
            known &= np.moveaxis(shared[:, None, None], 0, axis)
        grid = _FineGrid(self._axis, rows, values, known)
        parent = below[:-1]
        grid._learn(_corners(cells[np.ix_(parent, parent, parent)]), ask)
        return grid

    def near(self, levels: Sequence[float]) -> Cells:
        """Cells in which a level may be, (n - 1)^3, of those whose corners are all known."""
        steps = np.diff(self._axis[self._rows])
        known = _all_corners(self._known)
        # 1. The slope in each cell, of each axis' edges the steepest
        slope = np.zeros(known.shape, np.float32)
        for axis in range(3):
            along = np.moveaxis(steps.astype(np.float32)[:, None, None], 0, axis)
            steepest = np.abs(np.diff(self.values, axis=axis)) / along
            for other in {0, 1, 2} - {axis}:
                steepest = _pairs(steepest, other, np.maximum)
            slope += steepest**2
        slope = np.sqrt(np.where(known, slope, 0))
        slope = np.maximum(maximum_filter(slope, size=3, mode="nearest"), 1)
        # 2. How close the values come, and how close they would have to
        reach = slope * np.float32(_CARE * steps.max())
        cells = np.zeros(known.shape, bool)
        for level in levels:
            closest = total = np.abs(self.values - np.float32(level))
            for axis in range(3):
                closest, total = _pairs(closest, axis, np.minimum), _pairs(total, axis, np.add)
            cells |= (closest <= _TO_NEAREST * reach) & (total <= _TO_ALL * reach)
            cells |= self._crossed(level)
        return known & cells

    def follow(self, levels: Sequence[float], ask: _Ask) -> None:
        """Asks on where a surface leaves what is known, until it does no more."""
        while True:
            crossed = np.logical_or.reduce([self._crossed(level) for level in levels])
            lost = crossed & ~_all_corners(self._known)
            if not lost.any():
                return
            lost = maximum_filter(lost, size=2 * _FRONT + 1)
            self._learn(_corners(lost), ask)

    def _crossed(self, level: float) -> Cells:
        """Cells that the surface passes, which ends what is inside at the border."""
        inside = self.values < level
        outside, filled = _all_corners(~inside), _all_corners(inside)
        for axis in range(3):
            np.moveaxis(filled, axis, 0)[[0, -1]] = False
        return ~(outside | filled)

    def _learn(self, wanted: Cells, ask: _Ask) -> None:
        places = np.nonzero(wanted & ~self._known)
        axis = self._axis[self._rows].astype(np.float32)
        self.values[places] = ask(np.stack([axis[place] for place in places], axis=1))
        self._known |= wanted


def _pairs(array: NDArray[Any], axis: int, combine: Callable[..., Any]) -> NDArray[Any]:
    """Neighbours along an axis joined to one: n -> n - 1."""
    moved = np.moveaxis(array, axis, 0)
    joined: NDArray[Any] = np.moveaxis(combine(moved[:-1], moved[1:]), 0, axis)
    return joined


def _all_corners(marks: Cells) -> Cells:
    """Cells (n - 1)^3 whose corners (n)^3 are all marked."""
    for axis in range(3):
        marks = _pairs(marks, axis, np.logical_and)
    return marks


def _corners(cells: Cells) -> Cells:
    """Corners (n)^3 of marked cells (n - 1)^3."""
    marks = np.zeros(tuple(length + 1 for length in cells.shape), bool)
    low, high = slice(None, -1), slice(1, None)
    for i in (low, high):
        for j in (low, high):
            for k in (low, high):
                marks[i, j, k] |= cells
    return marks

"""Generalised winding numbers of triangle soups.

The winding number of a surface round a point is the solid angle that it covers, signed and over
4 pi: 1 inside a closed outward-wound surface, 0 outside, and something between where the surface
has holes (Jacobson et al. 2013, "Robust inside-outside segmentation using generalized winding
numbers"). Triangles that are far away are summed as one (`shapegan.pipeline.queries.winding_bvh`).

That still costs several microseconds a point in a dense mesh. Most winding numbers are had by
continuation instead: a winding number changes by exactly one where a path crosses a face, and
hardly at all in between, so a point has the winding number of a point nearby plus the signed
crossings on the way. References on a coarse grid are asked of the tree, those on a fine grid are
continued from them, and all others from the fine grid. Only near the rims of open holes, where
the winding number does change along a path, is the tree asked again. Most rims are not open: the
two sides of a seam whose vertices do not match, say, cancel each other.
"""

import functools
import math
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from shapegan.pipeline.arrays import halves
from shapegan.pipeline.queries import crossing_kernels
from shapegan.pipeline.queries import winding_kernels as kernels
from shapegan.pipeline.queries.bvh_kernels import LANES
from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.winding_bvh import build_winding_tree

LEVELS = (8, 24, 64)
"""References along the longest side of the bounding box; each grid is continued from the last."""

ASIDE = (0.4831, 0.4397, 0.4599)
"""Where the grids begin, in cells from the bounding box: a little less than half a cell, another
little along each axis. So no reference lies on a plane that a modeller would choose, diagonal ones
included: on an edge of the surface a winding number says nothing of what is beside it."""

PROBES = 2
"""Places on the rims in each cell of the finest grid at which it is asked whether they are open."""

OPEN = 0.12
"""How far from a whole number a winding number shows an open rim. Three probes around one cannot
all be nearer than a sixth."""


class WindingField:
    """Answers winding numbers of one oriented triangle soup."""

    def __init__(
        self,
        vertices: NDArray[np.float32],
        faces: NDArray[np.int32],
        device: str = "cpu",
        levels: int = len(LEVELS),
    ) -> None:
        """Builds the tree; references follow when they are needed first.

        Args:
            vertices: (V, 3).
            faces: (F, 3), F may be 0.
            device: Warp's name of it.
            levels: how many of `LEVELS` to use; fewer pay where few points will be asked.
        """
        self.device = device
        self.levels = levels
        self._built = 0
        self._tree = build_winding_tree(vertices[faces], device)
        self._rim = vertices[rim_edges(faces)]
        used = vertices[faces.ravel()]
        self._bounds = (used.min(axis=0), used.max(axis=0)) if len(used) else None

    @property
    def data(self) -> Any:
        """What the kernels take: the tree with its references."""
        if self._bounds is not None:
            for count in LEVELS[self._built : self.levels]:
                self._place_references(*self._bounds, count)
        self._built = self.levels
        return self._tree

    @functools.cached_property
    def _open_rim(self) -> NDArray[np.float32]:
        """Places (M, 3) on the rims round which the winding number does change."""
        assert self._bounds is not None
        low, high = self._bounds
        return self._open_places(self._rim, float((high - low).max()) / LEVELS[-1])

    def _open_places(self, rim: NDArray[np.float32], cell: float) -> NDArray[np.float32]:
        """Places (M, 3) on rim edges (E, 2, 3) round which the winding number does change."""
        if len(rim) == 0:
            return np.zeros((0, 3), np.float32)
        place, edge = _along(rim, cell / 2)
        chosen = _first_few(np.floor(place / cell).astype(np.int64), PROBES)
        place, along = place[chosen], (rim[:, 1] - rim[:, 0])[edge[chosen]]
        across = np.cross(along, np.eye(3, dtype=np.float32)[np.abs(along).argmin(axis=1)])
        other = np.cross(along, across)
        across, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (across, other))
        angles = 2 * np.pi / 3 * np.arange(3) + 0.3
        around = np.cos(angles)[:, None, None] * across + np.sin(angles)[:, None, None] * other
        is_open = np.zeros(len(place), bool)
        for probes in (place + cell / 4 * around).astype(np.float32):
            rest = np.flatnonzero(~is_open)
            number = self.numbers(probes[rest], exact=True)
            is_open[rest] = np.abs(number - np.rint(number)) > OPEN
        places: NDArray[np.float32] = place[is_open]
        return places

    def _place_references(
        self,
        low: NDArray[np.float32],
        high: NDArray[np.float32],
        count: int,
    ) -> None:
        """Learns the winding numbers on a grid over the bounding box, but near open rims."""
        cell = float((high - low).max()) / count
        origin = low + (cell * np.array(ASIDE)).astype(np.float32)
        counts = np.maximum(np.ceil((high - origin) / cell + 0.5).astype(int), 1)
        near_rim = np.zeros(counts, dtype=bool)
        if len(self._open_rim):
            at = np.rint((self._open_rim - origin) / cell).astype(int)
            near_rim[tuple(np.clip(at, 0, counts - 1).T)] = True
            near_rim = binary_dilation(near_rim, np.ones((3, 3, 3), dtype=bool))
        grid = origin + cell * np.argwhere(~near_rim)
        references = np.full(counts, np.nan, np.float32)
        exact = count == LEVELS[0]
        references[~near_rim] = self._ask(self._tree, grid.astype(np.float32), exact)
        if not exact:
            self._verify(references, origin, cell)
        self._tree.origin = wp.vec3(*map(float, origin))
        self._tree.cell = cell
        self._tree.references = wp.array(references, dtype=float, ndim=3, device=self.device)

    def _verify(
        self, references: NDArray[np.float32], origin: NDArray[np.float32], cell: float
    ) -> None:
        """Asks the tree where neighbours on a grid (X, Y, Z) differ, until all of those are asked.

        A way that slips through a slit between the two sides of a seam crosses no face. So a wrong
        number is that of a few references, and differs from those around them; as right ones do
        on both sides of the surface.
        """
        asked = np.zeros(references.shape, bool)
        while True:
            differs = np.zeros(references.shape, bool)
            for axis in range(3):
                near, far = halves(references, axis)
                for side in halves(differs, axis):
                    side |= np.abs(near - far) > 0.5  # never where one is not a number
            fresh = differs & ~asked
            if not fresh.any():
                return
            points = (origin + cell * np.argwhere(fresh)).astype(np.float32)
            references[fresh] = self._ask(self._tree, points, exact=True)
            asked |= fresh

    def numbers(self, points: NDArray[np.float32], *, exact: bool = False) -> NDArray[np.float32]:
        """Winding numbers (N,) round points (N, 3): by continuation, or `exact` from the tree.

        On the CPU, what counts as far is far from several neighbours: who else is asked for makes
        a difference, within the error of the tree.
        """
        return self._ask(self._tree if exact else self.data, points, exact)

    def gains(self, start: NDArray[np.float32], end: NDArray[np.float32]) -> NDArray[np.float32]:
        """What winding numbers gain (N,) on ways from start to end (N, 3) by crossing faces."""
        ways: list[Any] = [
            wp.array(points, dtype=wp.vec3, device=self.device) for points in (start, end)
        ]
        gain: Any = wp.zeros(len(start), dtype=float, device=self.device)
        self._add_crossings(ways[0], ways[1], gain)
        result: NDArray[np.float32] = gain.numpy()
        return result

    def _ask(self, data: Any, points: NDArray[np.float32], exact: bool) -> NDArray[np.float32]:
        # Neighbours walk the same way through the tree.
        order = morton_order(points)
        queries: Any = wp.array(points[order], dtype=wp.vec3, device=self.device)
        if exact:
            winding = self._walk(data, queries)
        else:
            clearance = wp.zeros(len(points), dtype=float, device=self.device)
            winding = self._continue(data, queries, clearance)
        result = np.empty(len(points), np.float32)
        result[order] = winding.numpy()
        return result

    def continued(self, points: Any, clearance: Any) -> Any:
        """Winding numbers (N,), all arrays Warp's, round points (N,) by continuation.

        Args:
            points: vectors, neighbours one after the other.
            clearance: distances to the nearest face; the way through it needs no look.
        """
        return self._continue(self.data, points, clearance)

    def _continue(self, data: Any, points: Any, clearance: Any) -> Any:
        start: Any = wp.empty(len(points), dtype=wp.vec3, device=self.device)
        winding: Any = wp.empty(len(points), dtype=float, device=self.device)
        inputs = [data, points, clearance, start, winding]
        self._launch(kernels.find_origins, inputs, len(points))
        self._add_crossings(start, points, winding)
        numbers = winding.numpy()
        rest = np.flatnonzero(np.isnan(numbers))
        if len(rest) == 0:
            return winding
        asked: Any = wp.array(points.numpy()[rest], dtype=wp.vec3, device=self.device)
        numbers[rest] = self._walk(data, asked).numpy()
        return wp.array(numbers, dtype=float, device=self.device)

    def _add_crossings(self, start: Any, end: Any, winding: Any) -> None:
        """Adds to winding numbers (N,) what they gain on ways (N,), neighbours' side by side."""
        inputs = [self._tree.tree, start, end, winding]
        if self.device == "cpu":
            threads = math.ceil(len(winding) / LANES)
            self._launch(crossing_kernels.add_crossings_together, inputs, threads)
        else:
            self._launch(crossing_kernels.add_crossings, inputs, len(winding))

    def _walk(self, data: Any, points: Any) -> Any:
        """What the tree says (N,), to an array of Warp's of neighbours."""
        winding: Any = wp.empty(len(points), dtype=float, device=self.device)
        inputs = [data, points, winding]
        if self.device == "cpu":
            threads = math.ceil(len(points) / LANES)
            self._launch(kernels.winding_numbers_together, inputs, threads)
        else:
            self._launch(kernels.winding_numbers, inputs, len(points))
        return winding

    def _launch(self, kernel: Any, inputs: list[Any], threads: int) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self.device)


def rim_edges(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """Edges (E, 2) that faces walk more often one way than the other.

    They bound the surface. Where there are none, winding numbers are whole everywhere.
    """
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    key, edge = np.unique(np.sort(edges, axis=1) @ [1 << 32, 1], return_inverse=True)
    net = np.bincount(edge, np.where(edges[:, 0] < edges[:, 1], 1, -1), len(key))
    rim = key[net != 0]
    return np.stack([rim >> 32, rim & 0xFFFFFFFF], axis=1)


def _along(
    segments: NDArray[np.float32], step: float
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Points (M, 3) on segments (E, 2, 3), no farther apart than `step`, and whose they are."""
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    count = 2 + (length / step).astype(np.int64)
    segment = np.repeat(np.arange(len(segments)), count)
    rank = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    share = ((rank + 0.5) / count[segment])[:, None].astype(np.float32)
    points: NDArray[np.float32] = segments[segment, 0] * (1 - share) + segments[segment, 1] * share
    return points, segment


def _first_few(cells: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """The first and then every so-manieth row of those with the same values: `most` of each."""
    key = (cells - cells.min(axis=0)) @ np.array([1 << 42, 1 << 21, 1])
    _, group = np.unique(key, return_inverse=True)
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    stride = -(-size // most)
    few: NDArray[np.intp] = order[rank % np.repeat(stride, size) == 0]
    return few

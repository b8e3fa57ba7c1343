"""Generalised winding numbers of triangle soups.

The winding number of a surface round a point is the solid angle that it covers, signed and over
4 pi: 1 inside a closed outward-wound surface, 0 outside, and a fraction where the surface has holes
(Jacobson et al. 2013, "Robust inside-outside segmentation using generalized winding numbers").
Triangles that are far away are summed as one multipole (`shapegan.pipeline.queries.winding_bvh`).

A sum over the BVH costs several microseconds a point on a dense mesh, so most winding numbers are
*continued*. Along a path, a winding number changes by exactly 1 at each crossing of a face, and
hardly at all in between. So a point has the winding number of a nearby reference plus the signed
crossings of the segment between them. References lie on grids: those of the coarsest grid are
summed over the BVH, those of each finer grid are continued from the grid before it. Only near open
rims (`shapegan.pipeline.queries.rims`), where the winding number changes along paths that cross no
face, are numbers summed again.
"""

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from shapegan.pipeline.arrays import bounds, neighbours, take_rows
from shapegan.pipeline.queries import winding_kernels as kernels
from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.rims import open_rim_points, rim_edges
from shapegan.pipeline.queries.winding_bvh import build_winding_bvh
from shapegan.pipeline.queries.winding_launcher import WindingLauncher
from shapegan.pipeline.warp_runtime import check_device

GRIDS = (8, 24, 64)
"""Cells of the reference grids along the longest side of the bounding box, coarse to fine."""

GRID_SHIFT = (0.4831, 0.4397, 0.4599)
"""Origins of the grids, in cells from the bounding box: a little less than half a cell, and
different along each axis. So no reference lies on a plane that a modeller would choose, whether
axis-aligned or diagonal: on the edge of a surface, a winding number says nothing about the points
beside it."""


FEW_FACES = 256
"""Up to this many faces, numbers are continued from the second grid: longer segments through few
faces take less time than the finest grid, whose size does not depend on the faces."""


class WindingField:
    """Winding numbers of one oriented triangle soup."""

    def __init__(
        self,
        vertices: NDArray[np.float32],
        faces: NDArray[np.int32],
        device: str = "cpu",
        *,
        halve_long: bool = True,
    ) -> None:
        """Build the BVH. References are computed when they are first needed.

        Args:
            vertices: (V, 3).
            faces: (F, 3), F may be 0.
            device: Warp's name of the device.
            halve_long: halve long faces first, which pays off unless there are few points.
        """
        self.device = device
        self._vertices, self._faces = vertices, faces
        self._launcher = WindingLauncher(device)
        # Item k has the references of the k-th grid; item 0 has none.
        corners = take_rows(vertices, faces)
        self._data = [build_winding_bvh(corners, device, halve_long=halve_long)]
        self._bounds = bounds(corners.reshape(-1, 3)) if len(corners) else None

    def __getstate__(self) -> dict[str, Any]:
        """Triangles and references; the BVH is built again, which takes milliseconds."""
        return {
            "triangles": (self._vertices, self._faces, self.device),
            "grids": [
                (tuple(data.origin), data.cell, data.references.numpy()) for data in self._data[1:]
            ],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore an unpickled field.

        Raises:
            NoDeviceError: this machine lacks the device.
        """
        check_device(state["triangles"][-1])
        self.__init__(*state["triangles"])  # type: ignore[misc]
        self._data += [self._with_references(*grid) for grid in state["grids"]]

    def numbers(
        self, points: NDArray[np.float32], *, exact: bool = False, grids: int = len(GRIDS)
    ) -> NDArray[np.float32]:
        """Winding numbers (N,) of points.

        On the CPU a multipole is used where it holds for a batch of neighbours. So a number depends
        on the other points of the call, within the error of the multipoles.

        Args:
            points: (N, 3).
            exact: sum over the BVH instead of continuing from references.
            grids: how many of `GRIDS` to build, if `exact` is not set. Fewer take less time where
                there are few points.
        """
        return self._sorted_numbers(
            self._data[0] if exact else self._references(grids), points, exact
        )

    def continued(self, points: Any, distance: Any) -> Any:
        """Winding numbers (N,) of points by continuation. All arrays are Warp's.

        Args:
            points: (N,) vectors; faster if neighbours follow each other.
            distance: (N,), to the nearest face. Segments shorter than this cross no face.
        """
        grids = len(GRIDS) if len(self._faces) > FEW_FACES else 2
        data = self._references(grids)
        return self._launcher.continue_from_references(data, points, distance)

    def summed(self, points: Any) -> Any:
        """Winding numbers (N,) of points, summed over the BVH. All arrays are Warp's.

        Args:
            points: (N,) vectors; faster if neighbours follow each other.
        """
        return self._launcher.sum(self._data[0], points)

    def signed_crossings(
        self, start: NDArray[np.float32], end: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Changes (N,) of the winding number along segments, by crossing faces.

        Args:
            start: (N, 3).
            end: (N, 3).
        """
        # Neighbouring segments traverse the same nodes.
        order = morton_order(start)
        ends: list[Any] = [
            wp.array(take_rows(points, order), dtype=wp.vec3, device=self.device)
            for points in (start, end)
        ]
        change: Any = wp.zeros(len(start), dtype=float, device=self.device)
        self._launcher.add_crossings(self._data[0].bvh, ends[0], ends[1], change)
        result = np.empty(len(start), np.float32)
        result[order] = change.numpy()
        return result

    def _references(self, grids: int) -> Any:
        """Data for kernels with the last of the first `grids` grids; builds those that lack."""
        if self._bounds is None:
            return self._data[0]
        while len(self._data) <= grids:
            self._data.append(self._next_grid(*self._bounds, GRIDS[len(self._data) - 1]))
        return self._data[grids]

    def _next_grid(self, low: NDArray[np.float32], high: NDArray[np.float32], count: int) -> Any:
        """Data for kernels with a grid over the bounding box, continued from the grid before it.

        References near open rims are NaN.

        Args:
            low: (3,), the lower corner of the bounding box.
            high: (3,), its upper corner.
            count: cells along the longest side.
        """
        cell = float((high - low).max()) / count
        origin = low + (cell * np.array(GRID_SHIFT)).astype(np.float32)
        counts = np.maximum(np.ceil((high - origin) / cell + 0.5).astype(int), 1)
        near_rim = np.zeros(counts, dtype=bool)
        if len(self._open_rim):
            at = np.rint((self._open_rim - origin) / cell).astype(int)
            near_rim[tuple(np.clip(at, 0, counts - 1).T)] = True
            near_rim = binary_dilation(near_rim, np.ones((3, 3, 3), dtype=bool))
        grid = origin + cell * np.argwhere(~near_rim)
        references = np.full(counts, np.nan, np.float32)
        exact = len(self._data) == 1
        references[~near_rim] = self._sorted_numbers(self._data[-1], grid.astype(np.float32), exact)
        if not exact:
            self._verify(references, origin, cell)
        return self._with_references(origin, cell, references)

    def _with_references(
        self, origin: Iterable[float], cell: float, references: NDArray[np.float32]
    ) -> Any:
        """Data for kernels with a grid of references (X, Y, Z)."""
        data: Any = kernels.WindingData()
        data.bvh, data.nodes = self._data[0].bvh, self._data[0].nodes
        data.origin, data.cell = wp.vec3(*map(float, origin)), cell
        data.references = wp.array(references, dtype=float, ndim=3, device=self.device)
        return data

    @functools.cached_property
    def _open_rim(self) -> NDArray[np.float32]:
        """Points (M, 3) on open rims."""
        assert self._bounds is not None
        low, high = self._bounds
        cell = float((high - low).max()) / GRIDS[-1]
        rim = self._vertices[rim_edges(self._faces)]
        return open_rim_points(rim, cell, functools.partial(self.numbers, exact=True))

    def _verify(
        self, references: NDArray[np.float32], origin: NDArray[np.float32], cell: float
    ) -> None:
        """Replace references (X, Y, Z) that differ from a neighbour by exact winding numbers.

        A segment that slips through a slit between the two sides of a seam crosses no face. The
        wrong numbers that follow are few, so they differ from numbers around them. Right numbers on
        the two sides of the surface differ, too. Repeats until every reference that differs is
        exact.
        """
        exact = np.zeros(references.shape, bool)
        while True:
            differs = np.zeros(references.shape, bool)
            for axis in range(3):
                near, far = neighbours(references, axis)
                for side in neighbours(differs, axis):
                    side |= np.abs(near - far) > 0.5  # false where either is NaN
            fresh = differs & ~exact
            if not fresh.any():
                return
            points = (origin + cell * np.argwhere(fresh)).astype(np.float32)
            references[fresh] = self.numbers(points, exact=True)
            exact |= fresh

    def _sorted_numbers(
        self, data: Any, points: NDArray[np.float32], exact: bool
    ) -> NDArray[np.float32]:
        # Neighbouring points traverse the same nodes.
        order = morton_order(points)
        queries: Any = wp.array(take_rows(points, order), dtype=wp.vec3, device=self.device)
        if exact:
            winding = self._launcher.sum(data, queries)
        else:
            distance = wp.zeros(len(points), dtype=float, device=self.device)
            winding = self._launcher.continue_from_references(data, queries, distance)
        result = np.empty(len(points), np.float32)
        result[order] = winding.numpy()
        return result

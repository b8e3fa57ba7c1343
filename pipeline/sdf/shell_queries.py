"""Queries against a shell: the nearest boundary point and the winding number at points."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.queries import nearest_kernels
from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.schema import grid_points
from shapegan.pipeline.sdf.caps import NO_CAPS, Caps
from shapegan.pipeline.shell.build import Shell

ON_SURFACE = 1e-4
"""A point nearer to a face than this may get the winding number of either side, cube frame."""


@dataclass(frozen=True)
class QueriedPoints:
    """Results of the queries at N points, before anything is thickened. All distances: cube frame.

    Warp arrays hold the points in Morton order, so that neighbours are queried together.
    """

    order: NDArray[np.intp]
    """(N,), the row of each Warp array's element in the points as they were given."""
    points: Any
    """(N,) Warp vectors."""
    nearest: Any
    """Warp's `NearestPoints`: the nearest exterior face, a row of `ShellQueries.exterior`, or cap.
    The face of a cap is -1."""
    face_distance: Any
    """(N,) Warp floats, distance to the nearest face, interior faces included."""
    winding: Any
    """(N,) Warp floats, winding numbers."""

    def winding_numbers(self) -> NDArray[np.float32]:
        """Winding numbers (N,) in the order of the points; NaN on the surface."""
        on_surface = self.face_distance.numpy() < ON_SURFACE
        return self.in_order(np.where(on_surface, np.nan, self.winding.numpy()))

    def chosen(self, chosen: NDArray[np.bool_]) -> "QueriedPoints":
        """Results at those of the points that are marked (N,), which keep their order."""
        rows = np.flatnonzero(chosen[self.order])
        device = self.points.device

        def taken(values: Any) -> Any:
            return wp.array(take_rows(values.numpy(), rows), dtype=values.dtype, device=device)

        nearest: Any = nearest_kernels.NearestPoints()
        for name in ("face", "distance", "closest", "weights"):
            setattr(nearest, name, taken(getattr(self.nearest, name)))
        rank = np.cumsum(chosen) - 1
        return QueriedPoints(
            rank[self.order[rows]],
            taken(self.points),
            nearest,
            taken(self.face_distance),
            taken(self.winding),
        )

    def in_order(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values (N, ...) of a Warp array, rearranged to the order of the points."""
        return np.take(values, self._place, axis=0)

    @cached_property
    def _place(self) -> NDArray[np.intp]:
        """(N,), the element of each Warp array that each given point is."""
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(place))
        return place


@dataclass(frozen=True)
class ShellQueries:
    """Search trees over the faces of a shell and over caps of its wide openings."""

    shell: Shell
    pieces: TriangleQueries
    """All pieces of the shell."""
    exterior: TriangleQueries
    """The exterior pieces of the shell."""
    sheets: TriangleQueries
    """The sheets of the shell."""
    caps: TriangleQueries | None = None
    """Caps and squares, for distances."""
    cap_winding: WindingField | None = None
    """Winding numbers of the caps."""

    @classmethod
    def of(cls, shell: Shell) -> "ShellQueries":
        """Build the trees on the shell's device."""
        pieces = exterior = TriangleQueries(shell.vertices, shell.pieces, shell.device)
        if not shell.exterior.all():
            faces = shell.pieces[shell.exterior]
            exterior = TriangleQueries(shell.vertices, faces, shell.device)
        sheets = TriangleQueries(shell.vertices, shell.sheets, shell.device)
        return cls(shell, pieces, exterior, sheets)

    @property
    def device(self) -> str:
        """Warp's name of the device."""
        return self.shell.device

    def with_caps(self, caps: Caps, squares: Caps = NO_CAPS) -> "ShellQueries":
        """The same trees, and those over caps, and over squares, which have no winding number."""
        both, winding = caps.joined(squares), None
        if len(caps.faces):
            winding = WindingField(caps.vertices, caps.faces, self.device, halve_long=False)
        queries = TriangleQueries(both.vertices, both.faces, self.device)
        return replace(self, caps=queries, cap_winding=winding)

    def nearest_boundary(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distances (N,) of points (N, 3) from exterior pieces, and nearest points (N, 3)."""
        found = self.exterior.nearest(wp.array(points, dtype=wp.vec3, device=self.device))
        return found.distance.numpy(), found.closest.numpy()

    def query(self, points: NDArray[np.float32]) -> QueriedPoints:
        """Query the nearest boundary point and the winding number at points (N, 3), cube frame."""
        order = morton_order(points)
        return self._query(order, np.take(points, order, axis=0))

    def query_grid(self, resolution: int) -> QueriedPoints:
        """Query all voxels of a grid (`shapegan.pipeline.schema.grid_points`)."""
        return self._query(*_ordered_grid(resolution))

    def _query(self, order: NDArray[np.intp], points: NDArray[np.float32]) -> QueriedPoints:
        """Query points (N, 3), given with their Morton order (N,) and in it."""
        ordered: Any = wp.array(points, dtype=wp.vec3, device=self.device)
        nearest = self.pieces.nearest(ordered)
        face_distance = wp.clone(nearest.distance)
        self._skip_interior(ordered, nearest)
        winding = self.shell.winding.continued(ordered, face_distance)
        if self.caps is not None:
            self._take_nearer_caps(ordered, nearest)
            winding = self._with_caps(ordered, winding)
        return QueriedPoints(order, ordered, nearest, face_distance, winding)

    def add_caps(self, queried: QueriedPoints) -> QueriedPoints:
        """Results at the same points with the caps, from those without: only caps are searched."""
        nearest: Any = nearest_kernels.NearestPoints()
        for name in ("face", "distance", "closest", "weights"):
            setattr(nearest, name, wp.clone(getattr(queried.nearest, name)))
        self._take_nearer_caps(queried.points, nearest)
        winding = self._with_caps(queried.points, queried.winding)
        return replace(queried, nearest=nearest, winding=winding)

    def _with_caps(self, points: Any, winding: Any) -> Any:
        """Winding numbers (N,) of the shell and its caps at points (N,), from the shell's (N,)."""
        if self.cap_winding is None:
            return winding
        total = winding.numpy() + self.cap_winding.summed(points).numpy()
        return wp.array(total, dtype=float, device=self.device)

    def _skip_interior(self, points: Any, nearest: Any) -> None:
        """Search again where an interior face is nearest: it does not bound the distance.

        Faces become rows of `exterior`.
        """
        if self.exterior is self.pieces:
            return
        # A point without a nearest face has face -1, which picks the appended element.
        rank = np.append(np.cumsum(self.shell.exterior) - 1, -1)
        is_exterior = np.append(self.shell.exterior, True)
        face = nearest.face.numpy()
        rows = np.flatnonzero(~is_exterior[face])
        nearest.face = wp.array(rank[face], dtype=int, device=self.device)
        some: Any = wp.array(points.numpy()[rows], dtype=wp.vec3, device=self.device)
        found = self.exterior.nearest(some)
        targets: Any = wp.array(rows, dtype=int, device=self.device)
        self._launch(nearest_kernels.replace_rows, [targets, found, nearest], len(rows))

    def _take_nearer_caps(self, points: Any, nearest: Any) -> None:
        """Replace nearest points where a cap is nearer."""
        assert self.caps is not None
        found = self.caps.nearest(points, nearest.distance)
        self._launch(nearest_kernels.keep_nearer, [found, nearest], len(points))

    def _launch(self, kernel: Any, inputs: list[Any], threads: int) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self.device)


@lru_cache(maxsize=2)
def _ordered_grid(resolution: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The Morton order (N,) of a grid's voxels, and their positions (N, 3) in it.

    Kept, because each mesh of a run has the same grid.
    """
    points = grid_points(resolution)
    order = morton_order(points)
    return order, points[order]

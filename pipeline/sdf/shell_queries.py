"""Queries against a shell: the nearest boundary point and the winding number at points."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.queries import nearest_kernels
from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.sdf.caps import Caps
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

    def in_order(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values (N, ...) of a Warp array, rearranged to the order of the points."""
        result = np.empty_like(values)
        result[self.order] = values
        return result


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

    def with_caps(self, caps: Caps) -> "ShellQueries":
        """The same trees, and one over caps."""
        return replace(self, caps=TriangleQueries(caps.vertices, caps.faces, self.device))

    def query(self, points: NDArray[np.float32]) -> QueriedPoints:
        """Query the nearest boundary point and the winding number at points (N, 3), cube frame."""
        order = morton_order(points)
        ordered: Any = wp.array(points[order], dtype=wp.vec3, device=self.device)
        nearest = self.pieces.nearest(ordered)
        face_distance = wp.clone(nearest.distance)
        self._skip_interior(ordered, nearest)
        winding = self.shell.winding.continued(ordered, face_distance)
        if self.caps is not None:
            self._take_nearer_caps(ordered, nearest)
        return QueriedPoints(order, ordered, nearest, face_distance, winding)

    def add_caps(self, queried: QueriedPoints) -> QueriedPoints:
        """Results at the same points with the caps: only these are searched."""
        nearest: Any = nearest_kernels.NearestPoints()
        for name in ("face", "distance", "closest", "weights"):
            setattr(nearest, name, wp.clone(getattr(queried.nearest, name)))
        self._take_nearer_caps(queried.points, nearest)
        return replace(queried, nearest=nearest)

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
        """Replace nearest points where a cap is nearer; caps do not change winding numbers."""
        assert self.caps is not None
        found = self.caps.nearest(points, nearest.distance)
        self._launch(nearest_kernels.keep_nearer, [found, nearest], len(points))

    def _launch(self, kernel: Any, inputs: list[Any], threads: int) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self.device)

"""Exact signed distances to a shell: the nearest triangle's distance, the winding number's sign."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest
from shapegan.pipeline.queries import nearest_kernels
from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.schema import grid_points
from shapegan.pipeline.sdf import signed_distance_kernels
from shapegan.pipeline.sdf.caps import find_lids
from shapegan.pipeline.sdf.sampling import points_on_faces
from shapegan.pipeline.shell.build import Shell
from shapegan.pipeline.shell.wall_thickness import carried_over, wall_depths

ON_SURFACE = 1e-4
"""Nearer to a face than this, a winding number may be either side's, cube frame."""


class SignedDistance:
    """The signed distance field of a shell, cube frame."""

    def __init__(self, shell: Shell, sheet_thickness: float, device: str = "cpu") -> None:
        """Builds the trees.

        Args:
            shell: from `shapegan.pipeline.shell.build.build_shell`.
            sheet_thickness: half the thickness sheets are given; 0 leaves them out.
            device: Warp's name of it.
        """
        self.device = device
        self.thickness = sheet_thickness
        self.thin_faces, self.lid_faces = 0, 0
        self.sheet_faces = len(shell.sheets) if sheet_thickness > 0 else 0
        self._shell = shell
        self._solid = TriangleQueries(shell.vertices, shell.pieces, device)
        self._outer = self._solid
        if not shell.outer.all():
            self._outer = TriangleQueries(shell.vertices, shell.pieces[shell.outer], device)
        self._lids: TriangleQueries | None = None
        self._finest: _Asked | None = None
        self._answered: NDArray[np.float32] | None = None
        even = np.full(len(shell.vertices), self.thickness, np.float32)
        self._sheets = self._thick(shell.sheets[: self.sheet_faces], even)
        self._walls = self._thick(shell.pieces[:0], np.zeros_like(even))

    def _thick(self, faces: NDArray[np.int32], swell: NDArray[np.float32]) -> "_Thick":
        surface = TriangleQueries(self._shell.vertices, faces, self.device)
        most = float(swell.max(initial=0))
        return _Thick(surface, wp.array(swell, dtype=float, device=self.device), most)

    def thicken_walls(self, thickness: float) -> None:
        """Lets solid walls and rods grow until they are twice this thick, cube frame."""
        shell = self._shell
        lack = np.clip(thickness - self._depths / 2, 0, None).astype(np.float32)
        lack = carried_over(shell, lack)
        thin = shell.pieces[shell.outer & (largest(lack[shell.pieces]) > 0)]
        self._walls = self._thick(thin, lack)
        self.thin_faces = len(thin)
        self._answered = None

    @functools.cached_property
    def _depths(self) -> NDArray[np.float32]:
        """How thick the walls are at each vertex: (V,)."""
        return wall_depths(self._shell, self.device)

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their nearest surface points (N, 3).

        For a point in a sheet's thickness, that is on the side that it lies nearer to.
        """
        return self._answer(self._ask(points))

    def prepare(self, resolution: int) -> NDArray[np.float32]:
        """Asks at a grid, and closes the openings that it shows.

        Returns:
            What `voxels` gives from now on.
        """
        shape = (resolution,) * 3
        self._finest, self._answered = self._ask(grid_points(resolution)), None
        on_surface = self._finest.clearance.numpy() < ON_SURFACE
        winding = np.where(on_surface, np.nan, self._finest.winding.numpy())
        voxels = self.voxels(resolution)
        lids = find_lids(voxels, self._finest.in_order(winding).reshape(shape))
        if len(lids[1]):
            self._lids, self.lid_faces = TriangleQueries(*lids, self.device), len(lids[1])
            self._bring_lids(self._finest)
            self._answered = None
        return self.voxels(resolution)

    def voxels(self, resolution: int) -> NDArray[np.float32]:
        """Signed distances (R, R, R) at the grid of `shapegan.pipeline.schema.grid_points`."""
        shape = (resolution,) * 3
        asked = self._finest
        if asked is None or len(asked.points) != resolution**3:
            return self._answer(self._ask(grid_points(resolution)))[0].reshape(shape)
        if self._answered is None:
            self._answered = self._answer(asked)[0].reshape(shape)
        return self._answered.copy()

    def _ask(self, points: NDArray[np.float32]) -> "_Asked":
        """Finds what is nearest, and the winding numbers."""
        order = morton_order(points)
        queries: Any = wp.array(points[order], dtype=wp.vec3, device=self.device)
        nearest = self._solid.nearest(queries)
        clearance = wp.clone(nearest.distance)
        self._pass_over_hidden(queries, nearest)
        winding = self._shell.winding.continued(queries, clearance)
        asked = _Asked(order, queries, nearest, clearance, winding)
        self._bring_lids(asked)
        return asked

    def _pass_over_hidden(self, points: Any, nearest: Any) -> None:
        """Hidden faces count for the winding number, but not for the distance."""
        if self._outer is self._solid:
            return
        outer = np.flatnonzero(self._shell.outer)
        # What is nowhere, as -1, is the last one's.
        rows = np.flatnonzero(~np.append(self._shell.outer, True)[nearest.face.numpy()])
        asked: Any = wp.array(points.numpy()[rows], dtype=wp.vec3, device=self.device)
        others = self._outer.nearest(asked)
        face = np.append(outer, -1)[others.face.numpy()]
        others.face = wp.array(face, dtype=int, device=self.device)
        which: Any = wp.array(rows, dtype=int, device=self.device)
        self._launch(nearest_kernels.put, [which, others, nearest], len(rows))

    def _bring_lids(self, asked: "_Asked") -> None:
        """Lids bound distances, but do not count for the winding number."""
        if self._lids is not None:
            lids = self._lids.nearest(asked.points, asked.nearest.distance)
            self._launch(nearest_kernels.put_nearer, [lids, asked.nearest], len(asked.points))

    def _answer(self, asked: "_Asked") -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Gives the nearest distance its sign, and thickens what is to be thick."""
        count, points = len(asked.points), asked.points
        sdf: Any = wp.empty(count, dtype=float, device=self.device)
        reach: Any = wp.empty(count, dtype=float, device=self.device)
        closest: Any = wp.empty(count, dtype=wp.vec3, device=self.device)
        # Sheets come first, since they are as thick everywhere.
        thick = [each for each in (self._sheets, self._walls) if len(each.surface.faces)]
        most = [*(each.most for each in thick), 0.0]
        inputs = [points, asked.nearest, asked.winding, self._solid.faces, self._walls.swell]
        self._launch(signed_distance_kernels.sign, [*inputs, most[0], sdf, closest, reach], count)
        for each, later in zip(thick, most[1:], strict=True):
            surface = each.surface
            inputs = [points, surface.nearest(points, reach), surface.vertices, surface.faces]
            inputs += [each.swell, later, sdf, closest, reach]
            self._launch(signed_distance_kernels.thicken, inputs, count)
        return asked.in_order(sdf.numpy()), asked.in_order(closest.numpy())

    def _launch(self, kernel: Any, inputs: list[Any], threads: int) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self.device)

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Points (count, 3) on the outer faces and on both sides of the sheets, by area."""
        faces = self._shell.pieces[self._shell.outer]
        if self.thickness > 0:
            faces = np.concatenate([faces, self._shell.sheets, self._shell.sheets[:, ::-1]])
        points, normal, face = points_on_faces(self._shell.vertices, faces, count, rng)
        on_sheet = face >= self._shell.outer.sum()
        lift = np.where(on_sheet, self.thickness, 0.0).astype(np.float32)
        return points + lift[:, None] * normal


@dataclass(frozen=True)
class _Thick:
    """What is thickened."""

    surface: TriangleQueries
    swell: Any
    """(V,), by how much at each vertex."""
    most: float
    """The largest of these."""


@dataclass(frozen=True)
class _Asked:
    """What there is to know of points before thickness comes in."""

    order: NDArray[np.intp]
    """(N,), which point is which."""
    points: Any
    nearest: Any
    """As `shapegan.pipeline.queries.nearest` gives it, of what bounds the inside; -1 for lids."""
    clearance: Any
    """(N,), how far the nearest face is, hidden ones included."""
    winding: Any
    """(N,)."""

    def in_order(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Puts values (N, ...) into the order in which the points came."""
        back = np.empty_like(values)
        back[self.order] = values
        return back

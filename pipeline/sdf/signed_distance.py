"""Signed distances to a shell: distance to the nearest face, sign by winding number, thickening.

Let P be the points of the exterior faces and caps, S those of the sheets, and o(p) >= 0 the offset
by which the surface grows at p: the sheet thickness on S, the offset of thin parts on the exterior,
0 on caps. The thickness of sheets may be 0: their distance is then unsigned. With

    outer(x) = min over p in P and S of |x - p| - o(p)
    inner(x) = - min over p in P of |x - p| + o(p)

the field is outer(x) outside, and min(outer(x), inner(x)) inside. Both are Lipschitz with constant
1, whatever the offsets, since each |x - p| is. So is the field: the way from a point a outside to a
point b inside passes a p in P, where outer(a) <= |a - p| - o(p) and inner(b) >= -|b - p| - o(p), so
outer(a) - inner(b) <= |a - b|. Without offsets the field is the exact signed distance. Inside a
thickened part, the depth counts its offset: no way out is shorter.
"""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest
from shapegan.pipeline.queries.nearest_weighted import WeightedQueries
from shapegan.pipeline.schema import grid_points
from shapegan.pipeline.sdf import signed_distance_kernels as kernels
from shapegan.pipeline.sdf.sampling import points_on_faces
from shapegan.pipeline.sdf.sharp_edges import SharpEdges, find_sharp_edges
from shapegan.pipeline.sdf.shell_queries import QueriedPoints, ShellQueries
from shapegan.pipeline.shell.wall_thickness import ThinParts


@dataclass(frozen=True)
class SignedDistance:
    """The signed distance field of a shell, cube frame; negative inside.

    The distance is that to the nearest exterior face or cap (Ericson 2005, "Real-time collision
    detection", section 5.1.5). A point is inside where the winding number exceeds 0.5 (Jacobson et
    al. 2013, "Robust inside-outside segmentation using generalized winding numbers"). Sheets and
    thin parts then grow, by the formula at the top of this module.
    """

    queries: ShellQueries
    sheet_thickness: float
    """Half the thickness that sheets get, cube frame. With 0 they have no inside: the field is the
    minimum of the solid's signed distance and the unsigned distance to the sheets."""
    thin_parts: ThinParts | None = None
    """Parts of the solid that grow, too."""
    _growing: "_Growing | None" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Move offsets to the device."""
        growing = None
        if self.thin_parts is not None and len(self.thin_parts.faces):
            growing = _Growing.of(self.queries, self.thin_parts)
        object.__setattr__(self, "_growing", growing)

    def __reduce__(self) -> Any:
        """Pickle what the field was made from; its device arrays are made again."""
        made_from = [getattr(self, one.name) for one in fields(self) if one.init]
        return type(self), tuple(made_from)

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their nearest surface points (N, 3).

        The surface point of a point within a sheet's thickness is on the nearer side of the sheet.
        """
        return self.evaluate(self.queries.query(points))

    def voxels(self, resolution: int) -> NDArray[np.float32]:
        """Signed distances (R, R, R) at the grid of `shapegan.pipeline.schema.grid_points`."""
        sdf = self.distances(self.queries.query(grid_points(resolution)))
        return sdf.reshape((resolution,) * 3)

    def evaluate(self, queried: QueriedPoints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances and closest points (see `signed_distances`) from a query's results."""
        sdf, closest = self._evaluate(queried)
        return queried.in_order(sdf.numpy()), queried.in_order(closest.numpy())

    def distances(self, queried: QueriedPoints) -> NDArray[np.float32]:
        """Signed distances (N,) alone from a query's results."""
        return queried.in_order(self._evaluate(queried)[0].numpy())

    def _evaluate(self, queried: QueriedPoints) -> tuple[Any, Any]:
        """Signed distances (N,) and closest points (N,), Warp arrays in the query's order."""
        count = len(queried.points)
        sdf: Any = wp.empty(count, dtype=float, device=self.queries.device)
        closest: Any = wp.empty(count, dtype=wp.vec3, device=self.queries.device)
        self._launch(kernels.sign, queried, [queried.nearest, queried.winding, sdf, closest])
        if self._growing is not None:
            self._deepen(self._growing, queried, sdf, closest)
        if len(self.queries.shell.sheets):
            self._thicken_sheets(queried, sdf, closest)
        if self._growing is not None:
            self._grow(self._growing, queried, sdf, closest)
        return sdf, closest

    def _deepen(self, growing: "_Growing", queried: QueriedPoints, sdf: Any, closest: Any) -> None:
        """Replace the field inside by `inner`, where the nearest face grows."""
        limit, face = self._starts(queried)
        inputs = [queried.nearest, self.queries.exterior.faces, growing.offset, sdf, limit, face]
        self._launch(kernels.limit_depth, queried, inputs)
        found = growing.exterior.nearest(queried.points, limit, face)
        self._launch(kernels.deepen, queried, [queried.points, found, limit, sdf, closest])
        if self.queries.caps is not None:
            caps = self.queries.caps.nearest(queried.points, limit)
            self._launch(kernels.take_nearer_cap, queried, [caps, limit, sdf, closest])

    def _thicken_sheets(self, queried: QueriedPoints, sdf: Any, closest: Any) -> None:
        """Take the minimum with `outer` of the sheets, whose offset is the same everywhere."""
        sheets = self.queries.sheets
        limit: Any = wp.empty(len(queried.points), dtype=float, device=self.queries.device)
        self._launch(kernels.raise_limit, queried, [self.sheet_thickness, sdf, limit])
        found = sheets.nearest(queried.points, limit)
        inputs = [
            queried.points,
            sheets.vertices,
            sheets.faces,
            found.face,
            found.distance,
            found.closest,
        ]
        even: Any = wp.full(
            len(queried.points), self.sheet_thickness, dtype=float, device=self.queries.device
        )
        self._launch(kernels.thicken, queried, [*inputs, even, sdf, closest])

    def _grow(self, growing: "_Growing", queried: QueriedPoints, sdf: Any, closest: Any) -> None:
        """Take the minimum with `outer` of the faces that grow."""
        exterior = self.queries.exterior
        limit, face = self._starts(queried)
        inputs = [queried.nearest, growing.grows, exterior.faces, growing.offset, sdf, limit, face]
        self._launch(kernels.limit_growth, queried, inputs)
        found = growing.outwards.nearest(queried.points, limit, face)
        inputs = [
            queried.points,
            exterior.vertices,
            exterior.faces,
            found.face,
            found.distance,
            found.closest,
        ]
        self._launch(kernels.thicken, queried, [*inputs, found.weight, sdf, closest])

    def _starts(self, queried: QueriedPoints) -> tuple[Any, Any]:
        """Arrays (N,) for the limits and the faces from which a weighted query starts."""
        count, device = len(queried.points), self.queries.device
        limit: Any = wp.empty(count, dtype=float, device=device)
        face: Any = wp.empty(count, dtype=int, device=device)
        return limit, face

    def _launch(self, kernel: Any, queried: QueriedPoints, inputs: list[Any]) -> None:
        wp.launch(kernel, dim=len(queried.points), inputs=inputs, device=self.queries.device)

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Points (count, 3) on the exterior faces and on both sides of the sheets, by area."""
        return self.surface_samples(count, rng)[0]

    def surface_samples(
        self, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points of `surface_points` (count, 3), and outward unit normals of their faces."""
        shell = self.queries.shell
        exterior = shell.pieces[shell.exterior]
        faces = np.concatenate([exterior, shell.sheets, shell.sheets[:, ::-1]])
        points, normal, face = points_on_faces(shell.vertices, faces, count, rng)
        on_sheet = face >= shell.exterior.sum()
        offset = np.where(on_sheet, self.sheet_thickness, 0.0).astype(np.float32)
        return points + offset[:, None] * normal, normal

    def sharp_edges(self, angle: float) -> SharpEdges:
        """Edges of the exterior faces at which the surface turns by more than `angle` degrees."""
        shell = self.queries.shell
        return find_sharp_edges(shell.vertices, shell.pieces[shell.exterior], angle)


@dataclass(frozen=True)
class _Growing:
    """Exterior faces with offsets."""

    offset: Any
    """(V,) Warp floats, the offset at each vertex."""
    grows: Any
    """(F,) Warp booleans, which exterior faces grow."""
    outwards: WeightedQueries
    """For `outer`: the faces that grow, with the offsets."""
    exterior: WeightedQueries
    """For `inner`: all exterior faces with the offsets, negative."""

    @classmethod
    def of(cls, queries: ShellQueries, parts: ThinParts) -> "_Growing":
        device, offset, exterior = queries.device, parts.offset, queries.exterior
        grows = largest(offset[exterior.faces.numpy()]) > 0
        return cls(
            wp.array(offset, dtype=float, device=device),
            wp.array(grows, dtype=wp.bool, device=device),
            WeightedQueries(exterior, offset, grows),
            WeightedQueries(exterior, -offset),
        )

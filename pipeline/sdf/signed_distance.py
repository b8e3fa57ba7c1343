"""Exact signed distances to a shell: distance to the nearest face, sign by winding number."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.schema import grid_points
from shapegan.pipeline.sdf import signed_distance_kernels as kernels
from shapegan.pipeline.sdf.sampling import points_on_faces
from shapegan.pipeline.sdf.shell_queries import QueriedPoints, ShellQueries
from shapegan.pipeline.shell.wall_thickness import ThinParts


@dataclass(frozen=True)
class SignedDistance:
    """The signed distance field of a shell, cube frame; negative inside.

    The distance is that to the nearest exterior face or cap (Ericson 2005, "Real-time collision
    detection", section 5.1.5). A point is inside where the winding number exceeds 0.5 (Jacobson et
    al. 2013, "Robust inside-outside segmentation using generalized winding numbers"). Sheets and
    thin parts then grow: sdf = min(sdf, distance to the face - offset), over all of them, so that
    the field stays Lipschitz.
    """

    queries: ShellQueries
    sheet_thickness: float
    """Half the thickness that sheets get, cube frame; 0 leaves them out."""
    thin_parts: ThinParts | None = None
    """Parts of the solid that grow, too."""
    _layers: tuple["_Layer", ...] = field(init=False, repr=False)
    _solid_offset: Any = field(init=False, repr=False)
    """(V,) Warp floats, the offset of the solid's surface at each vertex."""

    def __post_init__(self) -> None:
        """Move offsets to the device."""
        shell, device = self.queries.shell, self.queries.device
        layers, solid_offset = [], np.zeros(len(shell.vertices), np.float32)
        # Sheets come first, since their offset is the same everywhere.
        if self.sheet_thickness > 0 and len(shell.sheets):
            even = np.full(len(shell.vertices), self.sheet_thickness, np.float32)
            layers.append(_Layer.of(self.queries.sheets, even, device))
        if self.thin_parts is not None and len(self.thin_parts.faces):
            solid_offset = self.thin_parts.offset
            surface = TriangleQueries(shell.vertices, self.thin_parts.faces, device)
            layers.append(_Layer.of(surface, solid_offset, device))
        object.__setattr__(self, "_layers", tuple(layers))
        on_device: Any = wp.array(solid_offset, dtype=float, device=device)
        object.__setattr__(self, "_solid_offset", on_device)

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
        sdf, _ = self.signed_distances(grid_points(resolution))
        return sdf.reshape((resolution,) * 3)

    def evaluate(self, queried: QueriedPoints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances and closest points (see `signed_distances`) from a query's results."""
        count, points, device = len(queried.points), queried.points, self.queries.device
        sdf: Any = wp.empty(count, dtype=float, device=device)
        search_limit: Any = wp.empty(count, dtype=float, device=device)
        closest: Any = wp.empty(count, dtype=wp.vec3, device=device)
        limits = [*(layer.limit for layer in self._layers), 0.0]

        # 1. Give the distance its sign.
        inputs = [points, queried.nearest, queried.winding, self.queries.pieces.faces]
        inputs += [self._solid_offset, limits[0], sdf, closest, search_limit]
        wp.launch(kernels.sign, dim=count, inputs=inputs, device=device)

        # 2. Take the minimum with the distance to each thickened surface.
        for layer, next_limit in zip(self._layers, limits[1:], strict=True):
            surface = layer.surface
            inputs = [points, surface.nearest(points, search_limit)]
            inputs += [surface.vertices, surface.faces, layer.offset]
            inputs += [next_limit, sdf, closest, search_limit]
            wp.launch(kernels.thicken, dim=count, inputs=inputs, device=device)
        return queried.in_order(sdf.numpy()), queried.in_order(closest.numpy())

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Points (count, 3) on the exterior faces and on both sides of the sheets, by area."""
        shell = self.queries.shell
        faces = shell.pieces[shell.exterior]
        if self.sheet_thickness > 0:
            faces = np.concatenate([faces, shell.sheets, shell.sheets[:, ::-1]])
        points, normal, face = points_on_faces(shell.vertices, faces, count, rng)
        on_sheet = face >= shell.exterior.sum()
        offset = np.where(on_sheet, self.sheet_thickness, 0.0).astype(np.float32)
        return points + offset[:, None] * normal


@dataclass(frozen=True)
class _Layer:
    """Faces that grow to both sides."""

    surface: TriangleQueries
    offset: Any
    """(V,) Warp floats, the distance by which faces grow at each vertex."""
    limit: float
    """The largest offset."""

    @classmethod
    def of(cls, surface: TriangleQueries, offset: NDArray[np.float32], device: str) -> "_Layer":
        on_device: Any = wp.array(offset, dtype=float, device=device)
        return cls(surface, on_device, float(offset.max(initial=0)))

"""The surface of a mesh's solid: a closed 2-manifold without hidden faces."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from shapegan.pipeline.config import least_half_thickness
from shapegan.pipeline.contouring.contour import contour
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.sdf.flood_fill import FloodedDistance
from shapegan.pipeline.sdf.mesh_field import ROD_FACTOR, MeshField
from shapegan.pipeline.sdf.quality import MIN_RECALL
from shapegan.pipeline.sdf.sampling import SignedDistanceField
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.sdf.voids import fill_voids
from shapegan.pipeline.shell.wall_thickness import local_thickness, thicken_thin_parts


@dataclass(frozen=True)
class SolidSurface:
    """The surface of a solid, and its agreement with the mesh."""

    mesh: TriangleMesh
    """The surface in the coordinates of the original mesh; no faces if nothing is inside."""
    recall: float
    """Share of the original's visible surface that lies within a cell of it or, if that is larger,
    within half a cell of the thickened surface."""

    def rejection_reason(self) -> str:
        """One line on why the surface cannot be used; empty if it can."""
        if not len(self.mesh.faces):
            return "nothing inside: no point of the grid has a negative distance"
        if self.recall < MIN_RECALL:
            return f"lost surface: only {self.recall:.1%} of it is in the result"
        return ""


def solid_surface(
    made: MeshField, resolution: int, contouring: str, sheet_thickness: float | None = None
) -> SolidSurface:
    """Extract the surface of a mesh's solid.

    Closed voids are filled unless the field keeps the cavities of its mesh.

    Args:
        made: the mesh's field.
        resolution: cells along the mesh's longest side.
        contouring: one of `shapegan.pipeline.config.CONTOURINGS`.
        sheet_thickness: half the thickness of sheets, cube frame, which thin parts get as well; see
            `with_thickness`. None keeps those of the field.
    """
    field: SignedDistanceField = made.field
    if sheet_thickness is not None:
        field = with_thickness(field, sheet_thickness, resolution)
    reach = 1.0 + ROD_FACTOR * thickness_of(field)
    vertices, faces = contour(field, resolution, reach, contouring)
    if not _keeps_cavities(field):
        vertices, faces = fill_voids(vertices, faces)
    recall = _recall(vertices, made.visible, resolution, thickness_of(field))
    frame = made.frame
    return SolidSurface(TriangleMesh(frame.center + frame.scale_cube * vertices, faces), recall)


def _keeps_cavities(field: SignedDistanceField) -> bool:
    return isinstance(field, SignedDistance) and field.queries.shell.cavities


def thickness_of(field: SignedDistanceField) -> float:
    """Half the thickness that sheets have in a field, cube frame."""
    if isinstance(field, SignedDistance):
        return field.sheet_thickness
    return field.thickness if isinstance(field, FloodedDistance) else 0.0


def with_thickness(
    field: SignedDistanceField, sheet_thickness: float, resolution: int
) -> SignedDistanceField:
    """The same field with another thickness of sheets, for a grid of a resolution.

    Walls and rods that are thinner than the sheets, or than a cell's diagonal, get as thick; but no
    thicker than sheets times the square root of 2, so a thickness of 0 changes none.

    Args:
        field: a field of `shapegan.pipeline.sdf.mesh_field.make_field`; that of scans is returned
            as it is.
        sheet_thickness: half the thickness, cube frame.
        resolution: cells along the mesh's longest side.
    """
    if isinstance(field, FloodedDistance):
        return field.with_thickness(sheet_thickness)
    if not isinstance(field, SignedDistance):
        return field
    shell, thin = field.queries.shell, None
    if sheet_thickness > 0:
        wanted = max(sheet_thickness, ROD_FACTOR * least_half_thickness(resolution))
        wanted = min(wanted, ROD_FACTOR * sheet_thickness)
        thickness = local_thickness(shell, field.queries.exterior)
        thin = thicken_thin_parts(shell, thickness, wanted)
    return replace(field, sheet_thickness=sheet_thickness, thin_parts=thin)


def _recall(
    vertices: NDArray[np.float64],
    visible: NDArray[np.float32],
    resolution: int,
    thickness: float,
) -> float:
    """Share of visible points (M, 3) near the vertices (V, 3), cube frame.

    A point of the surface is within a cell of the nearest vertex.
    """
    if not len(vertices) or not len(visible):
        return 0.0
    cell = 2 / resolution
    limit = cell + max(cell, thickness + cell / 2)
    tree = cKDTree(vertices, balanced_tree=False, compact_nodes=False)  # quicker to build
    distance, _ = tree.query(visible, distance_upper_bound=limit)
    return float(np.isfinite(distance).mean())

"""Signed distance field of one mesh, by the method of choice, and its quality."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.config import CAVITIES, METHODS, SCAN_SIGNS, TRUNCATED_FROM
from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.triangle_mesh import Frame, TriangleMesh, frame_of
from shapegan.pipeline.schema import MAX_COARSE_RESOLUTION, voxel_spacing
from shapegan.pipeline.sdf.caps import find_caps, join_to_surface, limit_jumps, square_caps
from shapegan.pipeline.sdf.coarse_field import CoarseFields
from shapegan.pipeline.sdf.flood_fill import FloodedDistance
from shapegan.pipeline.sdf.quality import (
    MAX_EXCESS,
    Quality,
    lipschitz_excess,
    measure,
    unbacked,
    voxels_beside,
)
from shapegan.pipeline.sdf.sampling import SignedDistanceField
from shapegan.pipeline.sdf.scan import CUBE_RADIUS, ScannedSurface
from shapegan.pipeline.sdf.shell_queries import QueriedPoints, ShellQueries
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.sdf.surface_sets import OrientedField
from shapegan.pipeline.sdf.truncated_voxels import truncated_voxels
from shapegan.pipeline.shell.build import Shell, build_shell
from shapegan.pipeline.shell.wall_thickness import local_thickness, thicken_thin_parts

QUALITY_RESOLUTION = 64
"""Resolution of the voxel grid that quality is measured on, whatever resolutions are stored."""

THICKEN_BELOW = 0.98
"""Thin parts are thickened where a smaller share of the visible surface is backed
(`shapegan.pipeline.sdf.quality.Quality.backed`)."""

ROD_FACTOR = 2**0.5
"""A wall as thick as a voxel always contains grid points. A rod half-way between four voxels must
be as thick as their diagonal."""


@dataclass(frozen=True)
class MeshField:
    """The signed distance field of a mesh, with what was measured of it."""

    frame: Frame
    field: OrientedField | ScannedSurface
    """For voxels."""
    ball_field: SignedDistanceField
    """For points of the unit ball of the sphere frame. Differs from `field` for `scan` alone, which
    scans the mesh twice. In cube frame coordinates like `field`."""
    method: str
    """The method, spelt as in `shapegan.pipeline.schema.MeshReport`."""
    quality: Quality
    grid: NDArray[np.float32]
    """(64, 64, 64), the voxels of `field` that `quality` was measured on, cube frame."""
    visible: NDArray[np.float32]
    """(M, 3), points spread evenly over the visible surface of the mesh, cube frame."""
    thickness: NDArray[np.float32] | None = None
    """(V,), the wall thickness at the vertices of the shell, if thin parts were looked for."""

    @property
    def oriented(self) -> OrientedField:
        """`field` as one with a surface of faces.

        Raises:
            ValueError: the method is `scan`, whose surface has no faces.
        """
        if isinstance(self.field, ScannedSurface):
            raise ValueError("the method scan has no faces to take points and normals from")
        return self.field

    def voxels(
        self, resolution: int, coarse: CoarseFields | None = None, truncation: float = 0.0
    ) -> NDArray[np.float32]:
        """Signed distances on a grid; 64^3 voxels of `field` are a copy of `grid`.

        Jumps of the sign that a grid finds between the voxels of `grid` are limited
        (`shapegan.pipeline.sdf.caps.limit_jumps`), but for `scan`.

        Args:
            resolution: R.
            coarse: From `coarse_fields`, whose fields a grid of up to 32^3 takes; None: all grids
                are of `field`.
            truncation: clip distances of grids of `TRUNCATED_FROM` and finer to this, cube frame.
                Voxels farther away are not evaluated. 0 clips none.

        Returns:
            (R, R, R), cube frame.
        """
        if coarse is not None and resolution <= MAX_COARSE_RESOLUTION:
            return limit_jumps(coarse.of(resolution).voxels(resolution))
        if resolution == len(self.grid):
            return self.grid.copy()
        if truncation and resolution >= TRUNCATED_FROM:
            voxels = truncated_voxels(self.field, resolution, truncation)
        else:
            voxels = self.field.voxels(resolution)
        return voxels if self.method == "scan" else limit_jumps(voxels)

    def coarse_fields(self) -> CoarseFields | None:
        """Fields that keep thin parts on coarse grids.

        None for `scan` and for a flood fill, which have no shell whose thickness is known.
        """
        if not isinstance(self.field, SignedDistance):
            return None
        return CoarseFields(self.field, self.thickness)


def make_field(
    mesh: TriangleMesh,
    sheet_thickness: float,
    method: str = "winding",
    device: str = "cpu",
    cavities: str = "keep",
    signs: str = "depth",
) -> MeshField:
    """Compute the field of a mesh.

    Args:
        mesh: as loaded.
        sheet_thickness: half the thickness that sheets and thin parts get, cube frame.
        method: one of `shapegan.pipeline.config.METHODS`. `winding` falls back on a flood fill if
            the field by winding numbers is rejected and the flooded one is not.
        device: Warp's name of the device for all queries.
        cavities: one of `shapegan.pipeline.config.CAVITIES`; `scan` fills all, whatever is given.
        signs: one of `shapegan.pipeline.config.SCAN_SIGNS`, for `scan` alone.

    Raises:
        BadMeshError: no usable face is left after cleaning.
        NoOpenGLError: the method needs OpenGL, which is missing.
        ValueError: unknown method, or unknown value of `cavities` or `signs`.
    """
    _check("method", method, METHODS)
    _check("cavities", cavities, CAVITIES)
    _check("signs", signs, SCAN_SIGNS)
    if method == "scan":
        return _scanned(mesh, signs)
    mesh = clean(mesh)
    frame = frame_of(mesh.vertices)
    cube = (mesh.vertices - frame.center) / frame.scale_cube
    shell = build_shell(cube, mesh.faces, device, fill_cavities=cavities == "fill")
    made = _by_winding(shell, frame, sheet_thickness)
    if not made.quality.rejection_reason() or sheet_thickness == 0:
        return made
    flooded = _by_flood(cube, mesh.faces, shell, frame, sheet_thickness)
    return made if flooded.quality.rejection_reason() else flooded


def _by_flood(
    cube: NDArray[np.float64],
    faces: NDArray[np.int32],
    shell: Shell,
    frame: Frame,
    sheet_thickness: float,
) -> MeshField:
    """The field by a flood from outside; see `shapegan.pipeline.sdf.flood_fill`."""
    flooded = FloodedDistance(cube, faces, sheet_thickness, shell.device)
    grid = flooded.voxels(QUALITY_RESOLUTION)
    quality = measure(grid, shell.visible, sheet_thickness)
    squares = square_caps(grid)
    if len(squares.faces):
        flooded = flooded.with_caps(squares)
        grid = limit_jumps(flooded.voxels(QUALITY_RESOLUTION))
        quality = replace(quality, lipschitz=lipschitz_excess(grid))
    return MeshField(frame, flooded, flooded, "flood", quality, grid, shell.visible)


def _check(name: str, value: str, takes: tuple[str, ...]) -> None:
    if value not in takes:
        raise ValueError(f"{name}: got {value!r}, takes {' or '.join(takes)}")


def _by_winding(shell: Shell, frame: Frame, sheet_thickness: float) -> MeshField:
    """Signed distances to the shell, with caps and thickened parts where the shell needs them."""
    # 1. Query the grid; caps and thickness below reuse the results.
    queries = ShellQueries.of(shell)
    queried = uncapped = queries.query_grid(QUALITY_RESOLUTION)
    field = SignedDistance(queries, sheet_thickness)
    grid = _grid(field, queried)

    # 2. Cap the openings where the sign flips away from any face.
    caps = find_caps(grid, _as_grid(queried.winding_numbers()))
    if len(caps.faces):
        spacing = voxel_spacing(QUALITY_RESOLUTION)
        caps = join_to_surface(caps, queries.nearest_boundary, spacing)
        queries = queries.with_caps(caps)
        queried = queries.add_caps(queried)
        field = SignedDistance(queries, sheet_thickness)
        grid = _grid(field, queried)
    quality = measure(grid, shell.visible, sheet_thickness)

    # 3. Thicken thin parts where the grid loses them.
    thickness = None
    if quality.backed < THICKEN_BELOW and sheet_thickness > 0:
        thickness = local_thickness(shell, queries.exterior)
        field, grid, quality = _thickened(field, queried, grid, thickness)

    # 4. Cap every voxel edge at which the sign still flips in mid-air.
    squares = square_caps(grid)
    if len(squares.faces):
        queries = queries.with_caps(caps, squares)
        field = SignedDistance(queries, sheet_thickness, field.thin_parts)
        grid = limit_jumps(_grid(field, queries.add_caps(uncapped)))
        quality = replace(quality, lipschitz=lipschitz_excess(grid))
    return MeshField(frame, field, field, _method(field), quality, grid, shell.visible, thickness)


def _thickened(
    field: SignedDistance,
    queried: QueriedPoints,
    grid: NDArray[np.float32],
    thickness: NDArray[np.float32],
) -> tuple[SignedDistance, NDArray[np.float32], Quality]:
    """Thicken the thin parts of a field, and once more if that does not suffice.

    Args:
        field: a field without thickened parts.
        queried: results at the grid that quality is measured on.
        grid: (64, 64, 64), the field there.
        thickness: (V,), from `local_thickness`.

    Returns:
        The thickened field, its grid, and its quality.
    """
    shell, half_thickness = field.queries.shell, field.sheet_thickness
    # Growth lowers the field, but for rounding: points that are backed stay so. Only voxels beside
    # the others are read.
    doubtful = unbacked(grid, shell.visible, MAX_EXCESS)
    beside = voxels_beside(doubtful, QUALITY_RESOLUTION)
    for factor in (1.0, ROD_FACTOR):
        thin = thicken_thin_parts(shell, thickness, factor * half_thickness)
        field = SignedDistance(field.queries, half_thickness, thin)
        if factor < ROD_FACTOR:
            partly_grown = grid.copy()
            partly_grown[beside] = field.distances(queried.chosen(beside.ravel()))
            lost = len(unbacked(partly_grown, doubtful))
            total = len(shell.visible)
            if (total - lost) / max(total, 1) >= THICKEN_BELOW:
                break
    grid = _grid(field, queried)
    return field, grid, measure(grid, shell.visible, half_thickness)


def _grid(field: SignedDistance, queried: QueriedPoints) -> NDArray[np.float32]:
    return _as_grid(field.distances(queried))


def _as_grid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.reshape((QUALITY_RESOLUTION,) * 3)


def _method(field: SignedDistance) -> str:
    """Name of the method for `MeshReport`, with what was added to the shell."""
    queries, thin = field.queries, field.thin_parts
    added = {
        "sheets": field.sheet_thickness > 0 and len(queries.shell.sheets) > 0,
        "thin": thin is not None and len(thin.faces) > 0,
        "caps": queries.caps is not None,
        "cavities": queries.shell.cavities,
    }
    return "+".join(["winding", *(name for name, present in added.items() if present)])


def _scanned(mesh: TriangleMesh, signs: str) -> MeshField:
    """The paper's method, which takes the mesh as it is, without cleaning."""
    frame = frame_of(mesh.vertices)
    cube = (mesh.vertices - frame.center) / frame.scale_cube
    field = ScannedSurface(cube, mesh.faces, CUBE_RADIUS, signs=signs)
    radius = frame.scale_sphere / frame.scale_cube
    ball_field = ScannedSurface(cube, mesh.faces, radius, signs=signs)
    visible = field.surface_points(8192, np.random.default_rng(0))
    grid = field.voxels(QUALITY_RESOLUTION)
    quality = measure(grid, visible)
    return MeshField(frame, field, ball_field, "scan", quality, grid, visible)

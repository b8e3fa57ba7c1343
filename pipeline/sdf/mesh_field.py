"""One mesh -> its signed distance field, by the method asked for, and how far it can be trusted."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.config import METHODS
from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.triangle_mesh import Frame, TriangleMesh, frame_of
from shapegan.pipeline.sdf.flood_fill import FloodedDistance
from shapegan.pipeline.sdf.quality import Quality, measure
from shapegan.pipeline.sdf.sampling import FieldProtocol
from shapegan.pipeline.sdf.scan import CUBE_RADIUS, ScannedSurface
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell.build import Shell, build_shell

JUDGED = 64
"""Resolution of the voxels that a field is judged by, whatever is stored."""

THICKEN_BELOW = 0.98
"""A shape of which less of the visible surface is backed gets its thin walls thickened."""

ROD = 2**0.5
"""What no grid misses as a wall, it may miss as a rod: one half-way between four voxels has to be
as thick as their diagonal."""


@dataclass(frozen=True)
class MeshField:
    """A mesh's field, and what is known of it."""

    frame: Frame
    field: FieldProtocol
    """For voxels; cube frame."""
    ball_field: FieldProtocol
    """For points of the ball: the same one, but for `scan`, which looks twice; cube frame."""
    method: str
    """As in `shapegan.pipeline.schema.MeshReport`."""
    quality: Quality
    visible: NDArray[np.float32]
    """(M, 3), points that the quality was measured at, cube frame."""


def make_field(
    mesh: TriangleMesh, sheet_thickness: float, method: str = "winding", device: str = "cpu"
) -> MeshField:
    """Finds the field of a mesh.

    Args:
        mesh: as loaded.
        sheet_thickness: half the thickness that sheets are given, cube frame.
        method: one of `shapegan.pipeline.config.METHODS`.
        device: Warp's name of it.

    Raises:
        BadMeshError: if nothing is left of it once it is clean.
        NoOpenGLError: if the method needs OpenGL and there is none.
        ValueError: for another method.
    """
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, takes {' or '.join(METHODS)}")
    if method == "scan":
        return _scan(mesh)
    mesh = clean(mesh)
    frame = frame_of(mesh.vertices)
    cube = (mesh.vertices - frame.center) / frame.scale_cube
    shell = build_shell(cube, mesh.faces, device)
    first = _by_winding(shell, frame, sheet_thickness, device)
    if not first.quality.rejection_reason() or sheet_thickness == 0:
        return first
    flooded = FloodedDistance(cube, mesh.faces, sheet_thickness, device)
    quality = measure(flooded.voxels(JUDGED), shell.visible, sheet_thickness)
    if quality.rejection_reason():
        return first
    return replace(first, field=flooded, ball_field=flooded, method="flood", quality=quality)


def _by_winding(shell: Shell, frame: Frame, sheet_thickness: float, device: str) -> MeshField:
    field = SignedDistance(shell, sheet_thickness, device)
    quality = measure(field.prepare(JUDGED), shell.visible, sheet_thickness)
    for thickness in (sheet_thickness, ROD * sheet_thickness):
        if quality.backed < THICKEN_BELOW and thickness > 0:
            field.thicken_walls(thickness)
            quality = measure(field.voxels(JUDGED), shell.visible, sheet_thickness)
    parts = {"sheets": field.sheet_faces, "walls": field.thin_faces, "lids": field.lid_faces}
    method = "+".join(["winding", *(name for name, faces in parts.items() if faces)])
    return MeshField(frame, field, field, method, quality, shell.visible)


def _scan(mesh: TriangleMesh) -> MeshField:
    """The paper's way takes the mesh as it is."""
    frame = frame_of(mesh.vertices)
    cube = (mesh.vertices - frame.center) / frame.scale_cube
    field = ScannedSurface(cube, mesh.faces, CUBE_RADIUS)
    ball_field = ScannedSurface(cube, mesh.faces, frame.scale_sphere / frame.scale_cube)
    visible = field.surface_points(8192, np.random.default_rng(0))
    quality = measure(field.voxels(JUDGED), visible)
    return MeshField(frame, field, ball_field, "scan", quality, visible)

"""Turn one mesh file into the file of its watertight surface: the unit of work of a run."""

import os
import time
from dataclasses import replace

from shapegan.pipeline.config import PreprocessConfig, WatertightConfig
from shapegan.pipeline.dataset.surfaces import SurfaceOutcome, SurfaceReport, surface_path
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError
from shapegan.pipeline.meshes.write import encode_mesh
from shapegan.pipeline.schema import Job
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.solid_surface import solid_surface

_JUDGING_THICKNESS = PreprocessConfig().sheet_thickness
"""Half the thickness of sheets in the field whose quality is judged: that of datasets, so that both
reject the same meshes."""
_LONGEST_NAME = 255
"""Bytes of a file's name that common file systems allow."""


def process(job: Job, config: WatertightConfig, device: str = "cpu") -> SurfaceOutcome:
    """Make the surface of one mesh, or a report with the reason why there is none.

    Bugs raise, too; the caller then records the mesh as `failed`.
    """
    started = time.process_time()
    report = SurfaceReport(job.id, job.category, job.relative, "failed")
    file = surface_path(job, config)
    if len(os.fsencode(file.rpartition("/")[2])) > _LONGEST_NAME:
        return SurfaceOutcome(replace(report, reason="the name of its file would be too long"))
    try:
        report, content = _surface(job, config, device, report)
    except BadMeshError as error:
        report, content = replace(report, reason=str(error)), None
    report = replace(report, seconds=time.process_time() - started)
    return SurfaceOutcome(report, content)


def _surface(
    job: Job, config: WatertightConfig, device: str, report: SurfaceReport
) -> tuple[SurfaceReport, bytes | None]:
    """Complete the report of a mesh, and encode its surface unless it is rejected.

    Raises:
        BadMeshError: the mesh cannot be used, or its surface cannot be stored in the format.
    """
    # 1. Read the mesh and compute its field.
    mesh = load(job.path)
    report = replace(report, faces=len(mesh.faces), notes="; ".join(mesh.notes))
    made = make_field(mesh, _JUDGING_THICKNESS, "winding", device, config.cavities)
    report = replace(report, method=made.method)
    if reason := made.quality.rejection_reason():
        return replace(report, status="rejected", reason=reason), None

    # 2. Extract the surface, and encode it.
    surface = solid_surface(made, config.resolution, config.contouring, config.half_thickness)
    report = replace(report, surface_recall=surface.recall)
    if reason := surface.rejection_reason():
        return replace(report, status="rejected", reason=reason), None
    content = encode_mesh(surface.mesh, config.format)
    report = replace(
        report,
        status="ok",
        file=surface_path(job, config),
        bytes=len(content),
        vertices=len(surface.mesh.vertices),
        triangles=len(surface.mesh.faces),
    )
    return report, content

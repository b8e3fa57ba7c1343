"""Process one mesh file into one shape: the unit of work of a run."""

import time
from dataclasses import replace

import numpy as np

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.shards import point_counts
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError
from shapegan.pipeline.schema import MAX_COARSE_RESOLUTION, Job, MeshReport, Outcome, Shape
from shapegan.pipeline.sdf.mesh_field import MeshField, make_field
from shapegan.pipeline.sdf.mixes import cube_sets, oriented_sets
from shapegan.pipeline.sdf.sampling import random_generator, sample_points
from shapegan.pipeline.sdf.scan import points_rejection, voxels_rejection


def process(job: Job, config: PreprocessConfig, device: str = "cpu") -> Outcome:
    """Make the record of one mesh, or a report with the reason why it cannot be used.

    Bugs raise, too; the caller then records the mesh as `failed`.

    Raises:
        NoOpenGLError: the method needs OpenGL, which is missing.
    """
    started = time.process_time()
    report = MeshReport(job.id, job.category, job.relative, "failed", split=job.split)
    try:
        # 1. Read the mesh and compute its field.
        mesh = load(job.path)
        report = replace(report, faces=len(mesh.faces), notes="; ".join(mesh.notes))
        made = make_field(
            mesh, config.sheet_thickness, config.method, device, config.cavities, config.signs
        )
    except BadMeshError as error:
        return Outcome(replace(report, reason=str(error)))
    report = replace(
        report,
        method=made.method,
        inside_fraction=made.quality.inside_fraction,
        surface_recall=made.quality.surface_recall,
    )

    # 2. Evaluate the field at all voxels and points, unless its quality is too low.
    shape = None
    reason = "" if config.method == "scan" else made.quality.rejection_reason()
    if not reason:
        try:
            shape = _evaluate(made, job, config)
            reason = _scan_rejection(shape) if config.method == "scan" else ""
        except BadMeshError as error:
            reason = str(error)
    report = replace(
        report,
        status="rejected" if reason else "ok",
        reason=reason,
        seconds=time.process_time() - started,
    )
    return Outcome(report, None if reason else shape)


def _evaluate(made: MeshField, job: Job, config: PreprocessConfig) -> Shape:
    """Evaluate a field at all voxels and points of the config."""
    frame, counts = made.frame, point_counts(config)
    coarse = None if config.thin_parts == "true" else made.coarse_fields()
    voxels = {
        r: made.voxels(r, coarse, config.truncation).astype(np.float16) for r in config.resolutions
    }
    field = made.ball_field
    if coarse is not None and config.thin_parts == "points":
        field = coarse.of(MAX_COARSE_RESOLUTION)
    rng = random_generator(config.seed, job.id)
    points = sample_points(field, frame, config.points, counts.get("cloud", 0), rng)
    points |= cube_sets(made.field, counts, config.seed, job.id)
    oriented = {}
    if config.on_surface_points or config.salient_points:
        angle = config.sharp_angle
        oriented = oriented_sets(made.oriented, counts, angle, config.seed, job.id)
    return Shape(
        job.id,
        job.category,
        voxels,
        points,
        frame.center,
        frame.scale_cube,
        frame.scale_sphere,
        oriented,
    )


def _scan_rejection(shape: Shape) -> str:
    """Reason to reject a scanned shape by the paper's own checks; empty if none."""
    reasons = [voxels_rejection(grid.astype(np.float32)) for grid in shape.voxels.values()]
    if "uniform" in shape.points:
        reasons.append(points_rejection(shape.points["uniform"].sdf.astype(np.float32)))
    return next(filter(None, reasons), "")

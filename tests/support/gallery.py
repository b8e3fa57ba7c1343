"""A small dataset of exact balls, with meshes that can be drawn."""

from pathlib import Path

import numpy as np
import trimesh

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.output import open_output, publish
from shapegan.pipeline.dataset.staging import finish_shard, write_staged
from shapegan.pipeline.schema import Job, MeshReport, Outcome, Shape, grid_points

CONFIG = PreprocessConfig(resolutions=(8, 16), points=0, shard_size=4)
RECALLS = (0.99, 0.85, 1.0, 0.97, 0.91, 0.999)
METHODS = ("winding", "winding+sheets", "winding", "winding", "flood", "winding")
CENTER, SCALE = np.array([3.0, -2.0, 1.0]), 5.0
REJECTED = (("rejected", "jumps: 3.1%"), ("failed", "empty file"), ("rejected", "jumps: 12.5%"))


def ball(resolution: int, radius: float = 0.9):
    """Signed distances of a ball on a grid: (R, R, R)."""
    distance = np.linalg.norm(grid_points(resolution), axis=1) - radius
    return distance.reshape(resolution, resolution, resolution)


def make_gallery(folder: Path) -> Path:
    """Dataset of six balls of two categories, and three rejected or failed meshes."""
    meshes, out = folder / "meshes", folder / "balls"
    meshes.mkdir()
    jobs = [_job(meshes, number) for number in range(len(RECALLS) + len(REJECTED))]
    with open_output(out, meshes, jobs, CONFIG) as manifest:
        for number, job in enumerate(jobs):
            write_staged(out, number, _outcome(job, number), CONFIG)
        for index in range(manifest.shard_count):
            finish_shard(out, index, manifest.shard_jobs(index), CONFIG)
        publish(out, manifest)
    return out


def _job(meshes: Path, number: int) -> Job:
    name = f"ball{number}"
    path = meshes / f"{name}.obj"
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=0.9 * SCALE)
    path.write_text(trimesh.exchange.obj.export_obj(mesh.apply_translation(CENTER)))
    return Job(name, "03001627" if number % 2 else "lamps", path, path.name, "train")


def _outcome(job: Job, number: int) -> Outcome:
    report = MeshReport(job.id, job.category, job.relative, "ok", split=job.split, faces=320)
    if number >= len(RECALLS):
        status, reason = REJECTED[number - len(RECALLS)]
        changes = {"status": status, "reason": reason, "seconds": 10.0}
        return Outcome(MeshReport(**(vars(report) | changes)))
    found = {
        "method": METHODS[number],
        "inside_fraction": 0.3 + number / 100,
        "surface_recall": RECALLS[number],
        "seconds": float(number),
    }
    voxels = {r: ball(r).astype(np.float16) for r in CONFIG.resolutions}
    shape = Shape(job.id, job.category, voxels, {}, CENTER.astype(np.float32), SCALE, SCALE)
    return Outcome(MeshReport(**(vars(report) | found)), shape)

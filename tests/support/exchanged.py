"""A small dataset to export: two categories, odd ids, a rejected mesh, splits, plausible frames."""

import dataclasses
from pathlib import Path

from support.fakes import SMALL, make_shape

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.output import open_output, publish
from shapegan.pipeline.dataset.staging import finish_shard, write_staged
from shapegan.pipeline.schema import Job, MeshReport, Outcome

CONFIG = dataclasses.replace(SMALL, mixes=("deepsdf",), mix_points=SMALL.points)
IDS = ("chairs/a", "chairs/old/b", "chairs/c.obj", "chairs/d", "planes/a", "planes/b", "sofa")
REJECTED = "chairs/d"


def make_odd_dataset(folder: Path, config: PreprocessConfig = CONFIG) -> Path:
    """Write the dataset without meshes; the numbers in it are random."""
    jobs = []
    for number, name in enumerate(IDS):
        category = name.split("/")[0] if "/" in name else ""
        split = ("train", "test")[number % 2]
        jobs.append(Job(name, category, folder / name, f"{number}.obj", split))
    out = folder / "dataset"
    with open_output(out, folder, jobs, config) as manifest:
        for number, job in enumerate(jobs):
            report = MeshReport(job.id, job.category, job.relative, "ok", split=job.split)
            shape = make_shape(job.id, config, job.category)
            ratio = 1.1 + 0.1 * number
            shape = dataclasses.replace(shape, scale_sphere=ratio * shape.scale_cube)
            outcome = Outcome(report, shape)
            if job.id == REJECTED:
                outcome = Outcome(dataclasses.replace(report, status="rejected", reason="bad"))
            write_staged(out, number, outcome, config)
        for index in range(manifest.shard_count):
            finish_shard(out, index, manifest.shard_jobs(index), config)
        publish(out, manifest)
    return out

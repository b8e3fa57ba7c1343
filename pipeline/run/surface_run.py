"""Meshes become watertight surfaces, a file each."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shapegan.pipeline.config import WatertightConfig
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.dataset.staging import remove_staging
from shapegan.pipeline.dataset.surfaces import (
    SurfaceManifest,
    SurfaceOutcome,
    SurfaceReport,
    open_surfaces,
    publish_surfaces,
    read_done,
    write_surface,
)
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.run.driver import run_plan
from shapegan.pipeline.run.plan import ProgressReporter, RunSettings
from shapegan.pipeline.run.tasks import MeshTask, Task
from shapegan.pipeline.schema import Job

TARGET = "shapegan.pipeline.run.process_surface:process"
"""Function that processes a mesh, see `shapegan.pipeline.run.tasks.MeshTask`."""


@dataclass(frozen=True)
class SurfaceTask(MeshTask):
    """Make the surface of one mesh and write it; `config` is a `WatertightConfig`."""

    def failed(self, reason: str) -> SurfaceOutcome:
        """The outcome of a mesh that could not be processed."""
        job = self.job
        return SurfaceOutcome(SurfaceReport(job.id, job.category, job.relative, "failed", reason))

    def store(self, outcome: SurfaceOutcome) -> SurfaceReport:
        """Write the surface and the report."""
        write_surface(self.out, self.number, outcome)
        return outcome.report


@dataclass(frozen=True)
class SurfacePlan:
    """The meshes that are not done yet."""

    out: Path
    jobs: Sequence[Job]
    config: WatertightConfig
    settings: RunSettings
    progress: ProgressReporter

    def tasks(self) -> Iterator[Task]:
        """A task for each mesh that is not done, in order."""
        done = read_done(self.out, [job.id for job in self.jobs])
        self.progress.resume(list(done.values()))
        for number, job in enumerate(self.jobs):
            if number not in done:
                target, device = self.settings.target, self.settings.device
                yield SurfaceTask(number, job, self.config, self.out, device, target)

    def finish(self, task: Task, result: Any) -> None:  # noqa: ARG002 - of all plans
        """Count a mesh that is done; no other task follows from it."""
        self.progress.advance(result)


def make_surfaces(
    root: Path,
    jobs: Sequence[Job],
    config: WatertightConfig,
    out: Path,
    settings: RunSettings,
    progress: ProgressReporter,
) -> tuple[SurfaceManifest, list[SurfaceReport], list[Rejections]]:
    """Make watertight surfaces of meshes, or resume a run that does.

    If a run ends early for any reason, the finished surfaces stay, and `meshes.csv` lists them. The
    same call makes the rest.

    Args:
        root: The folder of meshes, or the mesh.
        jobs: All meshes, in order.
        config: Configuration of the surfaces.
        out: The output folder.
        settings: Workers, device and limits.
        progress: Receives the progress.

    Returns:
        The manifest, a report for each mesh, and why surfaces are missing.

    Raises:
        OutputError: `out` cannot be used, or its disk is full.
        DatasetError: `out` holds something else.
        RunError: the workers cannot be started or reached.
    """
    settings = replace(settings, target=settings.target or TARGET)
    with open_surfaces(out, root, jobs, config) as manifest:
        try:
            run_plan(SurfacePlan(out, jobs, config, settings, progress), settings, out, progress)
        except BaseException:
            with contextlib.suppress(OutputError):  # the first error is the one to report
                publish_surfaces(out, jobs, manifest)
            raise
        result = publish_surfaces(out, jobs, manifest)
        remove_staging(out)
        return result

"""What a run has to do, in order, and what it knows of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.dataset.staging import read_record, read_report, remove_parts
from shapegan.pipeline.run.child_process import Limits
from shapegan.pipeline.run.tasks import TARGET, Task
from shapegan.pipeline.schema import Job, MeshReport

CLUSTERS = ("slurm",)


@dataclass(frozen=True)
class RunSettings:
    """How a dataset is made; nothing here changes its bytes."""

    workers: int = 1
    """Processes on this machine, or jobs of a cluster; 0 does all in this very process."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, such as tcp://host:8786."""
    cluster: str | None = None
    """One of `CLUSTERS`, through dask-jobqueue."""
    device: str = "cpu"
    limits: Limits = field(default_factory=Limits)
    target: str = TARGET
    """What makes a shape of a mesh, see `shapegan.pipeline.run.child_process`."""


class ProgressReporter(Protocol):
    """Who wants to know how far a run is."""

    def resume(self, reports: Sequence[MeshReport]) -> None:
        """These meshes were done by an earlier run."""

    def advance(self, report: MeshReport) -> None:
        """This mesh is done."""

    def note(self, text: str) -> None:
        """Something that the user should know, in a line."""


@dataclass(frozen=True)
class Join:
    """A shard whose meshes are all done."""

    index: int
    jobs: range
    config: PreprocessConfig
    out: Path


@dataclass
class Plan:
    """What is to be done, in order, and what is left of each shard that has been begun."""

    out: Path
    jobs: Sequence[Job]
    manifest: Manifest
    settings: RunSettings
    progress: ProgressReporter
    left: dict[int, int] = field(default_factory=dict)
    """Shard -> meshes that are not back yet."""

    def calls(self) -> Iterator[Task | Join]:
        """Meshes to do, and shards that lack nothing but the joining."""
        for index in range(self.manifest.shard_count):
            numbers = self.manifest.shard_jobs(index)
            if record := read_record(self.out, index, numbers):
                remove_parts(self.out, numbers)
                self.progress.resume(record.reports)
                continue
            found = {number: read_report(self.out, number) for number in numbers}
            self.progress.resume([report for report in found.values() if report])
            todo = [number for number, report in found.items() if report is None]
            self.left[index] = len(todo)
            if not todo:
                yield self._join(index)
            for number in todo:
                yield self._task(number)

    def take(self, task: Task, report: MeshReport) -> Join | None:
        """Notes that a mesh is back; gives its shard if that was the last one."""
        self.progress.advance(report)
        index = task.number // self.manifest.config.shard_size
        self.left[index] -= 1
        return None if self.left[index] else self._join(index)

    def _join(self, index: int) -> Join:
        del self.left[index]
        return Join(index, self.manifest.shard_jobs(index), self.manifest.config, self.out)

    def _task(self, number: int) -> Task:
        settings = self.settings
        return Task(
            number,
            self.jobs[number],
            self.manifest.config,
            self.out,
            settings.device,
            settings.target,
        )

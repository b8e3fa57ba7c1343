"""The plan of a dataset: its tasks in order, and which shards are unfinished."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.dataset.staging import read_record, read_staged_report, remove_staged
from shapegan.pipeline.run.dataset_tasks import JoinTask, ShapeTask
from shapegan.pipeline.run.plan import ProgressReporter, RunSettings
from shapegan.pipeline.run.tasks import Task
from shapegan.pipeline.schema import Job


@dataclass
class DatasetPlan:
    """The tasks that make a dataset, in order, and the shards that are unfinished."""

    out: Path
    jobs: Sequence[Job]
    manifest: Manifest
    settings: RunSettings
    progress: ProgressReporter
    missing: dict[int, int] = field(default_factory=dict)
    """Shard -> number of its meshes that are not done yet, of the shards that were begun."""

    def tasks(self) -> Iterator[Task]:
        """Meshes to process, and shards whose meshes an earlier run has all done."""
        for index in range(self.manifest.shard_count):
            numbers = self.manifest.shard_jobs(index)
            if record := read_record(self.out, index, numbers):
                remove_staged(self.out, numbers)
                self.progress.resume(record.reports)
                continue
            staged = {number: read_staged_report(self.out, number) for number in numbers}
            self.progress.resume([report for report in staged.values() if report])
            todo = [number for number, report in staged.items() if report is None]
            self.missing[index] = len(todo)
            if not todo:
                yield self._join_task(index)
            for number in todo:
                yield self._mesh_task(number)

    def finish(self, task: Task, result: Any) -> JoinTask | None:
        """Note that a mesh is done; return the task that joins its shard if it was the last one."""
        if not isinstance(task, ShapeTask):
            return None
        self.progress.advance(result)
        index = task.number // self.manifest.config.shard_size
        self.missing[index] -= 1
        return None if self.missing[index] else self._join_task(index)

    def _join_task(self, index: int) -> JoinTask:
        del self.missing[index]
        return JoinTask(index, self.manifest.shard_jobs(index), self.manifest.config, self.out)

    def _mesh_task(self, number: int) -> ShapeTask:
        return ShapeTask(
            number,
            self.jobs[number],
            self.manifest.config,
            self.out,
            self.settings.device,
            self.settings.target,
        )

"""The tasks that make a dataset: process one mesh, or join the meshes of one shard."""

from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.staging import ShardRecord, finish_shard, write_staged
from shapegan.pipeline.run.tasks import MeshTask
from shapegan.pipeline.schema import MeshReport, Outcome

TARGET = "shapegan.pipeline.run.process_mesh:process"
"""Function that processes a mesh, see `shapegan.pipeline.run.tasks.MeshTask`."""


@dataclass(frozen=True)
class ShapeTask(MeshTask):
    """Process one mesh and store its shape in the staging folder.

    Its `number` decides the shard and the row, its `config` is a `PreprocessConfig`.
    """

    def failed(self, reason: str) -> Outcome:
        """The outcome of a mesh that could not be processed."""
        job = self.job
        return Outcome(
            MeshReport(job.id, job.category, job.relative, "failed", reason, split=job.split)
        )

    def store(self, outcome: Outcome) -> MeshReport:
        """Write the shape and the report."""
        write_staged(self.out, self.number, outcome, self.config)
        return outcome.report


@dataclass(frozen=True)
class JoinTask:
    """Join a shard whose meshes are all done."""

    index: int
    """Index of the shard."""
    jobs: range
    """Numbers of its jobs."""
    config: PreprocessConfig
    out: Path
    """The output folder."""

    @property
    def name(self) -> str:
        """The shard, in words."""
        return f"shard {self.index}"

    def run(self) -> ShardRecord:
        """Join the shard, see `shapegan.pipeline.dataset.staging.finish_shard`."""
        return finish_shard(self.out, self.index, self.jobs, self.config)

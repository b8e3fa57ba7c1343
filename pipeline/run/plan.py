"""Settings of a run, its plan, and the receiver of its progress."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shapegan.pipeline.run.child_process import Limits
from shapegan.pipeline.run.tasks import Task
from shapegan.pipeline.schema import Report


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run; none of them changes the bytes of its output."""

    workers: int = 1
    """Processes on this machine, or jobs of a cluster; 0 runs everything in this process."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, such as tcp://host:8786."""
    cluster: str | None = None
    """`slurm` starts workers through dask-jobqueue."""
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`, on the machine that processes the mesh; with `cuda`, the threads
    of a Dask worker share its GPUs in turn."""
    limits: Limits = field(default_factory=Limits)
    """Limits of one mesh."""
    target: str = ""
    """Function that processes a mesh, see `shapegan.pipeline.run.tasks.MeshTask`; that of the kind
    of run if empty."""


class ProgressReporter(Protocol):
    """Receives the progress of a run."""

    def resume(self, reports: Sequence[Report]) -> None:
        """Count meshes that an earlier run has done."""

    def advance(self, report: Report) -> None:
        """Count a mesh that this run has done."""

    def note(self, text: str) -> None:
        """Show a line to the user."""


class Plan(Protocol):
    """The tasks of a run."""

    def tasks(self) -> Iterator[Task]:
        """Tasks that are not done yet, in order; iterated while the run goes on."""

    def finish(self, task: Task, result: Any) -> Task | None:
        """Note that a task is done; return the task that follows from it, if any."""

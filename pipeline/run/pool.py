"""The interface of a pool, which runs the tasks of a run."""

from collections.abc import Iterator
from typing import Any, Protocol

from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.run.tasks import Task


class RunError(PlainError):
    """Workers that cannot be started or reached; the message is one line with what to do."""


class Pool(Protocol):
    """Runs tasks, in this process or in workers."""

    window: int
    """Number of tasks to submit ahead of their results."""

    def submit(self, task: Task) -> None:
        """Queue a task."""

    def results(self) -> Iterator[tuple[Task, Any]]:
        """Yield tasks with their results, in any order, until no task is left.

        The result is what the task's `run` returns; that of a `MeshTask` is a report.

        Raises:
            RunError: the workers are lost.
            OutputError: the output folder cannot be written.
        """

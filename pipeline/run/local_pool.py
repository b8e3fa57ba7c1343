"""A pool without workers: every call runs in this process, one after the other."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from shapegan.pipeline.dataset.staging import ShardRecord, finish_shard, write_part
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.run.plan import Join
from shapegan.pipeline.run.tasks import Task, do_task, failure
from shapegan.pipeline.schema import MeshReport, Outcome


class RunError(PlainError):
    """The workers asked for cannot be had; the message is one line with what to do."""


class Pool(Protocol):
    """Whoever runs tasks: this process, or Dask workers."""

    window: int
    """Calls to have in hand at once."""

    def submit(self, call: Task | Join) -> None:
        """Queue a call."""

    def answers(self) -> Iterator[tuple[Task | Join, Any]]:
        """Calls with their results, in any order, until there are no more calls."""


class LocalPool:
    """All in this process, one by one; for debugging."""

    window = 1

    def __init__(self) -> None:
        self._calls: deque[Task | Join] = deque()

    def submit(self, call: Task | Join) -> None:
        """Queue a call."""
        self._calls.append(call)

    def answers(self) -> Iterator[tuple[Task | Join, Any]]:
        """Yield calls with their results, in the order of submission."""
        while self._calls:
            call = self._calls.popleft()
            yield call, _run_here(call)


def _run_here(call: Task | Join) -> MeshReport | ShardRecord:
    if isinstance(call, Join):
        return finish_shard(call.out, call.index, call.jobs, call.config)
    try:
        return do_task(call)
    except MemoryError:
        return record_failure(call, "wanted more memory than there was")


def record_failure(task: Task, reason: str) -> MeshReport:
    """Store the report of a mesh that could not be processed."""
    report = failure(task.job, reason)
    write_part(task.out, task.number, Outcome(report), task.config)
    return report

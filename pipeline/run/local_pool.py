"""A pool without workers: every task runs in this process, one after the other, for debugging."""

from collections import deque
from collections.abc import Iterator

from shapegan.pipeline.dataset.staging import ShardRecord
from shapegan.pipeline.run.tasks import JoinTask, Task, join, process_and_store, store_failure
from shapegan.pipeline.schema import MeshReport


class LocalPool:
    """Implements `shapegan.pipeline.run.pool.Pool` in this process."""

    window = 1

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Queue a task."""
        self._tasks.append(task)

    def results(self) -> Iterator[tuple[Task, MeshReport | ShardRecord]]:
        """Yield tasks with their results, in the order of submission."""
        while self._tasks:
            task = self._tasks.popleft()
            yield task, _run(task)


def _run(task: Task) -> MeshReport | ShardRecord:
    if isinstance(task, JoinTask):
        return join(task)
    try:
        return process_and_store(task)
    except MemoryError:
        return store_failure(task, "ran out of memory")

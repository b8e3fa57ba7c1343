"""A pool without workers: every task runs in this process, one after the other, for debugging."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from shapegan.pipeline.run.tasks import MeshTask, Task
from shapegan.pipeline.warp_runtime import GpuError


class LocalPool:
    """Implements `shapegan.pipeline.run.pool.Pool` in this process."""

    window = 1

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Queue a task."""
        self._tasks.append(task)

    def results(self) -> Iterator[tuple[Task, Any]]:
        """Yield tasks with their results, in the order of submission."""
        while self._tasks:
            task = self._tasks.popleft()
            yield task, _run(task)


def _run(task: Task) -> Any:
    if not isinstance(task, MeshTask):
        return task.run()
    try:
        return task.run()
    except MemoryError:
        return task.store_failure("ran out of memory")
    except GpuError as error:
        return task.store_failure(str(error))

"""Messages about Dask workers that join or leave a run."""

from typing import Any

from shapegan.pipeline.run.plan import ProgressReporter

_NO_WORKER = "no Dask worker, waiting for one"


class WorkerEvents:
    """Counts the workers of a Dask scheduler by its events, and reports changes.

    Args:
        progress: Receives a line for each change.
        count: Number of workers at the start.
        key_prefix: Prefix of the keys of this run's tasks.
    """

    def __init__(self, progress: ProgressReporter, count: int, key_prefix: str) -> None:
        self._progress = progress
        self._count = count
        self._key_prefix = key_prefix
        self.closed = False
        """Set to True to ignore further events."""
        progress.note(f"{count} Dask workers" if count else _NO_WORKER)

    def handle(self, event: tuple[float, Any]) -> None:
        """Handle one event of the scheduler's topic `all`: its time and its contents."""
        _, contents = event
        action = contents.get("action") if isinstance(contents, dict) else None
        if self.closed or action not in ("add-worker", "remove-worker"):
            return
        worker = contents["worker"]
        if action == "add-worker":
            self._count += 1
            self._progress.note(f"Dask worker {worker} has joined: {self._count} now")
            return
        self._count -= 1
        tasks = [key for key in contents["processing-tasks"] if key.startswith(self._key_prefix)]
        change = "has left" if contents["expected"] else "is lost"
        left = f"{self._count} now" if self._count else _NO_WORKER
        self._progress.note(
            f"Dask worker {worker} {change}, its tasks go to others ({len(tasks)}): {left}"
        )

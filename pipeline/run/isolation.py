"""Tasks in child processes, so that a mesh that crashes, hangs or exhausts memory fails alone."""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from shapegan.pipeline.run.child_process import (
    ChildLostError,
    ChildProcess,
    ChildStoppedError,
    Limits,
)
from shapegan.pipeline.run.tasks import MeshTask, Task, run_task, warm_up
from shapegan.pipeline.schema import Report


class ChildProcesses:
    """Child processes of a worker, one for each thread that runs tasks.

    Args:
        target: Function that processes meshes, see `shapegan.pipeline.run.tasks.MeshTask`.
        limits: Limits of one mesh.
        devices: Devices that the children share: child i computes on device i modulo their number.
    """

    def __init__(self, target: str, limits: Limits, devices: Sequence[str]) -> None:
        self._target, self._limits, self._devices = target, limits, devices
        self._numbers = itertools.count()  # `next` is atomic
        self._children: dict[int, _Child] = {}
        self._stopped = False

    def run(self, task: Task) -> Any:
        """Run a task in the child process of the calling thread.

        Raises:
            OutputError: the result cannot be written.
            ChildStoppedError: `stop` was called.
            RuntimeError: the child cannot start.
        """
        if self._stopped:
            raise ChildStoppedError
        thread = threading.get_ident()
        if thread not in self._children:
            device = self._devices[next(self._numbers) % len(self._devices)]
            self._children[thread] = _Child(ChildProcess(partial(warm_up, self._target)), device)
        child = self._children[thread]
        if isinstance(task, MeshTask):
            return run_isolated(child.process, replace(task, device=child.device), self._limits)
        return child.process.call(run_task, task)

    def stop(self) -> None:
        """Kill all child processes, for good."""
        self._stopped = True
        for child in list(self._children.values()):
            child.process.stop()


@dataclass(frozen=True)
class _Child:
    """A child process and the device on which it computes."""

    process: ChildProcess
    device: str


def run_isolated(child: ChildProcess, task: MeshTask, limits: Limits) -> Report:
    """Process a mesh in a child process; if the child is lost, retry once, then store a failure.

    Raises:
        OutputError: the outcome cannot be written.
        ChildStoppedError: the child was stopped.
        RuntimeError: the child cannot start.
    """
    reasons = []
    for _ in range(2):
        try:
            report: Report = child.call(run_task, task, limits=limits)
            return report
        except ChildLostError as lost:
            reasons.append(str(lost))
    first, second = reasons
    return task.store_failure(f"{first}, twice" if first == second else f"{first}, then {second}")

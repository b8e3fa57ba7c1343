"""The tasks of a run: what one process does without a break."""

import gc
import importlib
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shapegan.pipeline.schema import Job, Report
from shapegan.pipeline.warp_runtime import GpuError


class Task(Protocol):
    """A unit of work of a run."""

    @property
    def name(self) -> str:
        """The task in words, such as `shard 3`."""

    def run(self) -> Any:
        """Do the work and store its result; return a short account of it."""


@dataclass(frozen=True)
class MeshTask(ABC):
    """Process one mesh, which may crash, hang or exhaust memory, and store its outcome."""

    number: int
    """Position of the job in the list of meshes."""
    job: Job
    config: Any
    """Settings of the outcome."""
    out: Path
    """The output folder."""
    device: str
    """`cpu`, `cuda` or `cuda:N`; a worker replaces it by its own share of the devices."""
    target: str
    """Function that processes the mesh, `module:name`: (job, config, device) -> outcome."""

    @property
    def name(self) -> str:
        """The mesh's id."""
        return self.job.id

    def run(self) -> Report:
        """Process the mesh and store its outcome; an exception becomes a `failed` report.

        Raises:
            OutputError: the outcome cannot be written.
            MemoryError: the mesh ran out of memory.
            GpuError: the GPU cannot be used any more by this process.
        """
        try:
            outcome = import_target(self.target)(self.job, self.config, self.device)
        except MemoryError:
            raise
        except Exception as error:  # whatever a mesh triggers is its own failure
            _raise_failure_of_device(error)
            outcome = self.failed(_describe(error))
        return self.store(outcome)

    def store_failure(self, reason: str) -> Report:
        """Store a `failed` report for a mesh that could not be processed.

        Raises:
            OutputError: the report cannot be written.
        """
        return self.store(self.failed(reason))

    @abstractmethod
    def failed(self, reason: str) -> Any:
        """The outcome of a mesh that could not be processed."""

    @abstractmethod
    def store(self, outcome: Any) -> Report:
        """Store an outcome and return its report.

        Raises:
            OutputError: the outcome cannot be written.
        """


def run_task(task: Task) -> Any:
    """Run a task; child processes are sent this function."""
    return task.run()


def warm_up(target: str) -> None:
    """Import everything that a mesh needs, so that the first mesh does not pay for it.

    The imports create more than a hundred thousand objects that are never freed. The garbage
    collector would visit them again and again: for a sixth of the import time, and in every full
    collection afterwards.
    """
    gc.disable()
    try:
        import_target(target)
    finally:
        gc.freeze()
        gc.enable()


def import_target(target: str) -> Callable[[Job, Any, str], Any]:
    """Import the function of a target, `module:name`."""
    module, _, name = target.partition(":")
    function: Callable[[Job, Any, str], Any] = getattr(importlib.import_module(module), name)
    return function


def _raise_failure_of_device(error: Exception) -> None:
    """Raise another error if Warp's says nothing of the mesh, which a fresh process may manage.

    Raises:
        MemoryError: the memory of the machine or of the GPU is full.
        GpuError: a copy or a kernel failed, after which a process can't use the GPU.
    """
    if not isinstance(error, RuntimeError):
        return
    message = str(error)
    if message.startswith("Failed to allocate"):
        raise MemoryError(message) from error
    if message.startswith(("Warp copy error", "CUDA error")):
        raise GpuError(f"failed on the GPU: {' '.join(message.split())}") from error


def _describe(error: Exception) -> str:
    """An exception with the line that raised it, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({place})"

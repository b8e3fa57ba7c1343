"""The tasks of a run: process one mesh, or join the meshes of one shard."""

import gc
import importlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.staging import ShardRecord, finish_shard, write_staged
from shapegan.pipeline.schema import Job, MeshReport, Outcome

TARGET = "shapegan.pipeline.run.process_mesh:process"
"""Function that processes a mesh, `module:name`: (job, config, device) -> Outcome."""


@dataclass(frozen=True)
class MeshTask:
    """Process one mesh and store its outcome in the staging folder."""

    number: int
    """Position of the job in the list of meshes; it decides the shard and the row."""
    job: Job
    config: PreprocessConfig
    out: Path
    """The output folder."""
    device: str
    """`cpu` or `cuda`."""
    target: str
    """Function that processes the mesh, see `TARGET`."""


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


Task = MeshTask | JoinTask


def process_and_store(task: MeshTask) -> MeshReport:
    """Process a mesh and store its outcome; an exception becomes a `failed` report.

    Raises:
        OutputError: the outcome cannot be written.
        MemoryError: the mesh ran out of memory.
    """
    try:
        outcome = _import_target(task.target)(task.job, task.config, task.device)
    except MemoryError:
        raise
    except Exception as error:  # whatever a mesh triggers is its own failure
        outcome = Outcome(_failed_report(task.job, _describe(error)))
    write_staged(task.out, task.number, outcome, task.config)
    return outcome.report


def join(task: JoinTask) -> ShardRecord:
    """Join a shard, see `shapegan.pipeline.dataset.staging.finish_shard`."""
    return finish_shard(task.out, task.index, task.jobs, task.config)


def store_failure(task: MeshTask, reason: str) -> MeshReport:
    """Store a `failed` report for a mesh that could not be processed.

    Raises:
        OutputError: the report cannot be written.
    """
    report = _failed_report(task.job, reason)
    write_staged(task.out, task.number, Outcome(report), task.config)
    return report


def warm_up(target: str) -> None:
    """Import everything that a mesh needs, so that the first mesh does not pay for it.

    The imports create more than a hundred thousand objects that are never freed. The garbage
    collector would visit them again and again: for a sixth of the import time, and in every full
    collection afterwards.
    """
    gc.disable()
    try:
        _import_target(target)
    finally:
        gc.freeze()
        gc.enable()


def _failed_report(job: Job, reason: str) -> MeshReport:
    return MeshReport(job.id, job.category, job.relative, "failed", reason, split=job.split)


def _describe(error: Exception) -> str:
    """An exception with the line that raised it, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({place})"


def _import_target(target: str) -> Callable[[Job, PreprocessConfig, str], Outcome]:
    module, _, name = target.partition(":")
    function: Callable[[Job, PreprocessConfig, str], Outcome] = getattr(
        importlib.import_module(module), name
    )
    return function

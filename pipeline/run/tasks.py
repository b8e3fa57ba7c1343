"""The unit of work, one mesh, and how it is done in this process or in a child process."""

import gc
import importlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.staging import write_part
from shapegan.pipeline.run.child_process import ChildProcess, Limits, WorkerLostError
from shapegan.pipeline.schema import Job, MeshReport, Outcome

TARGET = "shapegan.pipeline.run.process_mesh:process"
"""What makes a shape of a mesh: module and function of (job, config, device) -> Outcome."""


@dataclass(frozen=True)
class Task:
    """One mesh to do, and where to put it."""

    number: int
    """Of the job, which decides shard and row."""
    job: Job
    config: PreprocessConfig
    out: Path
    device: str = "cpu"
    target: str = TARGET


def do_task(task: Task) -> MeshReport:
    """Does a mesh and stores its part; an error in doing it is a `failed` report.

    Raises:
        OutputError: where the part cannot be written.
        MemoryError: where the mesh ran out of memory.
    """
    try:
        outcome = _resolve(task.target)(task.job, task.config, task.device)
    except MemoryError:
        raise
    except Exception as error:  # whatever a mesh brings out is its own failure
        outcome = Outcome(failure(task.job, _describe(error)))
    write_part(task.out, task.number, outcome, task.config)
    return outcome.report


def failure(job: Job, reason: str) -> MeshReport:
    """The report of a job that failed."""
    return MeshReport(job.id, job.category, job.relative, "failed", reason, split=job.split)


def _describe(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({place})"


def _resolve(target: str) -> Callable[[Job, PreprocessConfig, str], Outcome]:
    module, _, name = target.partition(":")
    found: Callable[[Job, PreprocessConfig, str], Outcome] = getattr(
        importlib.import_module(module), name
    )
    return found


def prepare(target: str = TARGET) -> None:
    """Imports what meshes need, so that the first one's time is its own.

    That makes more than a hundred thousand objects that stay. Python would look through them for
    garbage again and again meanwhile, a sixth of the time, and later with every full collection.
    """
    gc.disable()
    try:
        _resolve(target)
    finally:
        gc.freeze()
        gc.enable()


def do_isolated(child: ChildProcess, task: Task, limits: Limits) -> MeshReport:
    """Does a mesh in a child process, at most twice.

    Raises:
        OutputError: where the part cannot be written.
        WorkerStoppedError: where the child was stopped.
    """
    reasons = []
    for _ in range(2):
        try:
            report: MeshReport = child.call(do_task, task, limits=limits)
            return report
        except WorkerLostError as lost:
            reasons.append(str(lost))
    first, second = reasons
    reason = f"{first}, twice" if first == second else f"{first}, then {second}"
    report = failure(task.job, reason)
    write_part(task.out, task.number, Outcome(report), task.config)
    return report

"""The driver of a run: it has the tasks of a plan done.

It submits tasks in their order, a window ahead of the results. Only reports travel between
processes: the process that computes an outcome writes it to disk.
"""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from shapegan.pipeline.run.dask_pool import open_dask_pool
from shapegan.pipeline.run.local_pool import LocalPool
from shapegan.pipeline.run.plan import Plan, ProgressReporter, RunSettings
from shapegan.pipeline.run.pool import Pool


def run_plan(plan: Plan, settings: RunSettings, out: Path, progress: ProgressReporter) -> None:
    """Do all tasks of a plan, in this process or by workers.

    Args:
        plan: The tasks.
        settings: Workers, device and limits.
        out: The output folder, which all workers have to reach.
        progress: Receives lines about the workers.

    Raises:
        OutputError: a result cannot be written.
        RunError: the workers cannot be started or reached.
    """
    tasks = plan.tasks()
    first = next(tasks, None)
    if first is None:
        return  # all is done: no pool is needed
    with _open_pool(settings, out, progress) as pool:
        for task in itertools.islice(itertools.chain([first], tasks), pool.window):
            pool.submit(task)
        for task, result in pool.results():
            if following := plan.finish(task, result) or next(tasks, None):
                pool.submit(following)


@contextlib.contextmanager
def _open_pool(settings: RunSettings, out: Path, progress: ProgressReporter) -> Iterator[Pool]:
    if settings.workers == 0 and settings.scheduler is None:
        yield LocalPool()
        return
    with open_dask_pool(settings, out, progress) as pool:
        yield pool

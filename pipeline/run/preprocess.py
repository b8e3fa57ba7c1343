"""The driver of a run: jobs become a dataset.

It submits meshes in the order of their shards, a window ahead of the results, and joins a shard
when its last mesh is done. Only reports travel between processes: the process that computes a
shape writes it to disk.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.dataset.output import open_output, publish
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.dataset.staging import STAGING_FOLDER
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.run.dask_pool import open_dask_pool
from shapegan.pipeline.run.local_pool import LocalPool
from shapegan.pipeline.run.plan import Plan, ProgressReporter, RunSettings
from shapegan.pipeline.run.pool import Pool
from shapegan.pipeline.run.tasks import MeshTask
from shapegan.pipeline.schema import Job


def preprocess(
    root: Path,
    jobs: Sequence[Job],
    config: PreprocessConfig,
    out: Path,
    settings: RunSettings,
    progress: ProgressReporter,
) -> tuple[Manifest, list[Rejections]]:
    """Make a dataset, or resume one.

    If a run ends early for any reason, the whole shards and the finished meshes of the others
    stay, and the manifest lists the whole shards. The same call makes the rest.

    Args:
        root: The folder of meshes.
        jobs: All meshes of the dataset, in order.
        config: Configuration of the dataset.
        out: The output folder.
        settings: Workers, device and limits.
        progress: Receives the progress.

    Returns:
        The manifest, and why meshes are missing.

    Raises:
        OutputError: `out` cannot be used, see `open_output`, or its disk is full.
        DatasetError: `out` holds something else.
        RunError: the workers cannot be started or reached.
    """
    with open_output(out, root, jobs, config) as manifest:
        try:
            _run(Plan(out, jobs, manifest, settings, progress), settings)
        except BaseException:
            with contextlib.suppress(OutputError):  # the first error is the one to report
                publish(out, manifest)
            raise
        with contextlib.suppress(OSError):  # a late worker of a cluster may be writing there
            (out / STAGING_FOLDER).rmdir()
        return publish(out, manifest)


def _run(plan: Plan, settings: RunSettings) -> None:
    tasks = plan.tasks()
    first = next(tasks, None)
    if first is None:
        return  # the dataset is complete: no pool is needed
    with _open_pool(settings, plan) as pool:
        for task in itertools.islice(itertools.chain([first], tasks), pool.window):
            pool.submit(task)
        for task, result in pool.results():
            if isinstance(task, MeshTask) and (join := plan.finish(task, result)):
                pool.submit(join)
            elif (following := next(tasks, None)) is not None:
                pool.submit(following)


@contextlib.contextmanager
def _open_pool(settings: RunSettings, plan: Plan) -> Iterator[Pool]:
    if settings.workers == 0 and settings.scheduler is None:
        yield LocalPool()
        return
    with open_dask_pool(settings, plan.out, plan.progress) as pool:
        yield pool

"""The driver of a run: jobs become a dataset.

It hands out meshes in the order of their shards, a window at a time, and joins a shard when its
last mesh is back. Only reports travel: the arrays go from the process that makes them to the disk.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest, Rejections, opened_output, publish
from shapegan.pipeline.dataset.staging import PART_FOLDER
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.run.dask_pool import open_dask_pool
from shapegan.pipeline.run.local_pool import LocalPool, Pool
from shapegan.pipeline.run.plan import Plan, ProgressReporter, RunSettings
from shapegan.pipeline.run.tasks import Task
from shapegan.pipeline.schema import Job


def preprocess(
    root: Path,
    jobs: Sequence[Job],
    config: PreprocessConfig,
    out: Path,
    settings: RunSettings,
    progress: ProgressReporter,
) -> tuple[Manifest, list[Rejections]]:
    """Makes a dataset, or the rest of one.

    Whatever ends a run early, whole shards and the parts of others stay, and the manifest says
    which shards there are; the same call does the rest.

    Returns:
        The manifest, and why meshes are missing.

    Raises:
        OutputError: where `out` cannot be used, see `opened_output`, or its disk is full.
        DatasetError: where `out` holds something else.
        RunError: where the workers cannot be had.
    """
    with opened_output(out, root, jobs, config) as manifest:
        try:
            _run(Plan(out, jobs, manifest, settings, progress), settings)
        except BaseException:
            with contextlib.suppress(OutputError):  # the first error is the one to tell
                publish(out, manifest)
            raise
        with contextlib.suppress(OSError):  # a straggler of a cluster may be writing there
            (out / PART_FOLDER).rmdir()
        return publish(out, manifest)


def _run(plan: Plan, settings: RunSettings) -> None:
    calls = plan.calls()
    first = next(calls, None)
    if first is None:
        return
    with _pool(settings, plan) as pool:
        for call in itertools.islice(itertools.chain([first], calls), pool.window):
            pool.submit(call)
        for call, answer in pool.answers():
            if isinstance(call, Task) and (join := plan.take(call, answer)):
                pool.submit(join)
            elif (following := next(calls, None)) is not None:
                pool.submit(following)


@contextlib.contextmanager
def _pool(settings: RunSettings, plan: Plan) -> Iterator[Pool]:
    if settings.workers == 0 and settings.scheduler is None:
        yield LocalPool()
        return
    with open_dask_pool(settings, plan.out, plan.progress) as pool:
        yield pool

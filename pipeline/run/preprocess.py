"""Jobs become a dataset: meshes in the order of their shards, and each shard once it is done."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.dataset.output import open_output, publish
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.dataset.staging import remove_staging
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.run.dataset_plan import DatasetPlan
from shapegan.pipeline.run.dataset_tasks import TARGET
from shapegan.pipeline.run.driver import run_plan
from shapegan.pipeline.run.plan import ProgressReporter, RunSettings
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
    settings = replace(settings, target=settings.target or TARGET)
    with open_output(out, root, jobs, config) as manifest:
        try:
            plan = DatasetPlan(out, jobs, manifest, settings, progress)
            run_plan(plan, settings, out, progress)
        except BaseException:
            with contextlib.suppress(OutputError):  # the first error is the one to report
                publish(out, manifest)
            raise
        remove_staging(out)
        return publish(out, manifest)

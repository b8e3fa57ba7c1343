"""The output folder of a preprocessing run: opened, and published.

The shards appear in `dataset.json` when a run ends or is interrupted.
"""

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest, ShardEntry, read_manifest
from shapegan.pipeline.dataset.reports import (
    Rejections,
    find_rejections,
    list_splits,
    with_splits,
    write_reports,
)
from shapegan.pipeline.dataset.resumable import Layout, fingerprint, open_resumable
from shapegan.pipeline.dataset.staging import STAGING_FOLDER, read_record
from shapegan.pipeline.files import write_text
from shapegan.pipeline.schema import Job

_PREPROCESS_CHOICES = "INPUT, --category, --limit and --splits"


@contextlib.contextmanager
def open_output(
    out: Path, root: Path, jobs: Sequence[Job], config: PreprocessConfig
) -> Iterator[Manifest]:
    """Make the output folder, or reopen an existing one, and lock it while the context lasts.

    Args:
        out: The output folder.
        root: The folder of meshes.
        jobs: All meshes of the dataset, in order.
        config: Configuration of the dataset.

    Raises:
        OutputError: the folder cannot be written, another run is using it, or it was started
            with another configuration or other meshes.
        DatasetError: the folder holds something that is not a dataset of this format.
    """
    wanted = Manifest(config, str(root), len(jobs), fingerprint(jobs))
    with open_dataset_folder(out, wanted, jobs, _PREPROCESS_CHOICES) as manifest:
        yield manifest


@contextlib.contextmanager
def open_dataset_folder(
    out: Path, wanted: Manifest, jobs: Sequence[Job], choices: str
) -> Iterator[Manifest]:
    """Make or reopen the folder of any dataset, as `open_output` does.

    Args:
        out: The output folder.
        wanted: The manifest without shards.
        jobs: All meshes of the dataset, in order.
        choices: Arguments of the command that select the meshes, for messages.

    Raises:
        OutputError: see `open_output`.
        DatasetError: see `open_output`.
    """
    layout = Layout(
        schema.MANIFEST_NAME, read_manifest, (schema.SHARD_FOLDER, STAGING_FOLDER), choices
    )
    with open_resumable(out, jobs, wanted, layout) as manifest:
        yield manifest


def publish(out: Path, manifest: Manifest) -> tuple[Manifest, list[Rejections]]:
    """Write `meshes.csv` and `dataset.json` from the whole shards, however many there are.

    Returns:
        The manifest as written, and why meshes are missing, the most frequent reason first.

    Raises:
        OutputError: a file cannot be written.
    """
    found = (read_record(out, k, manifest.shard_jobs(k)) for k in range(manifest.shard_count))
    records = [record for record in found if record is not None]
    reports = [report for record in records for report in record.reports]
    if manifest.edited_splits:
        reports = with_splits(reports, manifest.splits)
    write_reports(out / schema.REPORT_NAME, reports)
    manifest = dataclasses.replace(
        manifest,
        complete=len(records) == manifest.shard_count,
        counts=dict(Counter(report.status for report in reports)),
        shards=tuple(ShardEntry(r.index, r.file, r.shapes, r.bytes, r.sha256) for r in records),
        splits=list_splits(reports),
    )
    write_text(out / schema.MANIFEST_NAME, manifest.to_json())
    return manifest, find_rejections(reports)

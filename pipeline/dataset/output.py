"""The output folder of a preprocessing run: opened, and published.

The shards appear in `dataset.json` when a run ends or is interrupted.
"""

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest, ShardEntry, read_manifest
from shapegan.pipeline.dataset.reports import Rejections, find_rejections, write_reports
from shapegan.pipeline.dataset.resumable import Layout, fingerprint, open_resumable
from shapegan.pipeline.dataset.staging import STAGING_FOLDER, read_record
from shapegan.pipeline.files import write_text
from shapegan.pipeline.schema import Job, MeshReport


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
    folders = (schema.SHARD_FOLDER, STAGING_FOLDER)
    layout = Layout(schema.MANIFEST_NAME, read_manifest, folders)
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
    write_reports(out / schema.REPORT_NAME, reports)
    manifest = dataclasses.replace(
        manifest,
        complete=len(records) == manifest.shard_count,
        counts=dict(Counter(report.status for report in reports)),
        shards=tuple(ShardEntry(r.index, r.file, r.shapes, r.bytes, r.sha256) for r in records),
        splits=_splits(reports),
    )
    write_text(out / schema.MANIFEST_NAME, manifest.to_json())
    return manifest, find_rejections(reports)


def _splits(reports: Iterable[MeshReport]) -> dict[str, list[str]]:
    """Split -> ids of its accepted shapes."""
    splits: dict[str, list[str]] = {}
    for report in reports:
        if report.status == "ok" and report.split:
            splits.setdefault(report.split, []).append(report.id)
    return splits

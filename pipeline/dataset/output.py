"""The output folder of a preprocessing run: opened, checked against an earlier run, published.

`dataset.json` exists from the start of the first run, so a second run knows what it resumes. The
shards appear in it when a run ends or is interrupted.
"""

import contextlib
import csv
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
from shapegan.pipeline.dataset.staging import STAGING_FOLDER, read_record
from shapegan.pipeline.dataset.tables import read_table, table_text, write_table
from shapegan.pipeline.files import OutputError, sweep, write_text
from shapegan.pipeline.folder_lock import folder_lock
from shapegan.pipeline.schema import Job

JOBS_NAME = "jobs.csv"
"""The list of meshes that the dataset was started with."""
_PREPROCESS_CHOICES = "INPUT, --category, --limit and --splits"
_JOB_COLUMNS = ("id", "category", "path", "split")


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
    _make_folder(out)
    held = f"another run is writing to {out}: wait for it, or choose another --out"
    with folder_lock(out, held):
        try:
            manifest = read_manifest(out)
        except FileNotFoundError:
            _start(out, wanted, jobs)
            manifest = wanted
        _check_same(out, manifest, wanted, jobs, choices)
        folders = (out, out / schema.SHARD_FOLDER, out / STAGING_FOLDER)
        for folder in folders:
            _make_folder(folder)
            sweep(folder)
        try:
            yield manifest
        finally:
            for folder in folders:
                sweep(folder)


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


def fingerprint(jobs: Sequence[Job]) -> str:
    """SHA-256 of the list of meshes: their ids, paths and splits, not the files' contents."""
    text = table_text(_JOB_COLUMNS, _job_lines(jobs))
    return hashlib.sha256(text.encode()).hexdigest()


def _job_lines(jobs: Iterable[Job]) -> Iterator[tuple[str, str, str, str]]:
    return ((job.id, job.category, job.relative, job.split) for job in jobs)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error


def _start(out: Path, manifest: Manifest, jobs: Sequence[Job]) -> None:
    """Write the list of meshes and a manifest without shards."""
    strangers = [*out.glob(f"{schema.SHARD_FOLDER}/*"), *out.glob(f"{STAGING_FOLDER}/*")]
    if strangers:
        raise OutputError(
            f"{out} has no {schema.MANIFEST_NAME}, but {strangers[0].relative_to(out)}:"
            " move that away, or choose another --out"
        )
    write_table(out / JOBS_NAME, _JOB_COLUMNS, _job_lines(jobs))
    write_text(out / schema.MANIFEST_NAME, manifest.to_json())


def _check_same(
    out: Path, found: Manifest, wanted: Manifest, jobs: Sequence[Job], choices: str
) -> None:
    """Refuse to resume with another configuration, code version or list of meshes."""
    differences = found.config.difference(wanted.config)
    if found.format_version != wanted.format_version:
        differences.append(f"format version: {found.format_version} -> {wanted.format_version}")
    if found.code_version != wanted.code_version:
        differences.append(f"shapegan's version: {found.code_version} -> {wanted.code_version}")
    if differences:
        raise OutputError(
            f"{out} was started with other settings:\n  "
            + "\n  ".join(differences)
            + "\nGive the first ones to resume it, or choose another --out"
        )
    if found.fingerprint != wanted.fingerprint:
        raise OutputError(
            f"{out} was started with other meshes ({_changes(out, jobs)}), which would not"
            f" fall into the same shards: check {choices}, or choose another --out"
        )


def _changes(out: Path, jobs: Sequence[Job]) -> str:
    """Differences between the first run's list of meshes and this one's, in words."""
    try:
        lines = read_table(out / JOBS_NAME)
        before = {(line["id"], line["path"], line["split"]) for line in lines}
    except (OSError, KeyError, csv.Error):
        return f"{JOBS_NAME} is missing"
    now = {(job.id, job.relative, job.split) for job in jobs}
    if before == now:
        return "in another order"
    return f"{len(now - before)} new or moved, {len(before - now)} gone"

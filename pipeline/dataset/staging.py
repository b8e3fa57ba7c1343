"""Finished meshes of unfinished shards, and how they become a shard.

While a shard is being made, each finished mesh lies in `staging/`: its report in any case, and a
shard of one shape if the mesh was accepted. So a crash loses only the meshes that are being
processed. When all meshes of a shard are finished, they are joined, and a record is written beside
the shard.
"""

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.shards import join_shards, write_shard
from shapegan.pipeline.files import sha256, sweep, write_text
from shapegan.pipeline.schema import MeshReport, Outcome

STAGING_FOLDER = "staging"


@dataclass(frozen=True)
class ShardRecord:
    """Facts about a whole shard, stored beside it in `shards/00000.json`."""

    index: int
    file: str | None
    """Path below the dataset's folder; None if no mesh of the shard was accepted."""
    shapes: int
    """Number of shapes in the shard."""
    bytes: int
    sha256: str
    reports: tuple[MeshReport, ...]
    """One for each of its jobs, in job order."""


def remove_staging(out: Path) -> None:
    """Remove the staging folder of a run that is done, with what killed processes left there.

    It stays if anything else is in it.
    """
    sweep(out / STAGING_FOLDER)
    with contextlib.suppress(OSError):  # a late worker of a cluster may be writing there
        (out / STAGING_FOLDER).rmdir()


def staged_shape_path(out: Path, job: int) -> Path:
    """Path of a job's shape until its shard is made."""
    return out / STAGING_FOLDER / f"{job:07d}.h5"


def staged_report_path(out: Path, job: int) -> Path:
    """Path of a job's report until its shard is made. If the file exists, the job is done."""
    return out / STAGING_FOLDER / f"{job:07d}.json"


def write_staged(out: Path, job: int, outcome: Outcome, config: PreprocessConfig) -> None:
    """Store the outcome of a mesh: first its shape, if it has one, then its report.

    Raises:
        ValueError: the shape does not fit the configuration.
        OutputError: a file cannot be written.
    """
    if outcome.shape is not None:
        write_shard(staged_shape_path(out, job), [outcome.shape], config)
    write_text(staged_report_path(out, job), json.dumps(dataclasses.asdict(outcome.report)))


def read_staged_report(out: Path, job: int) -> MeshReport | None:
    """The report of a job that is done and not in a shard yet; None if there is none."""
    try:
        report = MeshReport(**json.loads(staged_report_path(out, job).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if report.status == "ok" and not staged_shape_path(out, job).is_file():
        return None
    return report


def remove_staged(out: Path, jobs: range) -> None:
    """Remove the staged files of jobs whose shard is written."""
    for job in jobs:
        staged_report_path(out, job).unlink(missing_ok=True)
        staged_shape_path(out, job).unlink(missing_ok=True)


def finish_shard(out: Path, index: int, jobs: range, config: PreprocessConfig) -> ShardRecord:
    """Join the staged shapes of a shard's jobs, all of which are done, and remove them.

    A second call does nothing: a scheduler that lost the first result may run it again.

    Raises:
        FileNotFoundError: a job of the shard is not done.
        OutputError: the shard cannot be written.
    """
    if record := read_record(out, index, jobs):
        return record
    reports = number_rows([_require_report(out, job) for job in jobs], index)
    accepted = [(job, r) for job, r in zip(jobs, reports, strict=True) if r.status == "ok"]
    path = out / schema.shard_name(index)
    if accepted:
        staged = [staged_shape_path(out, job) for job, _ in accepted]
        join_shards(path, staged, [report for _, report in accepted], config)
    record = write_record(out, index, len(accepted), reports)
    remove_staged(out, jobs)
    return record


def _require_report(out: Path, job: int) -> MeshReport:
    report = read_staged_report(out, job)
    if report is None:
        raise FileNotFoundError(f"job {job} is not done: {staged_report_path(out, job)}")
    return report


def number_rows(reports: Sequence[MeshReport], index: int) -> tuple[MeshReport, ...]:
    """Give each accepted report its shard and its row in the shard."""
    rows = itertools.count()
    return tuple(
        dataclasses.replace(report, shard=index, row=next(rows))
        if report.status == "ok"
        else report
        for report in reports
    )


def write_record(
    out: Path, index: int, shapes: int, reports: tuple[MeshReport, ...], digest: str = ""
) -> ShardRecord:
    """Write the record of a shard whose file is written; from then on the shard is whole.

    Args:
        out: The dataset's folder.
        index: Number of the shard.
        shapes: Number of its shapes; without any it has no file.
        reports: One for each of its jobs.
        digest: SHA-256 of the file, if it is known.

    Raises:
        OutputError: the record cannot be written.
    """
    name = schema.shard_name(index)
    path = out / name
    if shapes:
        size = path.stat().st_size
        record = ShardRecord(index, name, shapes, size, digest or sha256(path), reports)
    else:
        record = ShardRecord(index, None, 0, 0, "", reports)
    write_text(path.with_suffix(".json"), json.dumps(dataclasses.asdict(record)))
    return record


def read_record(out: Path, index: int, jobs: range) -> ShardRecord | None:
    """The record of a whole shard; None if the shard has to be made, or made again.

    A shard is whole if its record exists, has a report for each job, and states the size of the
    shard's file. A file that a crash cut short has another size.
    """
    path = (out / schema.shard_name(index)).with_suffix(".json")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        reports = tuple(MeshReport(**report) for report in values.pop("reports"))
        record = ShardRecord(**values, reports=reports)
        size = (out / record.file).stat().st_size if record.file else 0
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return record if size == record.bytes and len(reports) == len(jobs) else None

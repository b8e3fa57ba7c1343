"""From finished meshes to whole shards.

While a shard is being worked on, each finished mesh lies below `parts/`: a shard of one shape
where it was accepted, and its report in any case. Whoever dies loses no more than the mesh in
hand. When all meshes of a shard are there, they are joined, and a record beside the shard says so.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.shards import join_shards, write_shard
from shapegan.pipeline.files import sha256, write_text
from shapegan.pipeline.schema import MeshReport, Outcome

PART_FOLDER = "parts"


@dataclass(frozen=True)
class ShardRecord:
    """What is known of a whole shard, beside it in `shards/00000.json`."""

    index: int
    file: str | None
    """Below the dataset's folder; None where no mesh of the shard was accepted."""
    shapes: int
    bytes: int
    sha256: str
    reports: tuple[MeshReport, ...]
    """One for each of its jobs, in job order."""


def part_path(out: Path, job: int) -> Path:
    """Where a job's shape lies until its shard is made."""
    return out / PART_FOLDER / f"{job:07d}.h5"


def report_path(out: Path, job: int) -> Path:
    """Where a job's report lies until its shard is made; it says that the job is done."""
    return out / PART_FOLDER / f"{job:07d}.json"


def write_part(out: Path, job: int, outcome: Outcome, config: PreprocessConfig) -> None:
    """Stores what a mesh gave: first its shape, if it has one, then its report."""
    if outcome.shape is not None:
        write_shard(part_path(out, job), [outcome.shape], config)
    write_text(report_path(out, job), json.dumps(dataclasses.asdict(outcome.report)))


def read_report(out: Path, job: int) -> MeshReport | None:
    """The report of a job that is done, or None."""
    try:
        report = MeshReport(**json.loads(report_path(out, job).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if report.status == "ok" and not part_path(out, job).is_file():
        return None
    return report


def remove_parts(out: Path, jobs: range) -> None:
    """Removes parts that are in a shard now."""
    for job in jobs:
        report_path(out, job).unlink(missing_ok=True)
        part_path(out, job).unlink(missing_ok=True)


def finish_shard(out: Path, index: int, jobs: range, config: PreprocessConfig) -> ShardRecord:
    """Joins the parts of a shard's jobs, all of which are done, and removes them.

    Doing it twice does no harm: a scheduler may have lost word of the first time.

    Raises:
        FileNotFoundError: where a job of the shard is not done.
        OutputError: where the shard cannot be written.
    """
    if record := read_record(out, index, jobs):
        return record
    reports = tuple(_placed([_done_report(out, job) for job in jobs], index))
    accepted = [(job, r) for job, r in zip(jobs, reports, strict=True) if r.status == "ok"]
    path = out / schema.shard_name(index)
    if accepted:
        parts = [part_path(out, job) for job, _ in accepted]
        join_shards(path, parts, [report for _, report in accepted], config)
    record = _describe(out, index, len(accepted), reports)
    write_text(path.with_suffix(".json"), json.dumps(dataclasses.asdict(record)))
    remove_parts(out, jobs)
    return record


def _done_report(out: Path, job: int) -> MeshReport:
    report = read_report(out, job)
    if report is None:
        raise FileNotFoundError(f"job {job} is not done: {report_path(out, job)}")
    return report


def _placed(reports: Sequence[MeshReport], index: int) -> Iterator[MeshReport]:
    row = 0
    for report in reports:
        if report.status == "ok":
            yield dataclasses.replace(report, shard=index, row=row)
            row += 1
        else:
            yield report


def _describe(out: Path, index: int, shapes: int, reports: tuple[MeshReport, ...]) -> ShardRecord:
    if shapes == 0:
        return ShardRecord(index, None, 0, 0, "", reports)
    name = schema.shard_name(index)
    size = (out / name).stat().st_size
    return ShardRecord(index, name, shapes, size, sha256(out / name), reports)


def read_record(out: Path, index: int, jobs: range) -> ShardRecord | None:
    """A shard's record if it is whole; None if it has to be made, or made again.

    A shard is whole if its record is there, speaks of as many jobs, and its file has the size
    that the record says: a file cut off by a crash has not.
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

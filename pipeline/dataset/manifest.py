"""The dataset's own files: `dataset.json`, `meshes.csv` and `jobs.csv`.

`dataset.json` is there from the start of the first run, so that a second one knows what it
resumes; its shards appear in it when a run ends or is interrupted.
"""

import contextlib
import csv
import dataclasses
import fcntl
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shapegan import __version__
from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.staging import PART_FOLDER, read_record
from shapegan.pipeline.dataset.tables import read_table, table_text, write_table
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import OutputError, read_text, sweep, write_text
from shapegan.pipeline.schema import Job, MeshReport

JOBS_NAME = "jobs.csv"
_JOB_COLUMNS = ("id", "category", "path", "split")
_NUMBERS = {
    "shard": int,
    "row": int,
    "faces": int,
    "inside_fraction": float,
    "surface_recall": float,
    "seconds": float,
}


class DatasetError(PlainError, ValueError):
    """A folder that holds no usable dataset; the message is one line with what to do."""


@dataclass(frozen=True)
class ShardRow:
    """One shard in the manifest."""

    index: int
    file: str | None
    """Below the dataset's folder; None where no mesh of the shard was accepted."""
    shapes: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`dataset.json`."""

    config: PreprocessConfig
    input: str
    """The folder of meshes."""
    meshes: int
    """Meshes found there."""
    fingerprint: str
    """Of the list of meshes, see `fingerprint`."""
    complete: bool = False
    """Every shard is there."""
    counts: dict[str, int] = field(default_factory=dict)
    """Status -> meshes in `meshes.csv`."""
    shards: tuple[ShardRow, ...] = ()
    splits: dict[str, list[str]] = field(default_factory=dict)
    """Split -> ids of its accepted shapes, in order; empty where none was asked for."""
    code_version: str = __version__
    format_version: int = schema.FORMAT_VERSION

    @property
    def shard_count(self) -> int:
        """Shards that the meshes fall into."""
        return -(-self.meshes // self.config.shard_size)

    def shard_jobs(self, index: int) -> range:
        """The jobs of a shard."""
        size = self.config.shard_size
        return range(index * size, min((index + 1) * size, self.meshes))

    def to_json(self) -> str:
        """As it is stored."""
        values = dataclasses.asdict(self) | {"config": self.config.to_dict()}
        head = {"format_version": values.pop("format_version")}
        return json.dumps(head | values, indent=1) + "\n"


def read_manifest(out: Path) -> Manifest:
    """Reads `dataset.json`.

    Raises:
        FileNotFoundError: where there is none.
        DatasetError: where it is of another format version, or is no manifest.
    """
    path = out / schema.MANIFEST_NAME
    try:
        values = json.loads(read_text(path))
        found = values["format_version"]
        if found == schema.FORMAT_VERSION:
            return _manifest(values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(f"{path} is no manifest of a dataset: {error!r}") from error
    raise DatasetError(
        f"{path} has format version {found}, this shapegan reads {schema.FORMAT_VERSION}:"
        " make the dataset again, or install the version that made it"
    )


def _manifest(values: dict[str, Any]) -> Manifest:
    shards = tuple(ShardRow(**row) for row in values.pop("shards"))
    config = PreprocessConfig.from_dict(values.pop("config"))
    return Manifest(config=config, shards=shards, **values)


def write_reports(path: Path, reports: Iterable[MeshReport]) -> None:
    """Writes `meshes.csv`."""
    names = [column.name for column in dataclasses.fields(MeshReport)]
    rows = ([getattr(report, name) for name in names] for report in reports)
    write_table(path, names, rows)


def read_reports(path: Path) -> list[MeshReport]:
    """Reads `meshes.csv`.

    Raises:
        DatasetError: where it is missing or is not what `write_reports` writes.
    """
    try:
        return [_report(row) for row in read_table(path)]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def _report(row: dict[str, Any]) -> MeshReport:
    for name, number in _NUMBERS.items():
        row[name] = number(row[name]) if row[name] else None
    return MeshReport(**row)


def _job_rows(jobs: Iterable[Job]) -> Iterator[tuple[str, str, str, str]]:
    return ((job.id, job.category, job.relative, job.split) for job in jobs)


def fingerprint(jobs: Sequence[Job]) -> str:
    """SHA-256 of the list of meshes: what lies where, not what the files hold."""
    text = table_text(_JOB_COLUMNS, _job_rows(jobs))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Rejections:
    """Meshes that are not in the dataset for one reason."""

    status: str
    reason: str
    """That of the first of them; figures in it may differ for the others."""
    count: int
    example: str
    """Id of the first of them."""


def publish(out: Path, manifest: Manifest) -> tuple[Manifest, list[Rejections]]:
    """Writes `meshes.csv` and `dataset.json` from the whole shards, however many there are.

    Returns:
        The manifest as written, and why meshes are missing, the most frequent reason first.
    """
    found = (read_record(out, k, manifest.shard_jobs(k)) for k in range(manifest.shard_count))
    records = [record for record in found if record is not None]
    reports = [report for record in records for report in record.reports]
    write_reports(out / schema.REPORT_NAME, reports)
    splits: dict[str, list[str]] = {}
    for report in reports:
        if report.status == "ok" and report.split:
            splits.setdefault(report.split, []).append(report.id)
    manifest = dataclasses.replace(
        manifest,
        complete=len(records) == manifest.shard_count,
        counts=dict(Counter(report.status for report in reports)),
        shards=tuple(ShardRow(r.index, r.file, r.shapes, r.bytes, r.sha256) for r in records),
        splits=splits,
    )
    write_text(out / schema.MANIFEST_NAME, manifest.to_json())
    return manifest, find_rejections(reports)


def find_rejections(reports: Iterable[MeshReport]) -> list[Rejections]:
    """Groups the meshes that are not `ok` by reason, whatever the figures in it."""
    groups: dict[tuple[str, str], list[MeshReport]] = {}
    for report in reports:
        if report.status != "ok":
            reason = re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "#", report.reason)
            groups.setdefault((report.status, reason), []).append(report)
    found = [
        Rejections(status, group[0].reason, len(group), group[0].id)
        for (status, _), group in groups.items()
    ]
    return sorted(found, key=lambda one: -one.count)


@contextlib.contextmanager
def opened_output(
    out: Path, root: Path, jobs: Sequence[Job], config: PreprocessConfig
) -> Iterator[Manifest]:
    """Makes the output folder, or takes up an existing one, for as long as the context lasts.

    Raises:
        OutputError: where it cannot be written, another run is using it, or it was started with
            another configuration or other meshes.
        DatasetError: where it holds something that is no dataset of this format.
    """
    with _locked(out):
        wanted = Manifest(config, str(root), len(jobs), fingerprint(jobs))
        try:
            manifest = read_manifest(out)
        except FileNotFoundError:
            _start(out, wanted, jobs)
            manifest = wanted
        _check_same(out, manifest, wanted, jobs)
        folders = (out, out / schema.SHARD_FOLDER, out / PART_FOLDER)
        for folder in folders:
            _make_folder(folder)
            sweep(folder)
        try:
            yield manifest
        finally:
            for folder in folders:
                sweep(folder)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    _make_folder(out)
    try:
        file = (out / ".lock").open("w")
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"another run is writing to {out}: wait for it, or choose another --out"
            ) from error
        yield


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error


def _start(out: Path, manifest: Manifest, jobs: Sequence[Job]) -> None:
    strangers = [*out.glob(f"{schema.SHARD_FOLDER}/*"), *out.glob(f"{PART_FOLDER}/*")]
    if strangers:
        raise OutputError(
            f"{out} has no {schema.MANIFEST_NAME}, but {strangers[0].relative_to(out)}:"
            " move that away, or choose another --out"
        )
    write_table(out / JOBS_NAME, _JOB_COLUMNS, _job_rows(jobs))
    write_text(out / schema.MANIFEST_NAME, manifest.to_json())


def _check_same(out: Path, there: Manifest, wanted: Manifest, jobs: Sequence[Job]) -> None:
    differences = there.config.difference(wanted.config)
    if there.code_version != wanted.code_version:
        differences.append(f"shapegan's version: {there.code_version} -> {wanted.code_version}")
    if differences:
        raise OutputError(
            f"{out} was started with other settings:\n  "
            + "\n  ".join(differences)
            + "\nGive the first ones to resume it, or choose another --out"
        )
    if there.fingerprint != wanted.fingerprint:
        raise OutputError(
            f"{out} was started with other meshes ({_changes(out, jobs)}), and they would not"
            " fall into the same shards: check INPUT, --category, --limit and --splits, or"
            " choose another --out"
        )


def _changes(out: Path, jobs: Sequence[Job]) -> str:
    try:
        rows = read_table(out / JOBS_NAME)
        before = {(row["id"], row["path"], row["split"]) for row in rows}
    except (OSError, KeyError, csv.Error):
        return f"{JOBS_NAME} is missing"
    now = {(job.id, job.relative, job.split) for job in jobs}
    if before == now:
        return "in another order"
    return f"{len(now - before)} new or moved, {len(before - now)} gone"

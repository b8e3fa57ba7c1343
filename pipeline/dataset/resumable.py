"""Output folders of runs that can be resumed: locked, and checked against an earlier run.

The manifest exists from the start of the first run, so a second run knows what it resumes.
"""

import contextlib
import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.tables import read_table, table_text, write_table
from shapegan.pipeline.files import OutputError, sweep, write_text
from shapegan.pipeline.folder_lock import folder_lock
from shapegan.pipeline.schema import Job

JOBS_NAME = "jobs.csv"
"""The list of meshes that the run was started with."""
_JOB_COLUMNS = ("id", "category", "path", "split")


class ResumableManifest(Protocol):
    """The manifest of an output folder: what decides its bytes."""

    @property
    def config(self) -> Any:
        """The settings, with a method `difference`."""

    @property
    def fingerprint(self) -> str:
        """See `fingerprint`."""

    @property
    def code_version(self) -> str:
        """Version of shapegan."""

    @property
    def format_version(self) -> int:
        """Version of the folder's contents."""

    def to_json(self) -> str:
        """The text of the file."""


M = TypeVar("M", bound=ResumableManifest)


@dataclass(frozen=True)
class Layout(Generic[M]):
    """The files of an output folder."""

    manifest: str
    """Name of the manifest."""
    read: Callable[[Path], M]
    """Reads the manifest of a folder; raises `FileNotFoundError` if it has none."""
    folders: tuple[str, ...]
    """Folders that results are written to."""
    choices: str
    """Arguments of the command that select the meshes, for messages."""


@contextlib.contextmanager
def open_resumable(out: Path, jobs: Sequence[Job], wanted: M, layout: Layout[M]) -> Iterator[M]:
    """Make an output folder, or reopen an existing one, and lock it while the context lasts.

    Args:
        out: The output folder.
        jobs: All meshes of the run, in order.
        wanted: The manifest of a new folder.
        layout: The files of the folder.

    Yields:
        The manifest found, or the one wanted.

    Raises:
        OutputError: the folder cannot be written, another run is using it, or it was started
            with another configuration or other meshes.
        PlainError: the manifest found cannot be read.
    """
    _make_folder(out)
    held = f"another run is writing to {out}: wait for it, or choose another --out"
    with folder_lock(out, held):
        try:
            manifest = layout.read(out)
        except FileNotFoundError:
            _start(out, wanted, jobs, layout)
            manifest = wanted
        _check_same(out, manifest, wanted, jobs, layout.choices)
        for name in layout.folders:
            _make_folder(out / name)
        sweep(out)
        try:
            yield manifest
        finally:
            sweep(out)


def read_ids(out: Path) -> list[str]:
    """The ids of the meshes that a run was started with, in order.

    Raises:
        DatasetError: the list cannot be read.
    """
    try:
        return [line["id"] for line in read_table(out / JOBS_NAME)]
    except (OSError, KeyError, csv.Error) as error:
        raise DatasetError(f"cannot read {out / JOBS_NAME}: {error!r}") from error


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


def _start(
    out: Path, manifest: ResumableManifest, jobs: Sequence[Job], layout: Layout[Any]
) -> None:
    """Write the list of meshes and a manifest of a run that has done nothing yet."""
    strangers = [found for folder in layout.folders for found in out.glob(f"{folder}/*")]
    if strangers:
        raise OutputError(
            f"{out} has no {layout.manifest}, but {strangers[0].relative_to(out)}:"
            " move that away, or choose another --out"
        )
    write_table(out / JOBS_NAME, _JOB_COLUMNS, _job_lines(jobs))
    write_text(out / layout.manifest, manifest.to_json())


def _check_same(
    out: Path,
    found: ResumableManifest,
    wanted: ResumableManifest,
    jobs: Sequence[Job],
    choices: str,
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
            f"{out} was started with other meshes ({_changes(out, jobs)}): check {choices}, or"
            " choose another --out"
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

"""Where a dataset in the making stands, as its files tell: who makes it need not be asked."""

import fcntl
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.manifest import (
    DatasetError,
    Rejections,
    find_rejections,
    read_manifest,
)
from shapegan.pipeline.dataset.staging import read_record, read_report, report_path
from shapegan.pipeline.schema import MeshReport

LOCK_NAME = ".lock"
_WINDOW = 900.0
"""Seconds that the speed is taken over: some shards, so that one that is joined makes no jump."""


@dataclass(frozen=True)
class DatasetStatus:
    """How far a dataset is."""

    path: str
    running: bool | None
    """Whether a run has it in hand; None where the file system does not tell."""
    complete: bool
    meshes: int
    """To be done in all."""
    done: int
    counts: dict[str, int]
    """Status -> meshes that are done."""
    shards: int
    """That are whole."""
    shard_count: int
    """In the end."""
    bytes: int
    """Of the whole shards."""
    last_change: float | None
    """Seconds since the last mesh was done or shard joined."""
    meshes_per_second: float | None
    """Of late; None where no run goes on, or it has done nothing yet."""
    seconds_left: float | None
    find_rejections: list[Rejections]
    """Why meshes are missing, the most frequent reason first."""


def dataset_status(path: Path) -> DatasetStatus:
    """Reads what is there; a run that goes on is not disturbed.

    Raises:
        DatasetError: where there is no dataset of this format.
    """
    # 1. What there is to do
    try:
        manifest = read_manifest(path)
    except OSError as error:
        raise DatasetError(
            f"{path} is no dataset: cannot read {schema.MANIFEST_NAME}: {error.strerror}"
        ) from error
    # 2. What is done: whole shards, and meshes of those that have been begun
    reports: list[MeshReport] = []
    moments: list[tuple[float, int]] = []
    shards = size = 0
    for index in range(manifest.shard_count):
        numbers = manifest.shard_jobs(index)
        if record := read_record(path, index, numbers):
            shards, size = shards + 1, size + record.bytes
            reports += record.reports
            file = (path / schema.shard_name(index)).with_suffix(".json")
            moments += _moment(file, len(numbers))
            continue
        for number in numbers:
            if report := read_report(path, number):
                reports.append(report)
                moments += _moment(report_path(path, number), 1)
    # 3. How fast
    running = is_locked(path)
    rate = _speed(path, moments) if running else None
    left = manifest.meshes - len(reports)
    return DatasetStatus(
        path=str(path),
        running=running,
        complete=shards == manifest.shard_count,
        meshes=manifest.meshes,
        done=len(reports),
        counts=dict(Counter(report.status for report in reports)),
        shards=shards,
        shard_count=manifest.shard_count,
        bytes=size,
        last_change=age(max((when for when, _ in moments), default=None)),
        meshes_per_second=rate,
        seconds_left=left / rate if rate else None,
        find_rejections=find_rejections(reports),
    )


def _moment(path: Path, meshes: int) -> list[tuple[float, int]]:
    """When a file was written, and for how many meshes; nothing if it is gone by now."""
    try:
        return [(path.stat().st_mtime, meshes)]
    except FileNotFoundError:
        return []


def _speed(path: Path, moments: Sequence[tuple[float, int]]) -> float | None:
    """Meshes a second since the run took the lock, or in the last quarter of an hour."""
    now = time.time()
    since = max((path / LOCK_NAME).stat().st_mtime, now - _WINDOW)
    done = sum(meshes for when, meshes in moments if when > since)
    return done / (now - since) if done and now > since else None


def age(moment: float | None) -> float | None:
    """Seconds since then; clocks of file servers may be ahead."""
    return None if moment is None else max(0.0, time.time() - moment)


def is_locked(folder: Path) -> bool | None:
    """Whether a run holds the lock of its folder; None where locks are not to be had.

    The look takes a shared lock for an instant.
    """
    try:
        with (folder / LOCK_NAME).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False

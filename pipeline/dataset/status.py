"""Progress of a dataset that is being made, read from its files alone."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.manifest import Manifest, require_manifest
from shapegan.pipeline.dataset.reports import Rejections, find_rejections
from shapegan.pipeline.dataset.staging import (
    read_record,
    read_staged_report,
    staged_report_path,
)
from shapegan.pipeline.folder_lock import LOCK_NAME, is_locked
from shapegan.pipeline.schema import MeshReport

_SPEED_SECONDS = 900.0
"""Period over which the speed is measured: long enough to hold several shards, so that joining one
changes the speed little."""


@dataclass(frozen=True)
class DatasetStatus:
    """Progress of a dataset."""

    path: str
    running: bool | None
    """True if a process is making it; None if the file system has no locks."""
    complete: bool
    """True if every shard is whole."""
    meshes: int
    """Number of meshes of the complete dataset."""
    done: int
    """Number of meshes that are done."""
    counts: dict[str, int]
    """Status -> number of meshes that are done."""
    shards: int
    """Number of whole shards."""
    shard_count: int
    """Number of shards of the complete dataset."""
    bytes: int
    """Bytes of the whole shards."""
    last_change: float | None
    """Seconds since the last mesh was done or the last shard joined."""
    meshes_per_second: float | None
    """Recent speed; None if no process is running, or it has done nothing yet."""
    seconds_left: float | None
    rejections: list[Rejections]
    """Why meshes are missing, the most frequent reason first."""


@dataclass
class _Done:
    """Finished work that is found on disk."""

    reports: list[MeshReport] = field(default_factory=list)
    times: list[tuple[float, int]] = field(default_factory=list)
    """Time that a file was written, seconds since the epoch, and the meshes that it stands for."""
    shards: int = 0
    bytes: int = 0

    def add_time(self, path: Path, meshes: int) -> None:
        """Note the modification time of a file, unless another process has removed it."""
        try:
            self.times.append((path.stat().st_mtime, meshes))
        except FileNotFoundError:
            return


def dataset_status(path: Path) -> DatasetStatus:
    """Read the progress of a dataset, without disturbing the process that makes it.

    Raises:
        DatasetError: there is no dataset of this format.
    """
    manifest = require_manifest(path)
    done = _read_done(path, manifest)
    running = is_locked(path)
    speed = recent_speed(path, done.times) if running else None
    left = manifest.meshes - len(done.reports)
    return DatasetStatus(
        path=str(path),
        running=running,
        complete=done.shards == manifest.shard_count,
        meshes=manifest.meshes,
        done=len(done.reports),
        counts=dict(Counter(report.status for report in done.reports)),
        shards=done.shards,
        shard_count=manifest.shard_count,
        bytes=done.bytes,
        last_change=age(max((when for when, _ in done.times), default=None)),
        meshes_per_second=speed,
        seconds_left=left / speed if speed else None,
        rejections=find_rejections(done.reports),
    )


def _read_done(path: Path, manifest: Manifest) -> _Done:
    """Find the whole shards, and the finished meshes of the others."""
    done = _Done()
    for index in range(manifest.shard_count):
        jobs = manifest.shard_jobs(index)
        if record := read_record(path, index, jobs):
            done.shards += 1
            done.bytes += record.bytes
            done.reports += record.reports
            done.add_time((path / schema.shard_name(index)).with_suffix(".json"), len(jobs))
            continue
        for job in jobs:
            if report := read_staged_report(path, job):
                done.reports.append(report)
                done.add_time(staged_report_path(path, job), 1)
    return done


def recent_speed(path: Path, times: Sequence[tuple[float, int]]) -> float | None:
    """Meshes per second since the process took the lock, or over the last `_SPEED_SECONDS`.

    Args:
        path: The output folder.
        times: When meshes were done, seconds since the epoch, and how many.
    """
    now = time.time()
    since = max((path / LOCK_NAME).stat().st_mtime, now - _SPEED_SECONDS)
    done = sum(meshes for when, meshes in times if when > since)
    return done / (now - since) if done and now > since else None


def age(moment: float | None) -> float | None:
    """Seconds since a time in seconds since the epoch; at least 0, as file servers' clocks differ.

    None gives None.
    """
    return None if moment is None else max(0.0, time.time() - moment)

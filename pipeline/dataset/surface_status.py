"""Progress of a run of `shapegan watertight`, read from its files alone."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.reports import Rejections, find_rejections
from shapegan.pipeline.dataset.resumable import read_ids
from shapegan.pipeline.dataset.staging import staged_report_path
from shapegan.pipeline.dataset.status import age, recent_speed
from shapegan.pipeline.dataset.surfaces import read_done, read_surface_manifest
from shapegan.pipeline.folder_lock import is_locked


@dataclass(frozen=True)
class SurfaceStatus:
    """Progress of a folder of watertight meshes."""

    path: str
    running: bool | None
    """True if a process is making them; None if the file system has no locks."""
    complete: bool
    """True if every mesh is done."""
    meshes: int
    """Number of meshes of the complete run."""
    done: int
    """Number of meshes that are done."""
    counts: dict[str, int]
    """Status -> number of meshes that are done."""
    bytes: int
    """Bytes of the surfaces."""
    last_change: float | None
    """Seconds since the last mesh was done."""
    meshes_per_second: float | None
    """Recent speed; None if no process is running, or it has done nothing yet."""
    seconds_left: float | None
    rejections: list[Rejections]
    """Why surfaces are missing, the most frequent reason first."""


def surface_status(path: Path) -> SurfaceStatus:
    """Read the progress of a run, without disturbing the process that works on it.

    Raises:
        DatasetError: the folder holds no run of this format.
    """
    manifest = read_surface_manifest(path)
    done = read_done(path, read_ids(path))
    times = []
    for number, report in done.items():
        files = (staged_report_path(path, number), path / (report.file or schema.REPORT_NAME))
        written = [file.stat().st_mtime for file in files if file.exists()]
        times += [(max(written), 1)] if written else []
    running = is_locked(path)
    speed = recent_speed(path, times) if running else None
    left = manifest.meshes - len(done)
    return SurfaceStatus(
        path=str(path),
        running=running,
        complete=not left,
        meshes=manifest.meshes,
        done=len(done),
        counts=dict(Counter(report.status for report in done.values())),
        bytes=sum(report.bytes or 0 for report in done.values()),
        last_change=age(max((when for when, _ in times), default=None)),
        meshes_per_second=speed,
        seconds_left=left / speed if speed else None,
        rejections=find_rejections(done.values()),
    )

"""Progress of a run on a console, and its summary at the end."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.dataset.surfaces import MESH_FOLDER, SurfaceReport
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.progress_display import ProgressDisplay, print_line
from shapegan.pipeline.schema import Report
from shapegan.pipeline.wording import counted, duration, readable_size

_REASONS = 20


class RunProgress:
    """Progress of a run: meshes done, speed, time left, and meshes by status.

    Args:
        total: Meshes of the run, those of earlier runs included.
        console: Console to draw on.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, total: int, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._done_here = 0
        self._started = clock()
        self._display = ProgressDisplay(console, total, clock)

    def __enter__(self) -> Self:
        self._display.__enter__()
        self._update()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.__exit__(kind, error, trace)
        refused = isinstance(error, PlainError) and not self._counts
        if not refused:  # "0 of 48 meshes" would hide the reason why none was begun
            self._display.finish(self.text())

    def resume(self, reports: Sequence[Report]) -> None:
        """Count meshes that an earlier run has done."""
        self._counts.update(report.status for report in reports)
        self._update()

    def advance(self, report: Report) -> None:
        """Count a mesh that this run has done."""
        self._counts[report.status] += 1
        self._done_here += 1
        self._update()

    def note(self, text: str) -> None:
        """Print a line for the user."""
        self._display.print(text)

    def text(self) -> str:
        """Progress in one line."""
        done = self._counts.total()
        counts = ", ".join(f"{self._counts[status]:,} {status}" for status in schema.STATUSES)
        return f"{done:,} of {self._total:,} meshes{self._speed(done)}; {counts}"

    def _speed(self, done: int) -> str:
        seconds = self._clock() - self._started
        if not self._done_here or seconds <= 0:
            return ""
        rate = self._done_here / seconds
        left = f", {duration((self._total - done) / rate)} left" if done < self._total else ""
        return f", {rate:.3g}/s{left}"

    def _update(self) -> None:
        self._display.update(self._counts.total(), self.text())


def print_summary(
    out: Path, manifest: Manifest, rejections: Sequence[Rejections], console: Console
) -> None:
    """Print what a run has made, and why meshes are missing."""
    print_rejections(rejections, console)
    size = sum(shard.bytes for shard in manifest.shards)
    accepted, files = manifest.counts.get("ok", 0), sum(1 for s in manifest.shards if s.file)
    print_line(
        console,
        f"{accepted:,} of {manifest.meshes:,} meshes are in {counted(files, 'shard')},"
        f" {readable_size(size)}, below {out}. A row for each mesh: {out / schema.REPORT_NAME}",
    )


def print_surface_summary(
    out: Path,
    reports: Sequence[SurfaceReport],
    rejections: Sequence[Rejections],
    console: Console,
) -> None:
    """Print how many surfaces a run has made, and why others are missing."""
    print_rejections(rejections, console)
    accepted = sum(report.status == "ok" for report in reports)
    size = sum(report.bytes or 0 for report in reports)
    print_line(
        console,
        f"{accepted:,} of {len(reports):,} meshes have a watertight surface,"
        f" {readable_size(size)}, in {out / MESH_FOLDER}. A row for each mesh:"
        f" {out / schema.REPORT_NAME}",
    )


def print_rejections(rejections: Sequence[Rejections], console: Console) -> None:
    """Print why meshes are missing, if any are."""
    if rejections:
        console.print(_rejection_table(rejections[:_REASONS]))
        if len(rejections) > _REASONS:
            console.print(f"... and {len(rejections) - _REASONS} more reasons")


def _rejection_table(rejections: Sequence[Rejections]) -> Table:
    table = Table(
        "meshes", "status", "reason", "such as", title="Rejected or failed", title_justify="left"
    )
    table.columns[0].justify = "right"
    for group in rejections:
        table.add_row(f"{group.count:,}", group.status, escape(group.reason), escape(group.example))
    return table

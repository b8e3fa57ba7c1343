"""What a run tells its user: how far it is, what was turned away, what it would do."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.manifest import Manifest, Rejections
from shapegan.pipeline.schema import MeshReport
from shapegan.pipeline.wording import counted, duration, readable_size

_LINE_SECONDS = 30.0
_REASONS = 20


class PreprocessProgress:
    """Counts meshes and shows them: as a bar in a terminal, elsewhere as a line now and then."""

    def __init__(
        self, total: int, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._console = console
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._done_here = 0
        self._started = self._said = clock()
        columns = (BarColumn(bar_width=None), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(self.text(), total=total)

    def __enter__(self) -> "PreprocessProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if not self._console.is_terminal:
            self._say()

    def resume(self, reports: Sequence[MeshReport]) -> None:
        """These meshes were done by an earlier run."""
        self._counts.update(report.status for report in reports)
        self._show()

    def advance(self, report: MeshReport) -> None:
        """This mesh is done."""
        self._counts[report.status] += 1
        self._done_here += 1
        self._show()

    def note(self, text: str) -> None:
        """Something that the user should know, in a line."""
        self._print(text)

    def text(self) -> str:
        """How far it is, in a line."""
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

    def _show(self) -> None:
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._counts.total(), description=self.text())
        elif self._clock() - self._said >= _LINE_SECONDS:
            self._say()

    def _say(self) -> None:
        self._said = self._clock()
        self._print(self.text())

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def summarise(out: Path, manifest: Manifest, away: Sequence[Rejections], console: Console) -> None:
    """Says what a run has made, and why meshes are missing."""
    if away:
        console.print(_table_of(away[:_REASONS]))
        if len(away) > _REASONS:
            console.print(f"... and {len(away) - _REASONS} more reasons")
    size = sum(shard.bytes for shard in manifest.shards)
    accepted, files = manifest.counts.get("ok", 0), sum(1 for s in manifest.shards if s.file)
    console.print(
        f"{accepted:,} of {manifest.meshes:,} meshes are in {counted(files, 'shard')},"
        f" {readable_size(size)}, below {out}. A row for each mesh: {out / schema.REPORT_NAME}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _table_of(away: Sequence[Rejections]) -> Table:
    table = Table(
        "meshes", "status", "reason", "such as", title="Turned away", title_justify="left"
    )
    table.columns[0].justify = "right"
    for one in away:
        table.add_row(f"{one.count:,}", one.status, escape(one.reason), escape(one.example))
    return table

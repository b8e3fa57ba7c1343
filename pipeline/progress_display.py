"""Progress on a console: a bar in a terminal, a line every half minute elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LINE_SECONDS = 30.0
"""Seconds between two lines where there is no terminal."""


class ProgressDisplay:
    """One line of progress that is kept up to date while the context lasts.

    Args:
        console: Console to draw on.
        total: Value of `update`'s `completed` at the end of the work.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, console: Console, total: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._clock = console, clock
        self._last_line = clock()
        columns = (BarColumn(bar_width=None), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, completed: float, text: str) -> None:
        """Move the bar; without a terminal, print the text if the last line is old enough."""
        if self._console.is_terminal:
            self._bar.update(self._task, completed=completed, description=text)
        elif self._clock() - self._last_line >= LINE_SECONDS:
            self._last_line = self._clock()
            self.print(text)

    def finish(self, text: str) -> None:
        """Print a last line where there is no terminal; in one, the bar shows it already."""
        if not self._console.is_terminal:
            self.print(text)

    def print(self, text: str) -> None:
        """Print a line above the bar, as it is: no markup, no wrapping."""
        print_line(self._console, text)


def print_line(console: Console, text: str) -> None:
    """Print a line as it is: no colours, markup, emoji or wrapping."""
    console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)

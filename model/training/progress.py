"""What a training tells its user: how far it is and what it measures, in a line that is kept up."""

import json
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.schedule import Position
from shapegan.model.training.forecast import StageForecast
from shapegan.pipeline.wording import duration, readable_size

_LINE_SECONDS = 30.0


class TrainingProgress:
    """Shows a run: as a bar in a terminal, elsewhere as a line now and then.

    Args:
        config: Of the run.
        console: Where to.
        clock: Seconds; tests have their own.
    """

    def __init__(
        self, config: TrainConfig, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._console, self._clock = config, console, clock
        self._stage = self._numbers = ""
        self._overall = self._first = 0.0
        self._started = self._said = clock()
        columns = (BarColumn(bar_width=None), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def stage(self, stage: Stage, position: Position, steps: int | None) -> None:
        """A stage begins, or is gone on with."""
        count = len(self._config.stages)
        what = f"{stage.size}^3" if self._config.recipe == "voxel" else f"{stage.size:,} points"
        refined = ", refinement" if stage.refine else ""
        self._stage = f"stage {position.stage + 1} of {count} ({what}{refined})"
        length = f"{steps:,} steps" if steps is not None else "by time"
        self.note(f"{self._stage}: {length}, {stage.batch} shapes each")

    def row(self, row: dict[str, float], overall: float) -> None:
        """What was measured over some steps."""
        if not self._numbers:
            self._first, self._started = overall, self._clock()
        self._overall = overall
        self._numbers = _numbers(row)
        if self._console.is_terminal:
            self._bar.update(self._task, completed=overall, description=self.text())
        elif self._clock() - self._said >= _LINE_SECONDS:
            self._said = self._clock()
            self._print(self.text())

    def note(self, text: str) -> None:
        """Something that the user should know, in a line."""
        self._print(text)

    def text(self) -> str:
        """How far the run is, in a line."""
        return f"{self._stage}, {self._overall:.1%}{self._left()}; {self._numbers}"

    def _left(self) -> str:
        gone = self._overall - self._first
        seconds = self._clock() - self._started
        if gone <= 0 or self._overall >= 1:
            return ""
        return f", {duration(seconds / gone * (1 - self._overall))} left"

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _numbers(row: dict[str, float]) -> str:
    """Step, speed and losses, in words."""
    parts = [f"step {int(row['total']):,}", f"{row['shapes_per_second']:.3g} shapes/s"]
    if row.get("fade", 1.0) < 1:
        parts.append(f"fade {row['fade']:.2f}")
    names = {"distance": "critic's distance", "penalty": "penalty", "loss": "loss"}
    parts += [f"{word} {row[name]:.4g}" for name, word in names.items() if name in row]
    return ", ".join(parts)


def tell_forecast(config: TrainConfig, found: Sequence[StageForecast], console: Console) -> None:
    """Says what a run would train, how long, and what it takes: `--dry-run`."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)

    say(json.dumps(config.to_dict(), indent=2))
    for number, one in enumerate(found):
        counts = ", ".join(f"{name} {count:,}" for name, count in one.parameters.items())
        length = f"{one.steps:,} steps" if one.steps is not None else "by time"
        say(
            f"stage {number + 1}, size {one.stage.size:,}: {length} of {one.stage.batch} shapes;"
            f" weights: {counts}; about {readable_size(one.bytes)} of memory"
        )
    shapes, stored = found[0].shapes, max(one.stored for one in found)
    say(f"{shapes:,} shapes; kept in memory they take {readable_size(stored)} more, at most")

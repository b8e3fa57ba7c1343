"""Progress of a training on the console, and the forecast of --dry-run."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console

from shapegan.model.config import VOXEL_RECIPES, Stage, TrainConfig
from shapegan.model.schedule import Position
from shapegan.model.training.forecast import StageForecast
from shapegan.pipeline.progress_display import ProgressDisplay, print_line
from shapegan.pipeline.wording import counted, duration, readable_size


class TrainingProgress:
    """Reporter that shows a run: a bar in a terminal, a line now and then elsewhere.

    Args:
        config: Config of the run.
        console: Console to draw on.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, config: TrainConfig, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._clock = config, clock
        self._stage = self._measurements = ""
        self._overall = self._first_overall = 0.0
        self._started = clock()
        self._display = ProgressDisplay(console, 1.0, clock)

    def __enter__(self) -> "TrainingProgress":
        self._display.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.__exit__(kind, error, trace)

    def stage(self, stage: Stage, position: Position, steps: int | None) -> None:
        """Print that a stage starts or continues."""
        count = len(self._config.stages)
        size = (
            f"{stage.size}^3" if self._config.recipe in VOXEL_RECIPES else f"{stage.size:,} points"
        )
        refined = ", refinement" if stage.refine else ", prior" if stage.prior else ""
        self._stage = f"stage {position.stage + 1} of {count} ({size}{refined}{_thickening(stage)})"
        length = counted(steps, "step") if steps is not None else "by time"
        self.note(f"{self._stage}: {length}, {counted(stage.batch, 'shape')} each")

    def row(self, row: dict[str, float], overall: float) -> None:
        """Show measurements over some steps."""
        if not self._measurements:
            self._first_overall, self._started = overall, self._clock()
        self._overall = overall
        self._measurements = _measurements(row)
        self._display.update(overall, self.text())

    def note(self, text: str) -> None:
        """Print a message."""
        self._display.print(text)

    def text(self) -> str:
        """Stage, progress, time left and measurements, in a line."""
        return f"{self._stage}, {self._overall:.1%}{self._time_left()}; {self._measurements}"

    def _time_left(self) -> str:
        done = self._overall - self._first_overall
        seconds = self._clock() - self._started
        if done <= 0 or self._overall >= 1:
            return ""
        return f", {duration(seconds / done * (1 - self._overall))} left"


def _thickening(stage: Stage) -> str:
    """Offsets of thin parts at the start and the end of a stage."""
    if not stage.thin_parts:
        return ""
    offsets = dict.fromkeys(f"{stage.thin_offset_at(at):g}" for at in (0.0, 1.0))
    return f", thin parts + {' to '.join(offsets)}"


def _measurements(row: dict[str, float]) -> str:
    """Step, speed and losses, in words."""
    parts = [f"step {int(row['total']):,}", f"{row['shapes_per_second']:.3g} shapes/s"]
    if row.get("fade", 1.0) < 1:
        parts.append(f"fade {row['fade']:.2f}")
    names = {"distance": "critic's distance", "penalty": "penalty", "loss": "loss"}
    parts += [f"{word} {row[name]:.4g}" for name, word in names.items() if name in row]
    return ", ".join(parts)


def print_forecast(forecasts: Sequence[StageForecast], console: Console) -> None:
    """Print steps, weights and memory of each stage."""
    for number, one in enumerate(forecasts):
        counts = ", ".join(f"{name} {count:,}" for name, count in one.parameters.items())
        length = counted(one.steps, "step") if one.steps is not None else "by time"
        batch = counted(one.stage.batch, "shape")
        print_line(
            console,
            f"stage {number + 1}, size {one.stage.size:,}: {length} of {batch};"
            f" weights: {counts}; about {readable_size(one.peak_bytes)} of memory",
        )
    shapes, stored = forecasts[0].shape_count, max(one.stored_bytes for one in forecasts)
    print_line(
        console,
        f"{shapes:,} shapes; kept in memory, they take up to {readable_size(stored)} more",
    )

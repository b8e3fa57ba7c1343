import io
from typing import Any

from rich.console import Console
from support.training import POINT, REFINED, VOXEL

from shapegan.model.config import TrainConfig
from shapegan.model.schedule import Position
from shapegan.model.training.forecast import StageForecast
from shapegan.model.training.progress import TrainingProgress, print_forecast
from shapegan.pipeline.wording import duration, readable_size

ROW: dict[str, float] = {
    "total": 1234,
    "stage": 1,
    "shapes_per_second": 56.789,
    "fade": 0.25,
    "distance": 0.123456,
    "penalty": 3.5,
}


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(
    config: TrainConfig = VOXEL, **console: Any
) -> tuple[TrainingProgress, io.StringIO, Clock]:
    text, clock = io.StringIO(), Clock()
    return TrainingProgress(config, Console(file=text, width=200, **console), clock), text, clock


def test_the_start_of_a_stage_is_printed() -> None:
    progress, text, _ = make()
    with progress:
        progress.stage(VOXEL.stages[0], Position(), 1500)
        progress.stage(VOXEL.stages[1], Position(stage=1), None)
    assert text.getvalue().splitlines() == [
        "stage 1 of 2 (8^3): 1,500 steps, 4 shapes each",
        "stage 2 of 2 (16^3): by time, 4 shapes each",
    ]


def test_points_and_refinement_are_named() -> None:
    progress, text, _ = make(REFINED)
    with progress:
        progress.stage(POINT.stages[0], Position(), 3)
        progress.stage(REFINED.stages[1], Position(stage=1), 3)
    said = text.getvalue()
    assert "(256 points): 3 steps" in said
    assert "(512 points, refinement): 3 steps" in said


def test_a_line_has_stage_progress_time_left_and_measurements() -> None:
    progress, _, clock = make()
    progress.stage(VOXEL.stages[1], Position(stage=1), 100)
    progress.row(ROW, 0.5)
    assert progress.text() == (
        "stage 2 of 2 (16^3), 50.0%; step 1,234, 56.8 shapes/s, fade 0.25,"
        " critic's distance 0.1235, penalty 3.5"
    )
    clock.now = 60
    progress.row(ROW | {"fade": 1.0}, 0.6)
    assert f", 60.0%, {duration(240)} left; step 1,234, 56.8 shapes/s, critic's" in progress.text()
    progress.row({"total": 5, "shapes_per_second": 1.0, "loss": 0.25}, 1.0)
    assert progress.text().endswith("100.0%; step 5, 1 shapes/s, loss 0.25")


def test_without_a_terminal_a_line_comes_from_time_to_time() -> None:
    progress, text, clock = make()
    with progress:
        progress.stage(VOXEL.stages[0], Position(), 100)
        for second in range(65):
            clock.now = float(second)
            progress.row(ROW | {"total": second}, second / 100)
    lines = text.getvalue().splitlines()
    assert [line.split("step ")[-1].split(",")[0] for line in lines[1:]] == ["30", "60"]


def test_a_terminal_has_a_bar_that_goes_on() -> None:
    progress, text, _ = make(force_terminal=True)
    with progress:
        progress.stage(VOXEL.stages[0], Position(), 100)
        for total in range(5):
            progress.row(ROW | {"total": total}, total / 5)
        progress.note("[red] is no markup: :smile:")
    said = text.getvalue()
    assert "[red] is no markup: :smile:" in said
    assert "step 4" in said


def test_a_forecast_has_a_line_for_each_stage() -> None:
    text = io.StringIO()
    found = [
        StageForecast(stage, {"generator": 12345, "critic": 678}, 3 * 10**9, steps, 256, 10**6)
        for stage, steps in zip(VOXEL.stages, (1000, None), strict=True)
    ]
    print_forecast(found, Console(file=text, width=80))
    first, second, last = text.getvalue().splitlines()
    assert first == (
        "stage 1, size 8: 1,000 steps of 4 shapes; weights: generator 12,345, critic 678;"
        f" about {readable_size(3 * 10**9)} of memory"
    )
    assert second.startswith("stage 2, size 16: by time of 4 shapes")
    stored = readable_size(10**6)
    assert last == f"256 shapes; kept in memory, they take up to {stored} more"

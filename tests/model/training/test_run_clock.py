import dataclasses
from pathlib import Path

import pytest
import torch

from shapegan.model.distributed import Ranks
from shapegan.model.schedule import Budget, Position
from shapegan.model.training.run_clock import RunClock
from shapegan.model.training.settings import TrainSettings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(seconds: float | None, start: float = 0.0) -> tuple[RunClock, Clock, Position]:
    """A clock of a process that began `start` seconds ago."""
    clock = Clock()
    settings = TrainSettings(Path(), Path(), budget=Budget(None, seconds), clock=clock)
    return RunClock(settings, clock.now - start, Ranks()), clock, Position()


def test_all_time_counts_but_only_steps_count_to_the_stage() -> None:
    clock, now, position = opened(60, start=5)
    now.now += 2
    start = clock.now()
    now.now += 3
    clock.count_step(position, start, waited=1.0, reserve=0.5)
    assert (position.seconds, position.stage_seconds, position.total) == (10, 3, 1)
    now.now += 4
    clock.count_pause(position)
    assert (position.seconds, position.stage_seconds) == (14, 3)
    assert clock.reserve == 1.5


@pytest.mark.parametrize(("used", "over"), [(40, False), (52, False), (56, True), (70, True)])
def test_a_run_ends_at_the_step_nearest_to_its_time(used: float, over: bool) -> None:
    """Steps of 10 seconds, and one for the exit: 59 are left."""
    clock, now, position = opened(60)
    now.now += used - 10
    start = clock.now()
    now.now += 10
    clock.count_step(position, start, 0.0, 0.0)
    assert clock.is_over(position) == over


def test_a_first_step_is_always_taken_and_other_runs_are_never_over() -> None:
    clock, _, position = opened(1, start=500)
    clock.count_pause(position)
    assert not clock.is_over(position)
    other, _, _ = opened(None)
    assert not other.is_over(dataclasses.replace(position, total=9))


def test_a_slow_start_keeps_time_for_a_slow_exit() -> None:
    assert opened(60, start=50)[0].reserve == 5
    assert opened(60, start=1)[0].reserve == 1


def test_all_processes_have_the_main_ones_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def overwrite(_: Ranks, values: torch.Tensor) -> None:
        values.copy_(torch.arange(1, 1 + len(values)))

    monkeypatch.setattr(Ranks, "broadcast_tensor", overwrite)
    clock, _, position = opened(60)
    clock.count_step(position, 0.0, 0.0, 0.0)
    assert (position.seconds, position.stage_seconds, clock.reserve) == (3, 2, 4)
    clock.count_pause(position)
    assert (position.seconds, clock.reserve) == (4, 2)


def test_settings_take_paths_as_strings() -> None:
    settings = TrainSettings("data", "runs/demo")  # type: ignore[arg-type]
    assert (settings.data, settings.run) == (Path("data"), Path("runs/demo"))

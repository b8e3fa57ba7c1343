import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapegan.model.config import Stage
from shapegan.model.schedule import Budget, Position, Schedule

STAGES = (Stage(8, 4, 10), Stage(16, 4, 20, fade_in=5), Stage(32, 2, 10, fade_in=2))
PER_EPOCH = (3, 3, 6)


def walk(schedule: Schedule, count: int, seconds: float = 0.0) -> list[Position]:
    """All positions that a run passes before its steps."""
    position, passed = Position(), []
    while position.stage < count:
        while not schedule.done(position):
            passed.append(position.copy())
            position.advance(seconds)
        position.next_stage()
    return passed


def test_epochs_decide_without_a_budget() -> None:
    schedule = Schedule(STAGES, PER_EPOCH, Budget())
    assert [schedule.steps(number) for number in range(3)] == [30, 60, 60]
    passed = walk(schedule, 3)
    assert [sum(one.stage == number for one in passed) for number in range(3)] == [30, 60, 60]
    assert [one.total for one in passed] == list(range(150))


@given(
    st.lists(st.tuples(st.floats(0.01, 1000), st.none() | st.floats(0.01, 1000)), min_size=1),
    st.integers(1, 10**6),
)
@settings(deadline=None)
def test_a_budget_of_steps_is_kept_to_the_step(
    weights: list[tuple[float, float | None]], steps: int
) -> None:
    """But each stage has one step at least."""
    stages = [Stage(8, 4, epochs, weight=weight) for epochs, weight in weights]
    schedule = Schedule(stages, [3] * len(stages), Budget(steps=steps))
    found = [schedule.steps(number) or 0 for number in range(len(stages))]
    assert min(found) >= 1
    assert sum(found) == max(steps, len(stages))
    if steps >= 1000 * len(stages):
        wanted = [epochs if share is None else share for epochs, share in weights]
        for mine, its in zip(found, wanted, strict=True):
            assert abs(mine - steps * its / sum(wanted)) <= len(stages) + 1


def test_shares_come_before_epochs() -> None:
    stages = (Stage(8, 4, 1000, weight=1), Stage(16, 4, 1, weight=3))
    schedule = Schedule(stages, (5, 5), Budget(steps=40))
    assert [schedule.steps(number) for number in range(2)] == [10, 30]


def test_time_is_divided_and_a_first_step_always_taken() -> None:
    schedule = Schedule(STAGES, PER_EPOCH, Budget(seconds=40))
    assert schedule.steps(0) is None
    passed = walk(schedule, 3, seconds=0.5)
    assert [sum(one.stage == number for one in passed) for number in range(3)] == [20, 40, 20]
    slow = walk(schedule, 3, seconds=1000)
    assert [one.stage for one in slow] == [0, 1, 2]


@pytest.mark.parametrize("budget", [Budget(), Budget(steps=70), Budget(seconds=40)])
def test_fades_in_over_its_share_of_the_stage(budget: Budget) -> None:
    schedule = Schedule(STAGES, PER_EPOCH, budget)
    passed = walk(schedule, 3, seconds=0.5)
    fades = {n: [schedule.fade(one) for one in passed if one.stage == n] for n in range(3)}
    assert set(fades[0]) == {1.0}
    for number, share in ((1, 0.25), (2, 0.2)):
        found = fades[number]
        assert found[0] == 0
        assert found == sorted(found)
        partly = sum(fade < 1 for fade in found)
        assert partly == pytest.approx(share * len(found), abs=1)
        assert found[partly // 2] == pytest.approx(0.5, abs=1 / partly)


def test_nothing_fades_in_the_first_stage() -> None:
    schedule = Schedule((Stage(16, 4, 10, fade_in=5),), (3,), Budget())
    assert schedule.fade(Position()) == 1.0


def test_nothing_fades_in_after_a_stage_of_the_same_size() -> None:
    stages = (Stage(8, 4, 10), Stage(16, 4, 10, fade_in=5), Stage(16, 4, 10, fade_in=5))
    schedule = Schedule(stages, (3, 3, 3), Budget())
    assert schedule.fade(Position(stage=1)) == 0.0
    assert schedule.fade(Position(stage=2)) == 1.0


def test_a_step_knows_the_progress_of_its_stage() -> None:
    schedule = Schedule(STAGES, PER_EPOCH, Budget())
    assert schedule.step_progress(Position(stage=1, step=15)).stage == 0.25


@pytest.mark.parametrize("budget", [Budget(), Budget(steps=70), Budget(seconds=40)])
def test_overall_progress_goes_from_0_to_1_evenly(budget: Budget) -> None:
    schedule = Schedule(STAGES, PER_EPOCH, budget)
    found = [schedule.overall(one) for one in walk(schedule, 3, seconds=0.5)]
    assert found[0] == 0
    gaps = [after - before for before, after in itertools.pairwise(found)]
    assert min(gaps) == pytest.approx(1 / len(found))
    assert max(gaps) == pytest.approx(1 / len(found))
    assert schedule.overall(Position(stage=3)) == 1.0


def test_a_smaller_budget_ends_a_stage_that_is_past_it() -> None:
    schedule = Schedule(STAGES, PER_EPOCH, Budget(steps=7))
    position = Position(stage=0, step=25, total=25)
    assert schedule.done(position)
    assert schedule.progress(position) == 1.0


def test_a_moment_is_what_the_next_step_depends_on() -> None:
    schedule = Schedule(STAGES, PER_EPOCH, Budget())
    position = Position(stage=1, step=6, total=36)
    moment = schedule.step_progress(position)
    assert (moment.step, moment.fade, moment.overall) == (6, 0.4, 36 / 150)


def test_positions_count_steps_and_time() -> None:
    position = Position()
    before = position.copy()
    position.advance(2.0)
    position.advance(1.0)
    assert position == Position(0, 2, 2, 3.0, 3.0)
    position.next_stage()
    assert position == Position(1, 0, 2, 0.0, 3.0)
    assert before == Position()

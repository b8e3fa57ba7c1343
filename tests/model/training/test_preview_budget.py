import pytest

from shapegan.model.training.preview_budget import PREVIEW_SHARE, PreviewBudget


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def measured(planned: float | None, seconds: float) -> tuple[PreviewBudget, Clock]:
    """A budget that knows that a shape at 16^3 takes this long."""
    clock = Clock()
    budget = PreviewBudget(planned, clock)
    assert not budget.measured
    with budget.spending(16):
        clock.now += seconds
    assert budget.measured
    return budget, clock


@pytest.mark.parametrize("planned", [None, 6000.0])
def test_previews_take_their_share_of_the_time_so_far(planned: float | None) -> None:
    budget, clock = measured(planned, 3.0)
    assert (budget.allowance() < 0) == (planned is not None)
    clock.now = 1000.0
    assert budget.allowance() == pytest.approx(PREVIEW_SHARE * 1000 - 3)
    with budget.spending(32, 4):
        clock.now += 40
    assert budget.spent == 43
    assert budget.allowance() == pytest.approx(PREVIEW_SHARE * 1040 - 43)


def test_the_last_preview_may_use_what_is_left_of_the_share_of_a_timed_run() -> None:
    budget, _ = measured(600.0, 3.0)
    assert budget.allowance(last=True) == pytest.approx(27)


def test_a_short_run_of_some_steps_has_a_preview_all_the_same() -> None:
    budget, _ = measured(None, 0.1)
    assert budget.allowance() == pytest.approx(9.9)


def test_previews_become_coarser_then_smaller_then_none() -> None:
    budget, _ = measured(None, 0.1)
    costs = {16: 0.1, 32: 0.8, 64: 6.4}
    assert budget.choose(16, 64, 200) == (16, 64)
    assert budget.choose(16, 64, 5.1 * costs[64]) == (5, 64)
    assert budget.choose(16, 64, 3.1 * costs[64]) == (16, 32)
    assert budget.choose(16, 64, 2.35) == (16, 16)
    assert budget.choose(16, 64, 0.25) == (2, 16)
    assert budget.choose(16, 64, 0.05) is None
    assert budget.choose(16, 64, -1) is None
    assert budget.choose(2, 64, 2.1 * costs[64]) == (2, 64)

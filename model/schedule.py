"""The schedule of a run: lengths of its stages, and progress within them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from shapegan.model.config import Stage


@dataclass
class Position:
    """Position of a run in its schedule."""

    stage: int = 0
    """Number of the stage, from 0; the number of stages once the run is done."""
    step: int = 0
    """Steps done in the stage."""
    total: int = 0
    """Steps done in the run."""
    stage_seconds: float = 0.0
    """Time spent on the stage's steps."""
    seconds: float = 0.0
    """Wall time of the run, from the start of its process; of all its processes, if resumed."""

    def advance(self, seconds: float) -> None:
        """Count a step that took this time."""
        self.step += 1
        self.total += 1
        self.stage_seconds += seconds
        self.seconds += seconds

    def pass_time(self, seconds: float) -> None:
        """Count time between steps, such as that of a preview."""
        self.seconds += seconds

    def next_stage(self) -> None:
        """Move to the start of the next stage."""
        self.stage, self.step, self.stage_seconds = self.stage + 1, 0, 0.0

    def finish(self) -> None:
        """Mark the last stage as done; its length is kept, because the run may be made longer."""
        self.stage += 1

    def reopen(self) -> None:
        """Undo `finish`."""
        self.stage -= 1

    def copy(self) -> "Position":
        """An independent copy."""
        return dataclasses.replace(self)


@dataclass(frozen=True)
class StepProgress:
    """Progress that a step depends on."""

    step: int
    """Steps done in the stage."""
    fade: float
    """Share of the critic's newest block, 0 to 1; see `VoxelCritic.set_fade`."""
    overall: float
    """Progress of the run, 0 to 1."""
    stage: float = 0.0
    """Progress of the stage, 0 to 1."""


@dataclass(frozen=True)
class Budget:
    """Length of a run; None for both: the epochs of its stages."""

    steps: int | None = None
    """Steps of the run, divided among its stages."""
    seconds: float | None = None
    """Wall time of the run, from the start of its process to its exit. What start, previews and
    checkpoints leave of it is divided among the stages."""


def tolerance(seconds: float) -> float:
    """Time by which a run may miss its wall time, in seconds."""
    return max(10.0, 0.05 * seconds)


class Schedule:
    """Division of a run among its stages.

    Args:
        stages: The run's stages.
        steps_per_epoch: Steps per epoch of each stage.
        budget: Length of the run.
    """

    def __init__(
        self, stages: Sequence[Stage], steps_per_epoch: Sequence[int], budget: Budget
    ) -> None:
        weights = [stage.epochs if stage.weight is None else stage.weight for stage in stages]
        self._shares = [weight / sum(weights) for weight in weights]
        self._stages, self._seconds = stages, budget.seconds
        self.reserve = 0.0
        """Seconds of the budget that are kept for what follows the last step."""
        self._steps = [
            max(1, round(stage.epochs * steps))
            for stage, steps in zip(stages, steps_per_epoch, strict=True)
        ]
        if budget.steps is not None:
            self._steps = _divide(budget.steps, self._shares)

    def steps(self, stage: int) -> int | None:
        """Steps of a stage; None if the budget is a time."""
        return None if self._seconds is not None else self._steps[stage]

    def progress(self, position: Position) -> float:
        """Progress of the stage: 0 at its start, 1 at its end."""
        if self._seconds is not None:
            return min(1.0, position.stage_seconds / self._length(position))
        return min(1.0, position.step / self._steps[position.stage])

    def done(self, position: Position) -> bool:
        """Test whether the stage is at its end."""
        return self.progress(position) >= 1.0

    def can_continue(self, position: Position) -> bool:
        """Test whether a finished run has more to do in its last stage by this schedule."""
        if position.stage < len(self._stages):
            return False
        last = position.copy()
        last.reopen()
        if self._seconds is not None:
            return self._seconds - position.seconds > tolerance(self._seconds)
        return not self.done(last)

    def _length(self, position: Position) -> float:
        """Seconds for the steps of the stage: its share of the time left at its start.

        Time that was spent on anything but the stage's steps shortens all stages from this one on.
        """
        assert self._seconds is not None
        spent = position.seconds - position.stage_seconds
        share = self._shares[position.stage] / sum(self._shares[position.stage :])
        return max(1e-9, (self._seconds - self.reserve - spent) * share)

    def step_progress(self, position: Position) -> StepProgress:
        """Progress at the next step."""
        return StepProgress(
            position.step, self.fade(position), self.overall(position), self.progress(position)
        )

    def fade(self, position: Position) -> float:
        """Share of the stage's new block, from 0 to 1.

        A stage of the same size as the one before has no new block.
        """
        stage, before = self._stages[position.stage], self._stages[position.stage - 1]
        if position.stage == 0 or stage.fade_in == 0 or stage.size == before.size:
            return 1.0
        return min(1.0, self.progress(position) * stage.epochs / stage.fade_in)

    def overall(self, position: Position) -> float:
        """Progress of the run: 0 at its start, 1 at its end."""
        if position.stage >= len(self._shares):
            return 1.0
        if self._seconds is not None:
            before, here = sum(self._shares[: position.stage]), self._shares[position.stage]
            return before + here * self.progress(position)
        done = sum(self._steps[: position.stage]) + position.step
        return min(1.0, done / sum(self._steps))


def _divide(total: int, shares: Sequence[float]) -> list[int]:
    """Divide a total, raised to the number of shares if smaller, into whole parts of at least 1."""
    total, parts, before = max(total, len(shares)), [], 0
    for number in range(len(shares)):
        wanted = max(before + 1, round(total * sum(shares[: number + 1])))
        end = min(wanted, total - (len(shares) - 1 - number))
        parts.append(end - before)
        before = end
    return parts

"""How long each stage is trained, and where in it a step lies."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from shapegan.model.config import Stage


@dataclass
class Position:
    """Where a run stands."""

    stage: int = 0
    """Number of the stage."""
    step: int = 0
    """Steps done in it."""
    total: int = 0
    """Steps done in the run."""
    stage_seconds: float = 0.0
    """Time spent on the stage."""
    seconds: float = 0.0
    """Time spent on the run."""

    def advance(self, seconds: float) -> None:
        """One more step, which took so long."""
        self.step += 1
        self.total += 1
        self.stage_seconds += seconds
        self.seconds += seconds

    def next_stage(self) -> None:
        """The stage is done, and another follows."""
        self.stage, self.step, self.stage_seconds = self.stage + 1, 0, 0.0

    def finish(self) -> None:
        """The last stage is done; how long it was is kept, for a run that is made longer."""
        self.stage += 1

    def reopen(self) -> None:
        """Inverse of `finish`."""
        self.stage -= 1

    def copy(self) -> "Position":
        """Another one at the same place."""
        return dataclasses.replace(self)


@dataclass(frozen=True)
class Moment:
    """What a step depends on beside its batch."""

    step: int
    """Steps done in the stage."""
    fade: float
    """How far the critic's newest block is faded in, 0 to 1."""
    overall: float
    """Progress of the run, 0 to 1."""


@dataclass(frozen=True)
class Budget:
    """What a run may take; None for both: the epochs of its stages."""

    steps: int | None = None
    """Steps of the run, divided among its stages."""
    seconds: float | None = None
    """Time of the run, divided among its stages."""


class Schedule:
    """Divides a run among its stages.

    Args:
        stages: Of the run.
        steps_per_epoch: Of each stage.
        budget: What the run may take.
    """

    def __init__(
        self, stages: Sequence[Stage], steps_per_epoch: Sequence[int], budget: Budget
    ) -> None:
        weights = [stage.epochs if stage.share is None else stage.share for stage in stages]
        self._shares = [weight / sum(weights) for weight in weights]
        self._stages, self._seconds = stages, budget.seconds
        self._steps = [
            max(1, round(stage.epochs * steps))
            for stage, steps in zip(stages, steps_per_epoch, strict=True)
        ]
        if budget.steps is not None:
            self._steps = _divided(budget.steps, self._shares)

    def steps(self, stage: int) -> int | None:
        """Steps of a stage; None where time decides."""
        return None if self._seconds is not None else self._steps[stage]

    def progress(self, position: Position) -> float:
        """Of the stage: 0 at its start, 1 at its end."""
        if self._seconds is not None:
            share = self._seconds * self._shares[position.stage]
            return min(1.0, position.stage_seconds / share)
        return min(1.0, position.step / self._steps[position.stage])

    def done(self, position: Position) -> bool:
        """Whether the stage is at its end."""
        return self.progress(position) >= 1.0

    def longer(self, position: Position) -> bool:
        """Whether a run that was finished has, by this schedule, more to do in its last stage."""
        if position.stage < len(self._stages):
            return False
        last = position.copy()
        last.reopen()
        return not self.done(last)

    def moment(self, position: Position) -> Moment:
        """Of the next step."""
        return Moment(position.step, self.fade(position), self.overall(position))

    def fade(self, position: Position) -> float:
        """How far the stage's new block is faded in: 0 to 1."""
        stage = self._stages[position.stage]
        if position.stage == 0 or stage.fade_in == 0:
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


def _divided(total: int, shares: Sequence[float]) -> list[int]:
    """Whole parts, each at least 1, that add up to the total, if there are no more of them."""
    total, parts, before = max(total, len(shares)), [], 0
    for number in range(len(shares)):
        wanted = max(before + 1, round(total * sum(shares[: number + 1])))
        end = min(wanted, total - (len(shares) - 1 - number))
        parts.append(end - before)
        before = end
    return parts

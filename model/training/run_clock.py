"""Wall time of a run: its steps, the pauses between them, and its end."""

import torch

from shapegan.model.distributed import Ranks
from shapegan.model.schedule import Position, tolerance
from shapegan.model.training.settings import TrainSettings


class RunClock:
    """Clock that counts all of a run's wall time to its position, the same in all processes.

    Each reading is the main process's, because stages would end at different steps otherwise.

    Args:
        settings: Budget and clock of the run.
        began: Reading of the clock at the start of the process.
        ranks: Processes that share the run.
    """

    def __init__(self, settings: TrainSettings, began: float, ranks: Ranks) -> None:
        self._read, self._ranks = settings.clock, ranks
        self._budget = settings.budget.seconds
        self._counted_to = began
        self._step_seconds = 0.0
        # A machine that is slow to start is slow to exit.
        self._exit_seconds = max(1.0, 0.1 * (settings.clock() - began))
        self.reserve = self._exit_seconds
        """Seconds kept for what follows the last step: a preview, a checkpoint and the exit."""

    def now(self) -> float:
        """Read the clock, in seconds."""
        return self._read()

    def count_step(self, position: Position, start: float, waited: float, reserve: float) -> None:
        """Count a step, and the time before it since the last one.

        Args:
            position: Position to advance.
            start: Reading of the clock at the start of the step.
            waited: Seconds of the step in which it waited for data.
            reserve: Seconds that the files after the last step take, in the main process.
        """
        end = self._read()
        before, step, waited, self.reserve = self._share(
            start - self._counted_to, end - start, waited, reserve + self._exit_seconds
        )
        self._counted_to = end
        position.pass_time(before)
        # The first step of a stage may wait for all of the data.
        self._step_seconds = step - waited if position.step == 0 else step
        position.advance(step)

    def count_pause(self, position: Position) -> None:
        """Count the time since the last step, such as that of a preview, to the run alone."""
        now = self._read()
        pause, self.reserve = self._share(now - self._counted_to, self.reserve)
        self._counted_to = now
        position.pass_time(pause)

    def expect_steps(self, factor: float) -> None:
        """Expect the next step to take this many times as long as the last one did."""
        self._step_seconds *= factor

    def is_over(self, position: Position) -> bool:
        """Test whether the time of the run is over, rather than that of a stage.

        The run ends at the end of the step that is nearest to its time, but not much after it. At
        least one step is taken.
        """
        if self._budget is None or position.total == 0:
            return False
        late = min(self._step_seconds, tolerance(self._budget)) / 2
        left = self._budget - self.reserve - position.seconds
        return left < 0 or self._step_seconds > left + late

    def _share(self, *seconds: float) -> list[float]:
        """The main process's values, in all processes."""
        values = torch.tensor(seconds, dtype=torch.float64)
        self._ranks.broadcast_tensor(values)
        return [float(value) for value in values]

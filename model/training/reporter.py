"""Reports of a run to its user."""

from typing import Protocol

from shapegan.model.config import Stage
from shapegan.model.schedule import Position


class Reporter(Protocol):
    """Receiver of a run's reports, such as `progress.TrainingProgress`."""

    def stage(self, stage: Stage, position: Position, steps: int | None, /) -> None:
        """A stage starts or continues; it has this many steps, or a share of the time."""

    def row(self, row: dict[str, float], overall: float, /) -> None:
        """Measurements over some steps, and the progress of the run, 0 to 1."""

    def note(self, text: str, /) -> None:
        """A message of one line."""


class NullReporter:
    """Reporter that does nothing; used on every rank but 0."""

    def stage(self, *_: object) -> None:
        """Do nothing."""

    def row(self, *_: object) -> None:
        """Do nothing."""

    def note(self, *_: object) -> None:
        """Do nothing."""

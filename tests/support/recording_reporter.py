"""What a run reports, kept."""

from dataclasses import dataclass, field

from shapegan.model.config import Stage
from shapegan.model.schedule import Position


@dataclass
class RecordingReporter:
    """Reporter that keeps all reports."""

    stages: list[tuple[int, int, int | None]] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def stage(self, stage: Stage, position: Position, steps: int | None) -> None:
        self.stages.append((stage.size, position.step, steps))

    def row(self, row: dict[str, float], overall: float) -> None:
        self.rows.append(row | {"overall": overall})

    def note(self, text: str) -> None:
        self.notes.append(text)

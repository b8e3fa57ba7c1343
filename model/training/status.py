"""Status of a training, from the files of its run."""

import json
from dataclasses import dataclass
from pathlib import Path

from shapegan.model.config import TrainConfig
from shapegan.model.schedule import Position
from shapegan.model.training.checkpoint import latest_checkpoint, read_position
from shapegan.model.training.row_file import read_rows
from shapegan.model.training.run_folder import (
    CONFIG_NAME,
    METRICS_NAME,
    QUALITY_NAME,
    RunFolderError,
)
from shapegan.pipeline.dataset.status import age
from shapegan.pipeline.files import read_text
from shapegan.pipeline.folder_lock import is_locked

LOSSES = ("distance", "penalty", "critic_loss", "generator_loss", "loss")
_ROWS = 10
"""Rows of metrics.csv over which the speed is measured."""


@dataclass(frozen=True)
class RunStatus:
    """Progress, speed and last checkpoint of a training."""

    path: str
    running: bool | None
    """A process trains in the folder; None if the file system has no locks."""
    complete: bool
    recipe: str
    stage: int | None
    """Number of the stage, from 1. It and the two numbers of steps are those of the last row of
    metrics.csv or of the last checkpoint, whichever is later; None before both."""
    stages: int
    step: int | None
    """Steps done in the stage."""
    total_steps: int | None
    """Steps done in the run."""
    progress: float | None
    """Progress of the run, 0 to 1."""
    seconds: float | None
    """Time spent on the run."""
    seconds_left: float | None
    """Estimated time left; None if no process trains, or before there are two rows."""
    steps_per_second: float | None
    shapes_per_second: float | None
    losses: dict[str, float]
    quality: dict[str, float]
    """Last row of quality.csv: scores against the validation split; empty if there is none."""
    last_change: float | None
    """Seconds since the last row was written."""
    checkpoint: str | None
    """Path of the last checkpoint."""
    checkpoint_age: float | None
    """Seconds since it was written."""


def run_status(path: Path) -> RunStatus:
    """Read the status of a run; a training that is running is not disturbed.

    Raises:
        RunFolderError: the folder holds no run of this version of shapegan.
        CheckpointError: the last checkpoint is damaged.
    """
    config = _read_config(path / CONFIG_NAME)
    rows = _read_rows(path / METRICS_NAME)
    last = rows[-1] if rows else {}
    running, latest = is_locked(path), latest_checkpoint(path / "checkpoints")
    saved = read_position(latest) if latest else None
    # The position is past all stages at the end alone, and no more once a run is made longer.
    complete = not running and saved is not None and saved.stage >= len(config.stages)
    position = _later_position(last, saved)
    return RunStatus(
        path=str(path),
        running=running,
        complete=complete,
        recipe=config.recipe,
        stage=min(position.stage + 1, len(config.stages)) if position else None,
        stages=len(config.stages),
        step=position.step if position else None,
        total_steps=position.total if position else None,
        progress=1.0 if complete else last.get("overall"),
        seconds=last.get("seconds"),
        seconds_left=_time_left(rows) if running and not complete else None,
        steps_per_second=_slope(rows, "total"),
        shapes_per_second=last.get("shapes_per_second"),
        losses={name: last[name] for name in LOSSES if name in last},
        quality=next(iter(_read_rows(path / QUALITY_NAME)[-1:]), {}),
        last_change=_file_age(path / METRICS_NAME),
        checkpoint=str(latest) if latest else None,
        checkpoint_age=_file_age(latest) if latest else None,
    )


def _read_config(path: Path) -> TrainConfig:
    try:
        return TrainConfig.from_dict(json.loads(read_text(path)))
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {error.strerror}") from error
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise RunFolderError(f"{path} is not a config of this version of shapegan") from error


def _read_rows(path: Path) -> list[dict[str, float]]:
    try:
        return read_rows(path, _ROWS)
    except (TypeError, ValueError) as error:
        raise RunFolderError(
            f"{path} is damaged; the same `shapegan train` command repairs it"
        ) from error


def _slope(rows: list[dict[str, float]], name: str) -> float | None:
    """Change of a column per second of training, over the last rows."""
    known = [row for row in rows if name in row and "seconds" in row]
    if len(known) < 2 or known[-1]["seconds"] <= known[0]["seconds"]:
        return None
    return (known[-1][name] - known[0][name]) / (known[-1]["seconds"] - known[0]["seconds"])


def _time_left(rows: list[dict[str, float]]) -> float | None:
    speed = _slope(rows, "overall")
    return (1 - rows[-1]["overall"]) / speed if speed and speed > 0 else None


def _later_position(row: dict[str, float], saved: Position | None) -> Position | None:
    """Position of the last row of metrics.csv, or of the last checkpoint if that is not earlier."""
    if saved is not None and saved.total >= row.get("total", 0):
        return saved
    if "total" not in row:
        return None
    return Position(int(row["stage"]), int(row["step"]), int(row["total"]))


def _file_age(path: Path) -> float | None:
    try:
        return age(path.stat().st_mtime)
    except FileNotFoundError:
        return None

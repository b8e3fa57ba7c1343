"""Where a training stands, as the files of its run tell."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from shapegan.model.config import TrainConfig
from shapegan.model.training.checkpoint import latest_checkpoint
from shapegan.model.training.run_folder import CONFIG_NAME, METRICS_NAME, RunFolderError
from shapegan.pipeline.dataset.status import age
from shapegan.pipeline.files import read_text
from shapegan.pipeline.folder_lock import is_locked

LOSSES = ("distance", "penalty", "critic_loss", "generator_loss", "loss")
_ROWS = 10
"""Rows of metrics.csv that the speed is taken over."""


@dataclass(frozen=True)
class RunStatus:
    """How far a training is."""

    path: str
    running: bool | None
    """Whether a process trains in it; None where the file system does not tell."""
    complete: bool
    recipe: str
    stage: int | None
    """Counted from 1, as all of these are by the last row of metrics.csv; None before the first."""
    stages: int
    step: int | None
    """Done in the stage."""
    total_steps: int | None
    """Done in the run."""
    progress: float | None
    """Of the run, 0 to 1."""
    seconds: float | None
    """Spent on it."""
    seconds_left: float | None
    """None where no process trains, or it is too early to say."""
    steps_per_second: float | None
    shapes_per_second: float | None
    losses: dict[str, float]
    last_change: float | None
    """Seconds since the last row."""
    checkpoint: str | None
    """The last one."""
    checkpoint_age: float | None
    """Seconds since it was written."""


def run_status(path: Path) -> RunStatus:
    """Reads what is there; a training that goes on is not disturbed.

    Raises:
        RunFolderError: where there is no run of this shapegan.
    """
    config = _read_config(path / CONFIG_NAME)
    rows = _read_rows(path / METRICS_NAME)
    last = rows[-1] if rows else {}
    running, latest = is_locked(path), latest_checkpoint(path / "checkpoints")
    end = path / "checkpoints" / f"stage-{len(config.stages)}.pt"
    # A finished run may have been made longer.
    complete = not running and latest is not None and end.exists() and end.samefile(latest)
    stage = last.get("stage")
    return RunStatus(
        path=str(path),
        running=running,
        complete=complete,
        recipe=config.recipe,
        stage=None if stage is None else int(stage) + 1,
        stages=len(config.stages),
        step=_whole(last.get("step")),
        total_steps=_whole(last.get("total")),
        progress=1.0 if complete else last.get("overall"),
        seconds=last.get("seconds"),
        seconds_left=_left(rows) if running and not complete else None,
        steps_per_second=_slope(rows, "total"),
        shapes_per_second=last.get("shapes_per_second"),
        losses={name: last[name] for name in LOSSES if name in last},
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
        raise RunFolderError(f"{path} is no config of a training by this shapegan") from error


def _read_rows(path: Path) -> list[dict[str, float]]:
    """The last rows; a row that is being written does not count."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        return []
    header, *lines = text[: text.rfind("\n") + 1].splitlines() or [""]
    table = csv.DictReader(io.StringIO("\n".join([header, *lines[-_ROWS:]])))
    try:
        return [{name: float(value) for name, value in row.items() if value} for row in table]
    except (TypeError, ValueError) as error:
        raise RunFolderError(f"{path} is torn; the same `shapegan train` mends it") from error


def _slope(rows: list[dict[str, float]], name: str) -> float | None:
    """Of a column, by the seconds of training, over the last rows."""
    known = [row for row in rows if name in row and "seconds" in row]
    if len(known) < 2 or known[-1]["seconds"] <= known[0]["seconds"]:
        return None
    return (known[-1][name] - known[0][name]) / (known[-1]["seconds"] - known[0]["seconds"])


def _left(rows: list[dict[str, float]]) -> float | None:
    speed = _slope(rows, "overall")
    return (1 - rows[-1]["overall"]) / speed if speed and speed > 0 else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _file_age(path: Path) -> float | None:
    try:
        return age(path.stat().st_mtime)
    except FileNotFoundError:
        return None

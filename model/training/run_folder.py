"""The folder of a run: config.json, checkpoints, previews and metrics; one training at a time."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from shapegan.model.config import TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    latest_checkpoint,
    load_checkpoint,
    read_shape_count,
)
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import read_text, write_text
from shapegan.pipeline.folder_lock import folder_lock
from shapegan.pipeline.wording import counted

CONFIG_NAME = "config.json"
METRICS_NAME = "metrics.csv"
QUALITY_NAME = "quality.csv"
THREADS_NAME = "threads.json"
_BY_DATA = ("generator.prior_shapes:", "generator.categories", "generator.symmetry:")
"""Settings that follow from the training shapes, if nobody sets them; see `resolve_by_data`."""
_MAX_DIFFERENCES = 8
"""Differences of configs that a message lists."""


class RunFolderError(PlainError):
    """A run folder that cannot be used; the message is one line that says what to do."""


@dataclass(frozen=True)
class TrainingShapes:
    """The shapes that a run is to train on."""

    count: int
    where: str
    """Split and dataset, in words."""

    def check(self, run: Path, before: int) -> None:
        """Compare with the number of shapes that a run was trained on before.

        Raises:
            RunFolderError: they are not the same.
        """
        if before != self.count:
            raise RunFolderError(
                f"{run} was trained on {counted(before, 'shape')}, but {self.where} has"
                f" {self.count:,} now: give --run a new folder, or the dataset its former splits"
            )


class RunFolder:
    """The folder of a run.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.previews = path / "previews"
        self.metrics = path / METRICS_NAME
        self.quality = path / QUALITY_NAME

    def open(self, config: TrainConfig, shapes: TrainingShapes | None = None) -> Checkpoint | None:
        """Claim the folder for a config, and load the last checkpoint, if there is one.

        Args:
            config: Config of the run.
            shapes: Shapes on which it is to train; None: their number is not compared.

        Raises:
            RunFolderError: the folder holds a run of another config, or something else.
            CheckpointError: the last checkpoint cannot be read, or has another config.
            OutputError: the folder cannot be written.
        """
        present, latest = self._present_config(), latest_checkpoint(self.checkpoints)
        if present is None:
            self._check_empty()
        elif latest and (difference := present.difference(config)):
            if shapes and all(line.startswith(_BY_DATA) for line in difference):
                shapes.check(self.path, read_shape_count(latest))
            more = len(difference) - _MAX_DIFFERENCES
            listed = difference[:_MAX_DIFFERENCES] + ([f"and {more} more"] if more > 0 else [])
            raise RunFolderError(
                f"{self.path} holds a run of another config (there -> wanted):"
                f" {'; '.join(listed)}; give --run another folder, or use the same settings"
            )
        # A run without a checkpoint may start again with another config.
        if present != config:
            write_text(self.path / CONFIG_NAME, json.dumps(config.to_dict(), indent=2) + "\n")
        return self._load(latest, config) if latest else None

    def recorded_threads(self) -> int | None:
        """Threads that the run's checkpoints were made with; None if it has none, or no record.

        Raises:
            RunFolderError: the record cannot be read.
        """
        path = self.path / THREADS_NAME
        if not path.exists() or latest_checkpoint(self.checkpoints) is None:
            return None
        try:
            number = json.loads(read_text(path))["threads"]
        except (OSError, TypeError, KeyError, ValueError) as error:
            number = error
        if type(number) is not int or number < 1:
            raise RunFolderError(f"cannot use {path}: delete it, or give --threads")
        return number

    def record_threads(self, number: int) -> None:
        """Record the threads that the run trains with.

        Raises:
            OutputError: the folder cannot be written.
        """
        write_text(self.path / THREADS_NAME, json.dumps({"threads": number}) + "\n")

    def locked(self) -> AbstractContextManager[None]:
        """Keep other trainings out of the folder for a while; make the folder if needed.

        Raises:
            FolderLockError: another training runs in it.
            OutputError: the folder cannot be made or written.
        """
        return folder_lock(self.path, f"{self.path}: another training runs in it")

    def _load(self, path: Path, config: TrainConfig) -> Checkpoint:
        advice = "delete it, and the same command resumes from the one before, if there is one"
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; {advice}") from error
        if difference := config.difference(checkpoint.config):
            raise CheckpointError(
                f"{path} has another config than the run ({difference[0]}); {advice}"
            )
        return checkpoint

    def _present_config(self) -> TrainConfig | None:
        path = self.path / CONFIG_NAME
        if not path.exists():
            return None
        try:
            return TrainConfig.from_dict(json.loads(read_text(path)))
        except (OSError, TypeError, AttributeError, ValueError) as error:
            why = error if isinstance(error, TrainConfigError) else "it is not a config of shapegan"
            raise RunFolderError(f"cannot use {path}: {why}") from error

    def _check_empty(self) -> None:
        others = [one.name for one in self.path.iterdir() if not one.name.startswith(".")]
        if others:
            raise RunFolderError(
                f"{self.path} holds {sorted(others)[0]} but no {CONFIG_NAME}:"
                " give --run a new folder"
            )

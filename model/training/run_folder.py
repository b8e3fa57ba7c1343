"""A run's folder: config.json, checkpoints, samples, metrics; one training at a time."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

from shapegan.model.config import TrainConfig, TrainConfigError
from shapegan.model.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    latest_checkpoint,
    load_checkpoint,
)
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import read_text, write_text, writing

CONFIG_NAME = "config.json"
METRICS_NAME = "metrics.csv"
_LISTED = 8
"""Differences that are told."""


class RunFolderError(PlainError):
    """A run folder that cannot be used; the message is one line with what to do."""


class RunFolder:
    """Where a run keeps what it makes.

    Args:
        path: The folder; it is made if there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.metrics = path / METRICS_NAME

    def open(self, config: TrainConfig) -> Checkpoint | None:
        """Takes the folder for a config and gives the checkpoint to go on from, if there is one.

        Raises:
            RunFolderError: where the folder holds a run of another config, or something else.
            CheckpointError: where the last checkpoint cannot be read, or is of another config.
            OutputError: where the folder cannot be written.
        """
        there, latest = self._config_there(), latest_checkpoint(self.checkpoints)
        if there is None:
            self._check_empty()
        elif latest and (difference := there.difference(config)):
            more = [f"and {len(difference) - _LISTED} more"] if len(difference) > _LISTED else []
            raise RunFolderError(
                f"{self.path} holds a run of another config (there -> asked for):"
                f" {'; '.join(difference[:_LISTED] + more)};"
                " give --run another folder, or ask for the same"
            )
        # A run that never came to a checkpoint may begin anew with another config.
        if there != config:
            write_text(self.path / CONFIG_NAME, json.dumps(config.to_dict(), indent=2) + "\n")
        return self._load(latest, config) if latest else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second training out of the folder.

        Raises:
            RunFolderError: where one is going on.
        """
        with self._lock_file().open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunFolderError(f"{self.path}: another training runs in it") from error
            except OSError as error:
                raise RunFolderError(f"cannot lock {self.path}: {error.strerror}") from error
            yield

    def _load(self, path: Path, config: TrainConfig) -> Checkpoint:
        advice = "delete it, and the same command goes on from the one before, if there is one"
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; {advice}") from error
        if difference := config.difference(checkpoint.config):
            raise CheckpointError(
                f"{path} is of another config than the run ({difference[0]}); {advice}"
            )
        return checkpoint

    def _lock_file(self) -> Path:
        lock = self.path / ".lock"
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock.touch()
        return lock

    def _config_there(self) -> TrainConfig | None:
        path = self.path / CONFIG_NAME
        if not path.exists():
            return None
        try:
            return TrainConfig.from_dict(json.loads(read_text(path)))
        except (OSError, TypeError, AttributeError, ValueError) as error:
            why = error if isinstance(error, TrainConfigError) else "it is no config of shapegan"
            raise RunFolderError(f"cannot use {path}: {why}") from error

    def _check_empty(self) -> None:
        others = [one.name for one in self.path.iterdir() if not one.name.startswith(".")]
        if others:
            raise RunFolderError(
                f"{self.path} holds {sorted(others)[0]} but no {CONFIG_NAME}:"
                " give --run a new folder"
            )

"""Checkpoints: one file each, with all that a run needs to go on, written whole or not at all."""

import contextlib
import dataclasses
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from shapegan import __version__
from shapegan.model.config import TrainConfig, TrainConfigError
from shapegan.model.networks.generator import Generator
from shapegan.model.schedule import Position
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import replacing, sweep, writing

CHECKPOINT_FORMAT = 1
_KEPT = 3


class CheckpointError(PlainError):
    """A checkpoint that cannot be used; the message is one line with what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """A run at a step. Random numbers are functions of seed and step, so they need no state."""

    config: TrainConfig
    position: Position
    recipe: dict[str, Any]
    """State of networks, optimisers and running average, as `Adversarial.state` gives it."""
    logger: dict[str, Any]
    """What was measured since the last row of metrics.csv."""
    shapes: int
    """Training shapes."""
    data: str = ""
    """The dataset's folder, as far as it is known."""
    code_version: str = __version__


def checkpoint_path(folder: Path, total: int) -> Path:
    """Where the checkpoint after so many steps lies."""
    return folder / f"step-{total:08d}.pt"


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: bool = False) -> Path:
    """Writes a checkpoint and deletes all but the last three of those that are not kept.

    Args:
        folder: The run's `checkpoints`.
        checkpoint: What to write.
        keep: Whether it is kept for good, as the one at the end of a stage is.

    Raises:
        OutputError: where it cannot be written, such as on a full disk.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
    path = checkpoint_path(folder, checkpoint.position.total)
    content = {
        "format": CHECKPOINT_FORMAT,
        "code_version": checkpoint.code_version,
        "config": checkpoint.config.to_dict(),
        "position": dataclasses.asdict(checkpoint.position),
        "recipe": checkpoint.recipe,
        "logger": checkpoint.logger,
        "shapes": checkpoint.shapes,
        "data": checkpoint.data,
        "keep": keep,
    }
    # In memory first: torch's own writer of files has no plain error for a full disk.
    encoded = io.BytesIO()
    torch.save(content, encoded)
    with replacing(path) as temporary:
        # Not getbuffer(): if writing fails, the traceback keeps the view, and Python 3.13 warns.
        temporary.write_bytes(encoded.getvalue())
    if keep:
        with replacing(folder / f"stage-{checkpoint.position.stage}.pt") as temporary:
            temporary.hardlink_to(path)
    with writing(folder):
        for old in sorted(folder.glob("step-*.pt"))[:-_KEPT]:
            old.unlink()
    return path


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Reads a checkpoint, and nothing but tensors and plain values: no code in it is run.

    Raises:
        CheckpointError: where it is no checkpoint, or one of another format.
    """
    content = _read(path, device)
    if content.get("format") != CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {content.get('format')}, this shapegan reads"
            f" {CHECKPOINT_FORMAT}"
        )
    try:
        return Checkpoint(
            config=TrainConfig.from_dict(content["config"]),
            position=Position(**content["position"]),
            recipe=content["recipe"],
            logger=content["logger"],
            shapes=content["shapes"],
            data=content.get("data", ""),
            code_version=content["code_version"],
        )
    except (KeyError, TypeError, TrainConfigError) as error:
        raise CheckpointError(f"{path} is of another shapegan: {error}") from error


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint after the most steps; None where there is none."""
    return max(folder.glob("step-*.pt"), default=None)


def load_generator(path: Path, device: torch.device | str = "cpu") -> Generator:
    """The generator that a checkpoint is for: its running average, if it has one.

    Raises:
        CheckpointError: where the file cannot be used.
    """
    return generator_of(load_checkpoint(path, device), path).to(device)


def generator_of(checkpoint: Checkpoint, path: Path) -> Generator:
    """The same of a checkpoint that was read from a path, on the CPU and without gradients.

    Raises:
        CheckpointError: where its weights do not fit.
    """
    generator = Generator(checkpoint.config.generator)
    with fitting(path):
        generator.load_state_dict(checkpoint.recipe["average"]["weights"])
    return generator.requires_grad_(False)


@contextlib.contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Makes weights that do not fit their network a `CheckpointError`, while they are loaded."""
    try:
        yield
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not fit the networks of its config: it is of another shapegan"
        ) from error


def _read(path: Path, device: torch.device | str) -> dict[str, Any]:
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    try:
        _check_whole(encoded)
        content = torch.load(io.BytesIO(encoded), map_location=device, weights_only=True)
    except Exception as error:  # readers stumble over what is torn in many ways
        raise CheckpointError(f"{path} is no checkpoint of shapegan, or is torn") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no checkpoint of shapegan")
    return content


def _check_whole(encoded: bytes) -> None:
    """Compares all parts of a checkpoint with their checksums; torch does so with few."""
    with zipfile.ZipFile(io.BytesIO(encoded)) as archive:
        if torn := archive.testzip():
            raise zipfile.BadZipFile(torn)

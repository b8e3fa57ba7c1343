"""Checkpoints: one file each, with all that a run needs to resume, written whole or not at all."""

import contextlib
import dataclasses
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from shapegan import __version__
from shapegan.model.config import TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.networks.any_generator import AnyGenerator, build_generator
from shapegan.model.schedule import Position
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import replacing, sweep, writing

CHECKPOINT_FORMAT = 1
BEST_NAME = "best.pt"
"""The checkpoint with the best 1-NNA against the validation split."""
_KEPT = 3

Value = TypeVar("Value")


class CheckpointError(PlainError):
    """An unusable checkpoint; the message is one line that says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """State of a run after a step. Random numbers need none: they are functions of the step."""

    config: TrainConfig
    position: Position
    recipe: dict[str, Any]
    """State of networks, optimisers and running average, as `GeneratorRecipe.state` gives it."""
    logger: dict[str, Any]
    """Measurements since the last row of metrics.csv, as `MetricsLogger.state` gives them."""
    shape_count: int
    """Training shapes."""
    data: str = ""
    """Folder of the dataset; empty if unknown."""
    code_version: str = __version__


def checkpoint_path(folder: Path, total: int) -> Path:
    """Path of the checkpoint after a number of steps."""
    return folder / f"step-{total:08d}.pt"


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: bool = False) -> Path:
    """Write a checkpoint, and delete all but the last three.

    Args:
        folder: The run's folder `checkpoints`.
        checkpoint: Checkpoint to write.
        keep: Keep it for good as well, as `stage-N.pt`; used at the end of a stage.

    Raises:
        OutputError: the file cannot be written, such as on a full disk.
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
        "shape_count": checkpoint.shape_count,
        "data": checkpoint.data,
        "keep": keep,
    }
    # In memory first, because torch's file writer has no clear error for a full disk.
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


def keep_as_best(path: Path) -> None:
    """Keep a checkpoint as `best.pt` beside it, until a better one comes.

    Raises:
        OutputError: the link cannot be made.
    """
    with replacing(path.with_name(BEST_NAME)) as temporary:
        temporary.hardlink_to(path)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint: tensors and plain values only, so no code in the file is run.

    Raises:
        CheckpointError: the file is not a checkpoint, or has another format.
    """
    content = _read(path, device)
    if "format" not in content:
        raise CheckpointError(f"{path} is not a checkpoint of shapegan: it holds other values")
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
            shape_count=content["shape_count"],
            data=content.get("data", ""),
            code_version=content["code_version"],
        )
    except (KeyError, TypeError, TrainConfigError) as error:
        raise CheckpointError(f"{path} is by another version of shapegan: {error}") from error


def read_position(path: Path) -> Position:
    """Read the position of a checkpoint, without its weights.

    Raises:
        CheckpointError: the file is not a checkpoint.
    """
    return _read_without_weights(path, lambda content: Position(**content["position"]))


def read_shape_count(path: Path) -> int:
    """Read the number of training shapes of a checkpoint, without its weights.

    Raises:
        CheckpointError: the file is not a checkpoint.
    """
    return _read_without_weights(path, lambda content: int(content["shape_count"]))


def latest_checkpoint(folder: Path | str) -> Path | None:
    """Path of the checkpoint after the most steps; None if there is none.

    Args:
        folder: The folder `checkpoints` of a run.
    """
    return max(Path(folder).glob("step-*.pt"), default=None)


def stage_checkpoints(folder: Path) -> list[Path]:
    """Paths of the checkpoints kept at the ends of stages, in their order.

    Args:
        folder: The folder `checkpoints` of a run.
    """
    paths = folder.glob("stage-*.pt")
    return sorted(paths, key=lambda path: int(path.stem.removeprefix("stage-")))


def load_generator(path: Path | str, device: torch.device | str = "cpu") -> AnyGenerator:
    """Load the generator of a checkpoint: its running average, if it has one.

    Args:
        path: The checkpoint.
        device: Device for the generator.

    Raises:
        CheckpointError: the file cannot be used.
    """
    path = Path(path)
    return generator_of(load_checkpoint(path, device), path).to(device)


def generator_of(checkpoint: Checkpoint, path: Path) -> AnyGenerator:
    """Generator of a checkpoint that was read from `path`, on the CPU and without gradients.

    Raises:
        CheckpointError: its weights do not fit.
    """
    generator = build_generator(checkpoint.config.generator)
    with fitting(path):
        generator.load_state_dict(checkpoint.recipe["average"]["weights"])
    return generator.requires_grad_(False)


@contextlib.contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Turn errors of weights that do not fit their network into a `CheckpointError`."""
    try:
        yield
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not fit the networks of its config: it is by another version of shapegan"
        ) from error


def _read_without_weights(path: Path, read: Callable[[dict[str, Any]], Value]) -> Value:
    try:
        # Mapped: of a large file, little is read.
        return read(torch.load(path, map_location="cpu", mmap=True, weights_only=True))
    except Exception as error:  # damaged files raise errors of many kinds
        raise CheckpointError(f"{path} is not a checkpoint of shapegan, or damaged") from error


def _read(path: Path, device: torch.device | str) -> dict[str, Any]:
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    try:
        _check_whole(encoded)
        content = torch.load(io.BytesIO(encoded), map_location=device, weights_only=True)
    except Exception as error:  # damaged files raise errors of many kinds
        raise CheckpointError(f"{path} is not a checkpoint of shapegan, or damaged") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not a checkpoint of shapegan")
    return content


def _check_whole(encoded: bytes) -> None:
    """Compare all parts of a checkpoint with their checksums; torch checks few of them."""
    with zipfile.ZipFile(io.BytesIO(encoded)) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(damaged)

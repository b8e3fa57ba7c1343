"""A run, a checkpoint or published weights -> a generator, and latents for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapegan.model.networks.generator import Generator
from shapegan.model.networks.published import is_published, load_published
from shapegan.model.recipes.step_random import PICTURES, StepRandom
from shapegan.model.training.checkpoint import (
    Checkpoint,
    generator_of,
    latest_checkpoint,
    load_checkpoint,
)
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.schema import MeshReport

PUBLISHED_LEVEL = 0.04
"""The level at which the authors take surfaces: it keeps thin parts that their fields lose at 0.
Our datasets give thin parts a thickness of their own, so runs are at 0."""


class SourceError(PlainError):
    """Something that shapes cannot be made from; the message is one line with what to do."""


@dataclass(frozen=True)
class Source:
    """A generator that is ready to be asked, and where its latents lie."""

    name: str
    """Of the run or the file."""
    generator: Generator
    """On its device, without gradients: the running average of a run's, if it has one."""
    level: float
    """Where its surface is taken, if nobody says otherwise; frame units."""
    recipe: str
    """As in `TrainConfig`, or `published`."""
    split: str = "train"
    """What a run was trained on."""
    data: Path | None = None
    """The dataset that a run was trained on, as far as it is known; it may have been moved."""
    learned: Tensor | None = None
    """(S, Z): the latents of an autodecoder's training shapes, in the order of its split."""

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return self.generator.latent_first.weight.device

    @property
    def warp_device(self) -> str:
        """The same by its name in Warp, which draws the pictures."""
        return "cpu" if self.device.type == "cpu" else f"cuda:{self.device.index or 0}"

    def latent(self, seed: int, truncation: float = 1.0) -> Tensor:
        """The latent of a seed, (Z,): the same one on any device, whatever else is drawn.

        A GAN's latents are standard normal. An autodecoder's are drawn from the normal
        distribution that fits those it has learned: mean + covariance^(1/2) normal, with the
        symmetric root, since that is the only one that is the same whoever computes it.

        Args:
            seed: 0 or more.
            truncation: Shrinks latents towards their mean: below 1, shapes are more usual ones.
        """
        drawn = truncation * StepRandom(seed).normal(PICTURES, 1, self.generator.config.latent)[0]
        if self.learned is not None:
            mean, root = self._fitted
            drawn = (mean + root @ drawn.double()).float()
        return drawn.to(self.device)

    @cached_property
    def _fitted(self) -> tuple[Tensor, Tensor]:
        """Mean (Z,) and root of the covariance (Z, Z) of the learned latents, on the CPU."""
        assert self.learned is not None
        known = self.learned.cpu().double()
        apart = known - known.mean(dim=0)
        values, vectors = torch.linalg.eigh(apart.T @ apart / max(1, len(known) - 1))
        return known.mean(dim=0), vectors * values.clamp(min=0).sqrt() @ vectors.T

    def latents(self, seeds: Sequence[int], truncation: float = 1.0) -> Tensor:
        """The latents of seeds, one row each: (S, Z)."""
        return torch.stack([self.latent(seed, truncation) for seed in seeds])


def open_source(path: Path, device: torch.device | str = "cpu") -> Source:
    """Reads what shapes are to be made from.

    Args:
        path: A run's folder, whose last checkpoint is taken; a checkpoint; or one of the authors'
            files of weights.
        device: Where the generator is put.

    Raises:
        SourceError: where the path is nothing of these.
        CheckpointError, WeightsError: where a file cannot be used.
    """
    if not path.exists():
        raise SourceError(f"there is no {path}: expected a run, a checkpoint or published weights")
    if not path.is_dir():
        if is_published(path):
            generator = load_published(path).to(device).requires_grad_(False)
            return Source(path.stem, generator, PUBLISHED_LEVEL, "published")
        return _of_checkpoint(path.stem, path, device)
    checkpoint = latest_checkpoint(path / "checkpoints")
    if checkpoint is None:
        raise SourceError(
            f"{path} holds no checkpoint: expected the folder of a run of `shapegan train` that"
            " has saved one, a checkpoint, or published weights"
        )
    return _of_checkpoint(path.resolve().name, checkpoint, device)


def load_latents(path: Path, source: Source) -> Tensor:
    """Latents (S, Z) from a .npy file, on the source's device; one (Z,) alone is a row.

    Raises:
        SourceError: where the file holds anything else.
    """
    size = source.generator.config.latent
    expected = f"expected a .npy of latents (S, {size})"
    try:
        latents = np.atleast_2d(np.load(path, allow_pickle=False))
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}; {expected}") from error
    except (ValueError, EOFError) as error:
        raise SourceError(f"{path} is no array, or is torn: {expected}") from error
    if not isinstance(latents, np.ndarray) or latents.dtype.kind not in "fiu":
        raise SourceError(f"{path} holds no array of numbers: {expected}")
    if latents.ndim != 2 or latents.shape[1] != size or len(latents) == 0:
        raise SourceError(f"{path} holds {latents.shape}: {expected}")
    if not np.isfinite(latents).all():
        raise SourceError(f"{path} holds numbers that are not finite: {expected}")
    return torch.from_numpy(latents.astype(np.float32)).to(source.device)


def learned_shapes(source: Source, data: Path | None = None) -> list[MeshReport]:
    """The shapes whose latents an autodecoder has learned, in their order: ids and categories.

    Args:
        source: With `learned` latents.
        data: The run's dataset; None where it lay when the run was trained.

    Raises:
        SourceError: where there are no such shapes, or the dataset has others.
        DatasetError: where it cannot be read.
    """
    folder = data or source.data
    if source.learned is None:
        raise SourceError(f"{source.name} has learned no latents: expected an autodecoder's run")
    if folder is None:
        raise SourceError(f"{source.name} does not say what it was trained on: name it with --data")
    dataset = Dataset(folder)
    numbers = dataset.splits.get(source.split, []) if dataset.splits else range(len(dataset))
    if len(numbers) != len(source.learned):
        raise SourceError(
            f"{source.name} has learned {len(source.learned)} shapes, {folder} has {len(numbers)}"
            " to train on: name the run's dataset with --data"
        )
    return [dataset.accepted[number] for number in numbers]


def _of_checkpoint(name: str, path: Path, device: torch.device | str) -> Source:
    checkpoint = load_checkpoint(path, device)
    config = checkpoint.config
    return Source(
        name,
        generator_of(checkpoint, path).to(device),
        0.0,
        config.recipe,
        config.split,
        Path(checkpoint.data) if checkpoint.data else None,
        _learned(checkpoint),
    )


def _learned(checkpoint: Checkpoint) -> Tensor | None:
    if checkpoint.config.recipe != "autodecoder":
        return None
    networks: dict[str, Any] = checkpoint.recipe["networks"]
    weights: Tensor = networks["latents"]["weight"]
    return weights.detach()

"""A run, a checkpoint or published weights -> a generator and its latents."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapegan.model.networks.any_generator import AnyGenerator
from shapegan.model.networks.grid_encoder import GridEncoder
from shapegan.model.networks.latent_generator import LatentGenerator, LatentGeneratorConfig
from shapegan.model.networks.published import is_published, load_published
from shapegan.model.recipes.step_random import PICTURES, StepRandom
from shapegan.model.training.checkpoint import (
    Checkpoint,
    fitting,
    generator_of,
    latest_checkpoint,
    load_checkpoint,
)
from shapegan.pipeline import schema
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.schema import MeshReport
from shapegan.pipeline.taxonomy import describe, match_rank

PUBLISHED_LEVEL = 0.04
"""Level at which the authors extract surfaces (Kleineberg et al. 2020): it keeps thin parts that
their fields lose at 0. Our datasets thicken thin parts, so the level of our runs is 0."""


class SourceError(PlainError):
    """A path that holds no usable generator; the message is one line with the remedy."""


@dataclass(frozen=True)
class Source:
    """A generator ready for use, and the distribution of its latents."""

    name: str
    """Name of the run or the file."""
    generator: AnyGenerator
    """On its device, without gradients: the running average of a run's weights, if there is one."""
    level: float
    """Default value of the field at the surface, frame units."""
    recipe: str
    """Recipe of `TrainConfig`, or `published`."""
    split: str = "train"
    """Split on which a run was trained."""
    data: Path | None = None
    """Dataset on which a run was trained, if known; it may have been moved since."""
    learned: Tensor | None = None
    """(S, Z), latents of an autodecoder's training shapes in the order of its split, else None."""
    encoder: GridEncoder | None = None
    """Encoder of a run of recipe `latent`, on the device of the generator, else None."""
    encoded_size: int = 0
    """Resolution of the voxels that the encoder was found for."""

    @property
    def device(self) -> torch.device:
        """Device of the generator."""
        return self.generator.device

    @property
    def warp_device(self) -> str:
        """Name of that device in Warp, which draws the pictures."""
        return "cpu" if self.device.type == "cpu" else f"cuda:{self.device.index or 0}"

    def latent(self, seed: int, truncation: float = 1.0) -> Tensor:
        """Draw the latent of a seed; it depends on the seed alone, not on device or earlier draws.

        Latents of a GAN are standard normal. Those of an autodecoder follow the normal distribution
        fitted to its learned latents: mean + covariance^(1/2) n, with the symmetric root, which is
        unique, so the result does not depend on how the root is computed.

        Args:
            seed: 0 or more.
            truncation: Factor that shrinks latents towards their mean: below 1, shapes vary less
                and are more typical.

        Returns:
            (Z,) float32, on the generator's device.
        """
        drawn = truncation * StepRandom(seed).normal(PICTURES, 1, self.generator.config.latent)[0]
        if self.learned is not None:
            mean, root = self._fitted
            drawn = (mean + root @ drawn.double()).float()
        return drawn.to(self.device)

    def of_category(self, latent: Tensor, word: str) -> Tensor:
        """Change a latent (Z,) so that its shape is of a category.

        Args:
            latent: As `latent` draws it.
            word: Id, folder or name of the category.

        Raises:
            SourceError: the generator has no such category, or cannot choose categories.
        """
        generator = self.generator
        known = generator.config.categories if isinstance(generator, LatentGenerator) else None
        if not known or not isinstance(generator, LatentGenerator):
            raise SourceError(
                "--category works only for runs of recipe latent on several categories, unlike"
                f" {self.name}"
            )
        best = max(known, key=lambda category: match_rank(word, category))
        if not match_rank(word, best):
            listed = ", ".join(describe(category) for category in known)
            raise SourceError(f"--category: got {word}, takes one of {listed}")
        labels = generator.chosen_labels(best)
        return torch.cat([latent[: generator.config.code], labels.to(latent.device)])

    @cached_property
    def _fitted(self) -> tuple[Tensor, Tensor]:
        """Mean (Z,) and root of the covariance (Z, Z) of the learned latents, on the CPU."""
        assert self.learned is not None
        learned = self.learned.cpu().double()
        centred = learned - learned.mean(dim=0)
        values, vectors = torch.linalg.eigh(centred.T @ centred / max(1, len(learned) - 1))
        return learned.mean(dim=0), vectors * values.clamp(min=0).sqrt() @ vectors.T

    def latents(self, seeds: Sequence[int], truncation: float = 1.0) -> Tensor:
        """Latents (S, Z) of seeds, one row each; see `latent`."""
        return torch.stack([self.latent(seed, truncation) for seed in seeds])


def open_source(path: Path | str, device: torch.device | str = "cpu") -> Source:
    """Open a generator. On a GPU, convolutions of this process are not rounded to TF32 from now on.

    Args:
        path: The folder of a run, whose last checkpoint is used; a checkpoint; or a file of the
            authors' published weights.
        device: Device for the generator.

    Raises:
        SourceError: if the path is none of these.
        CheckpointError: if a checkpoint cannot be used.
        WeightsError: if a file of weights cannot be used.
    """
    path, device = Path(path), torch.device(device)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    if not path.exists():
        raise SourceError(f"there is no {path}: expected a run, a checkpoint or published weights")
    if not path.is_dir():
        if is_published(path):
            generator = load_published(path).to(device).requires_grad_(False)
            return Source(path.stem, generator, PUBLISHED_LEVEL, "published")
        return _open_checkpoint(path.stem, path, device)
    checkpoint = latest_checkpoint(path / "checkpoints")
    if checkpoint is None:
        raise SourceError(
            f"{path} holds no checkpoint: expected the folder of a run of `shapegan train` that"
            " has saved one, a checkpoint, or published weights"
        )
    return _open_checkpoint(path.resolve().name, checkpoint, device)


def load_latents(path: Path, source: Source) -> Tensor:
    """Load latents from a .npy file.

    Args:
        path: Of an array (S, Z), or (Z,) for a single latent.
        source: Whose generator takes the latents.

    Returns:
        (S, Z) float32, on the generator's device.

    Raises:
        SourceError: if the file holds anything else.
    """
    size = source.generator.config.latent
    expected = f"expected a .npy of latents (S, {size})"
    try:
        latents = np.atleast_2d(np.load(path, allow_pickle=False))
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}; {expected}") from error
    except (ValueError, EOFError) as error:
        raise SourceError(f"{path} is not an array, or is truncated: {expected}") from error
    if not isinstance(latents, np.ndarray) or latents.dtype.kind not in "fiu":
        raise SourceError(f"{path} does not hold an array of numbers: {expected}")
    if latents.ndim != 2 or latents.shape[1] != size or len(latents) == 0:
        raise SourceError(f"{path} holds an array {latents.shape}: {expected}")
    if not np.isfinite(latents).all():
        raise SourceError(f"{path} holds NaN or infinity: {expected}")
    return torch.from_numpy(latents.astype(np.float32)).to(source.device)


def training_dataset(source: Source, data: Path | None = None) -> Dataset:
    """Open the dataset of a source's run.

    Args:
        source: Of a run.
        data: The dataset's folder; None for the place where it was during training.

    Raises:
        SourceError: if the place is unknown, or the dataset is no longer there.
        DatasetError: if the dataset cannot be read.
    """
    folder = data or source.data
    if folder is None:
        raise SourceError(f"{source.name} does not name its dataset: name it with --data")
    if data is None and not (folder / schema.MANIFEST_NAME).exists():
        raise SourceError(
            f"the dataset of {source.name} is no longer in {folder}: name it with --data"
        )
    return Dataset(folder)


def learned_shapes(source: Source, data: Path | None = None) -> list[MeshReport]:
    """Reports of an autodecoder's training shapes, in the order of its learned latents.

    Args:
        source: With `learned` latents.
        data: Dataset of the run; None for the place where it was during training.

    Returns:
        S reports; they hold ids and categories.

    Raises:
        SourceError: if the source has no learned latents, or the dataset does not fit them.
        SourceError, DatasetError: see `training_dataset`.
    """
    if source.learned is None:
        raise SourceError(
            f"{source.name} has no learned latents: expected a run of recipe autodecoder or latent"
        )
    dataset = training_dataset(source, data)
    indices = dataset.splits.get(source.split, []) if dataset.splits else range(len(dataset))
    if len(indices) != len(source.learned):
        raise SourceError(
            f"{source.name} has learned {len(source.learned)} shapes, but {dataset.path} has"
            f" {len(indices)} to train on: name the run's dataset with --data"
        )
    return [dataset.accepted[index] for index in indices]


def _open_checkpoint(name: str, path: Path, device: torch.device | str) -> Source:
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
        _encoder(checkpoint, path, device),
        config.stages[0].size,
    )


def _learned(checkpoint: Checkpoint) -> Tensor | None:
    if checkpoint.config.recipe != "autodecoder":
        return None
    networks: dict[str, Any] = checkpoint.recipe["networks"]
    weights: Tensor = networks["latents"]["weight"]
    return weights.detach()


def _encoder(checkpoint: Checkpoint, path: Path, device: torch.device | str) -> GridEncoder | None:
    config = checkpoint.config.generator
    state = checkpoint.recipe.get("networks", {}).get("encoder")
    if state is None or not isinstance(config, LatentGeneratorConfig):
        return None
    encoder = GridEncoder(config.code, config.symmetry == "x")
    with fitting(path):
        encoder.load_state_dict(state)
    return encoder.to(device).requires_grad_(False)

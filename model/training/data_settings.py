"""Settings of a config that depend on the training shapes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shapegan.model.config import TrainConfig
from shapegan.model.config_check import check
from shapegan.model.networks.latent_generator import LatentGeneratorConfig
from shapegan.model.training.symmetry import resolve_symmetry
from shapegan.pipeline.dataset.reader import Dataset

MAX_PRIOR_SHAPES = 4096
"""Training shapes whose codes a prior keeps at most."""


def resolve_by_data(config: TrainConfig, data: Path) -> TrainConfig:
    """Replace `symmetry: auto`, `categories: null` and `prior_shapes: null` by what the data show.

    Raises:
        DatasetError: the dataset cannot be read.
        TrainConfigError: the prior should keep more shapes than there are.
    """
    config = resolve_symmetry(config, data)
    generator = config.generator
    if isinstance(generator, LatentGeneratorConfig) and generator.categories is None:
        categories = training_categories(Dataset(data), config.split)
        generator = replace(generator, categories=categories)
        config = replace(config, generator=generator)
    if not generator.prior_spread:
        return config
    count, given = len(_numbers(Dataset(data), config.split)), generator.prior_shapes
    if given is not None:
        takes = f"1 to {count}, the number of training shapes"
        check(given <= count, "generator.prior_shapes", given, takes)
        return config
    shapes = min(count, MAX_PRIOR_SHAPES)
    return replace(config, generator=replace(generator, prior_shapes=shapes))


def training_categories(dataset: Dataset, split: str) -> tuple[str, ...]:
    """Categories of a split's shapes in alphabetical order; none if there is only one.

    Args:
        dataset: The dataset.
        split: Name of a split; all shapes count if there is none of this name.
    """
    found = {dataset.categories[number] for number in _numbers(dataset, split)}
    return tuple(sorted(found)) if len(found) > 1 else ()


def _numbers(dataset: Dataset, split: str) -> Sequence[int]:
    """Shapes of a split, or all."""
    return dataset.splits.get(split) or range(len(dataset))

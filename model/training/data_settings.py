"""Settings of a config that depend on the training shapes."""

from dataclasses import replace
from pathlib import Path

from shapegan.model.config import TrainConfig
from shapegan.model.networks.latent_generator import LatentGeneratorConfig
from shapegan.model.training.symmetry import resolve_symmetry
from shapegan.pipeline.dataset.reader import Dataset


def resolve_by_data(config: TrainConfig, data: Path) -> TrainConfig:
    """Replace `symmetry: auto` and `categories: null` by what the training shapes show.

    Raises:
        DatasetError: the dataset cannot be read.
    """
    config = resolve_symmetry(config, data)
    generator = config.generator
    if not isinstance(generator, LatentGeneratorConfig) or generator.categories is not None:
        return config
    categories = training_categories(Dataset(data), config.split)
    return replace(config, generator=replace(generator, categories=categories))


def training_categories(dataset: Dataset, split: str) -> tuple[str, ...]:
    """Categories of a split's shapes in alphabetical order; none if there is only one.

    Args:
        dataset: The dataset.
        split: Name of a split; all shapes count if there is none of this name.
    """
    numbers = dataset.splits.get(split) or range(len(dataset))
    found = {dataset.categories[number] for number in numbers}
    return tuple(sorted(found)) if len(found) > 1 else ()

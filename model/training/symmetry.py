"""Mirror symmetry of a dataset's shapes, which decides the generator's setting `symmetry: auto`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from shapegan.model.config import TrainConfig
from shapegan.model.streaming.order import evenly_spaced
from shapegan.pipeline.dataset.reader import Dataset

MAX_DIFFERENCE = 2e-3
"""Mean difference, cube frame, between the field of a symmetric shape and its mirror image."""
MIN_SHARE = 0.8
"""Share of symmetric shapes from which on `auto` means `x`."""
_MAX_SHAPES = 256
"""Shapes that are measured, evenly spaced in the split."""


def resolve_symmetry(config: TrainConfig, data: Path) -> TrainConfig:
    """Replace the generator's `symmetry: auto` by what the training shapes show: `x` or `none`.

    Raises:
        DatasetError: the dataset cannot be read.
    """
    if config.generator.symmetry != "auto":
        return config
    share = symmetric_share(Dataset(data), config.split)
    generator = replace(config.generator, symmetry="x" if share >= MIN_SHARE else "none")
    return replace(config, generator=generator)


def symmetric_share(dataset: Dataset, split: str) -> float:
    """Share of a split's shapes that are their own mirror image at x = 0, by their finest voxels.

    Args:
        dataset: The dataset.
        split: Name of a split; all shapes are measured if there is none of this name.

    Raises:
        DatasetError: a shard is missing or damaged, or the dataset has no voxels.
    """
    numbers = dataset.splits.get(split) or range(len(dataset))
    chosen = [numbers[place] for place in evenly_spaced(len(numbers), _MAX_SHAPES)]
    grids = (dataset.voxels(number, dataset.finest) for number in chosen)
    differences = [np.abs(grid - grid[::-1]).mean(dtype=np.float64) for grid in grids]
    return float(np.mean([difference < MAX_DIFFERENCE for difference in differences]))

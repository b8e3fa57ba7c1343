"""Training shapes of recipe `latent` as latents: voxels -> code -> the noise that gives the code.

An autodecoder stores a latent for each training shape (`learned`); here the encoder of the run and
the inverse of its prior find them.
"""

from pathlib import Path

import torch
from torch import Tensor

from shapegan.model.generation.source import Source, SourceError, training_dataset
from shapegan.model.networks.latent_generator import LatentGenerator
from shapegan.model.streaming.order import evenly_spaced
from shapegan.pipeline.schema import MeshReport

_BATCH = 16
"""Shapes that are encoded at once."""


@torch.no_grad()
def encode_training_shapes(
    source: Source, data: Path | None = None, limit: int | None = None
) -> tuple[list[MeshReport], Tensor]:
    """Encode training shapes, in the order of the split.

    Args:
        source: With an encoder.
        data: Dataset of the run; None for the place where it was during training.
        limit: Largest number of shapes, evenly spaced in the split; None for all. Each one is read
            from the disk.

    Returns:
        Reports, which hold ids and categories, and latents (S, Z).

    Raises:
        SourceError, DatasetError: the dataset is unknown, cannot be read, or does not fit.
    """
    generator = source.generator
    assert source.encoder is not None
    assert isinstance(generator, LatentGenerator)
    dataset, size = training_dataset(source, data), source.encoded_size
    rows = dataset.splits.get(source.split, []) if dataset.splits else range(len(dataset))
    if size not in dataset.resolutions or not rows:
        raise SourceError(
            f"{dataset.path} has no voxels of {size}^3 in the split {source.split}, on which"
            f" {source.name} was trained: name the run's dataset with --data"
        )
    chosen = [rows[place] for place in evenly_spaced(len(rows), limit or len(rows))]
    reports = [dataset.accepted[row] for row in chosen]
    known = set(generator.config.categories or ())
    if known and not {report.category for report in reports} <= known:
        raise SourceError(f"{dataset.path} has categories that {source.name} has not learned")
    latents = []
    for first in range(0, len(chosen), _BATCH):
        batch = slice(first, first + _BATCH)
        grids = [torch.from_numpy(dataset.voxels(row, size)) for row in chosen[batch]]
        codes = source.encoder(torch.stack(grids).to(source.device))
        labels = [generator.chosen_labels(one.category) for one in reports[batch]] if known else []
        chosen_labels = torch.stack(labels) if known else codes.new_zeros(len(codes), 0)
        latents.append(generator.latents_of(codes, chosen_labels))
    return reports, torch.cat(latents)

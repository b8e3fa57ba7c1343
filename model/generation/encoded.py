"""Training shapes of recipe `latent` as latents: voxels -> code -> the noise that gives the code.

An autodecoder stores a latent for each training shape (`learned`); here the encoder of the run and
the inverse of its prior find them.
"""

from pathlib import Path

import torch

from shapegan.model.generation.learned import LearnedShape, all_learned
from shapegan.model.generation.source import Source, SourceError
from shapegan.model.networks.latent_generator import LatentGenerator
from shapegan.model.streaming.order import evenly_spaced
from shapegan.pipeline.dataset.reader import Dataset

MAX_ENCODED = 500
"""Training shapes that are encoded, evenly spaced in the split: each one is read from the disk."""
_BATCH = 16
"""Shapes that are encoded at once."""


def training_latents(source: Source, data: Path | None = None) -> list[LearnedShape]:
    """Training shapes with their latents, in the order of the split.

    Args:
        source: Of an autodecoder, all of whose shapes are listed, or of recipe `latent`, of which
            `MAX_ENCODED` are.
        data: Dataset of the run; None for the place where it was during training.

    Returns:
        The shapes; none for other sources.

    Raises:
        SourceError, DatasetError: the dataset is unknown, cannot be read, or does not fit.
    """
    if source.learned is not None:
        return all_learned(source, data)
    return [] if source.encoder is None else _encoded(source, data)


@torch.no_grad()
def _encoded(source: Source, data: Path | None) -> list[LearnedShape]:
    generator, folder = source.generator, data or source.data
    assert source.encoder is not None
    assert isinstance(generator, LatentGenerator)
    if folder is None:
        raise SourceError(f"{source.name} does not name its dataset: name it with --data")
    dataset, size = Dataset(folder), source.encoded_size
    rows = dataset.splits.get(source.split, []) if dataset.splits else range(len(dataset))
    if size not in dataset.resolutions or not rows:
        raise SourceError(
            f"{folder} has no voxels of {size}^3 in the split {source.split}, on which"
            f" {source.name} was trained: name the run's dataset with --data"
        )
    chosen = [rows[place] for place in evenly_spaced(len(rows), MAX_ENCODED)]
    reports = [dataset.accepted[row] for row in chosen]
    known = set(generator.config.categories or ())
    if known and not {report.category for report in reports} <= known:
        raise SourceError(f"{folder} has categories that {source.name} has not learned")
    latents = []
    for first in range(0, len(chosen), _BATCH):
        batch = slice(first, first + _BATCH)
        grids = [torch.from_numpy(dataset.voxels(row, size)) for row in chosen[batch]]
        codes = source.encoder(torch.stack(grids).to(source.device))
        labels = [generator.chosen_labels(one.category) for one in reports[batch]] if known else []
        chosen_labels = torch.stack(labels) if known else codes.new_zeros(len(codes), 0)
        latents.append(generator.latents_of(codes, chosen_labels))
    found = zip(reports, torch.cat(latents), strict=True)
    return [LearnedShape(report.id, report.category, latent) for report, latent in found]

"""Evaluation of a generator: scores by level, those of training shapes, and nearest neighbours."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shapegan.model.generation.real_shapes import (
    RealShapes,
    choose_real_shapes,
    read_real_shapes,
)
from shapegan.model.generation.source import Source
from shapegan.model.metrics.point_clouds import chamfer_matrix
from shapegan.model.metrics.scores import (
    MeshValidity,
    Reference,
    Scores,
    mesh_validity,
    sample_clouds,
)
from shapegan.model.shapes.surface import Surface, extract_levels
from shapegan.pipeline.dataset.reader import Dataset

EMD_POINTS = 256
"""Default number of points of each cloud for the earth mover's distance."""

_TRAIN = "train"
_GENERATED_SET, _REAL_SET, _TRAIN_SET = range(3)
"""Seeds of the sets' clouds: one mesh in two sets gets two different clouds."""

Progress = Callable[[str], None]
"""Callback with the name of each step, when it starts."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation."""

    split: str | None = None
    """Split of the dataset that holds the real shapes; None for `test`, or for all shapes of a
    dataset without splits. In the result, empty for all shapes."""
    count: int | None = None
    """Generated shapes; None: as many as real ones, as in the papers."""
    seed: int = 0
    """Seed of the first generated shape; the next ones follow."""
    resolution: int | None = None
    """Grid of generated surfaces; None: the dataset's finest voxels, as for the real ones."""
    level: float | None = None
    """Level of generated surfaces, frame units; None: that of the source."""
    levels: tuple[float, ...] = ()
    """Further levels, compared by chamfer distance only."""
    emd_points: int = EMD_POINTS
    """Points of each cloud for the earth mover's distance; 0 leaves it out."""
    truncation: float = 1.0


@dataclass(frozen=True)
class ScoreRow:
    """A row of the table: one set of shapes against the real ones."""

    name: str
    level: float | None
    """None for real shapes."""
    validity: MeshValidity
    scores: Scores


@dataclass(frozen=True)
class NearestTrainingShape:
    """The training shape nearest to a generated one."""

    seed: int
    """Seed of the generated shape."""
    id: str
    """Id of the training shape."""
    chamfer: float


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation."""

    source: str
    data: str
    accepted: int
    """Shapes in the dataset."""
    meshes: int
    """Meshes from which the dataset was made."""
    settings: EvaluationSettings
    """The settings, with all defaults filled in."""
    rows: list[ScoreRow]
    """The generator at its level and at the further levels, then training shapes instead."""
    nearest: list[NearestTrainingShape]
    """For each generated shape that is not empty."""
    generated: list[Surface]
    """All generated shapes, at the level."""
    real: RealShapes


def evaluate(
    source: Source,
    dataset: Dataset,
    settings: EvaluationSettings,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Compare the shapes of a generator with real ones: a split, or all without splits.

    Args:
        source: The generator.
        dataset: Of the real shapes.
        settings: What to generate and to compare.
        progress: Called with the name of each step as it starts.

    Raises:
        EvaluationError: if the dataset lacks the split, or the split has fewer than two shapes.
        DatasetError: if the dataset cannot be read.
    """
    # 1. Read the real shapes, and fill in the defaults
    progress("reading real shapes")
    split, indices = choose_real_shapes(dataset, settings.split)
    real = read_real_shapes(dataset, indices)
    settings = _with_defaults(settings, source, dataset, split, len(real.ids))
    clouds = sample_clouds(real.surfaces, _REAL_SET)
    reference = Reference(clouds, settings.emd_points, _cores(), source.warp_device)
    # 2. Score the generator at each level
    rows, generated = _score_levels(source, settings, reference, progress)
    # 3. Score training shapes in its place, and find the nearest ones
    nearest: list[NearestTrainingShape] = []
    if dataset.splits.get(_TRAIN) and settings.split != _TRAIN:
        progress("comparing with training shapes")
        training = read_real_shapes(dataset, dataset.splits[_TRAIN])
        rows.append(_score_training_shapes(training, reference, settings))
        nearest = find_nearest(generated, training, settings.seed, source.warp_device)
    counts = len(dataset), len(dataset.reports)
    return Evaluation(
        source.name, str(dataset.path), *counts, settings, rows, nearest, generated, real
    )


def find_nearest(
    generated: Sequence[Surface], training: RealShapes, seed: int, device: str = "cpu"
) -> list[NearestTrainingShape]:
    """Find the training shape nearest to each generated one, by chamfer distance.

    Args:
        generated: Surfaces of the seeds `seed`, `seed + 1`, ...; empty ones are left out.
        training: Surfaces of the training shapes.
        seed: Of the first generated shape.
        device: Warp device, such as `cuda:0`.
    """
    filled = [number for number, surface in enumerate(generated) if not surface.empty]
    if not filled:
        return []
    clouds = sample_clouds(generated, _GENERATED_SET)
    known = sample_clouds(training.surfaces, _TRAIN_SET)
    distances = chamfer_matrix(clouds, known, device, _cores())
    return [
        NearestTrainingShape(seed + number, training.ids[int(row.argmin())], float(row.min()))
        for number, row in zip(filled, distances, strict=True)
    ]


def _with_defaults(
    settings: EvaluationSettings, source: Source, dataset: Dataset, split: str, real: int
) -> EvaluationSettings:
    return replace(
        settings,
        split=split,
        count=settings.count or real,
        level=source.level if settings.level is None else settings.level,
        resolution=settings.resolution or dataset.finest,
    )


def _score_levels(
    source: Source, settings: EvaluationSettings, reference: Reference, progress: Progress
) -> tuple[list[ScoreRow], list[Surface]]:
    """A row for the level and for each further one, and the surfaces at the level."""
    assert settings.level is not None
    progress(f"generating {settings.count} shapes")
    # Each level once, the one in use first.
    levels = list(dict.fromkeys((settings.level, *settings.levels)))
    by_level = _generate(source, settings, levels)
    rows: list[ScoreRow] = []
    for level, surfaces in zip(levels, by_level, strict=True):
        progress(f"comparing level {level:g}")
        in_use = level == settings.level
        rows.append(_score(source.name, level, surfaces, reference, emd=in_use))
    return rows, by_level[0]


def _generate(
    source: Source, settings: EvaluationSettings, levels: Sequence[float]
) -> list[list[Surface]]:
    """For each level, the surfaces of all seeds."""
    assert settings.count is not None
    assert settings.resolution is not None
    seeds = range(settings.seed, settings.seed + settings.count)
    latents = source.latents(seeds, settings.truncation)
    by_shape = [
        extract_levels(source.generator, latent, settings.resolution, levels) for latent in latents
    ]
    return [list(surfaces) for surfaces in zip(*by_shape, strict=True)]


def _score(
    name: str,
    level: float | None,
    surfaces: Sequence[Surface],
    reference: Reference,
    *,
    emd: bool,
    seed: int = _GENERATED_SET,
) -> ScoreRow:
    clouds = sample_clouds(surfaces, seed)
    scores = reference.scores(clouds, len(surfaces) - len(clouds), emd=emd)
    return ScoreRow(name, level, mesh_validity(surfaces), scores)


def _score_training_shapes(
    training: RealShapes, reference: Reference, settings: EvaluationSettings
) -> ScoreRow:
    """Score as many random training shapes as there are generated ones, or all there are."""
    assert settings.count is not None
    count = min(settings.count, len(training.ids))
    drawn = np.random.default_rng(settings.seed).permutation(len(training.ids))[:count]
    surfaces = [training.surfaces[number] for number in drawn]
    return _score("training shapes", None, surfaces, reference, emd=True, seed=_TRAIN_SET)


def _cores() -> int:
    return len(os.sched_getaffinity(0))

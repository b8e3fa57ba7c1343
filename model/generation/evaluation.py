"""A generator beside real shapes: scores by level, an oracle, and what it may have copied."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.model.generation.source import Source
from shapegan.model.metrics.point_clouds import Cloud, chamfer_matrix
from shapegan.model.metrics.scores import Health, Reference, Scores, clouds_of, health
from shapegan.model.shapes.fid_views import in_ball
from shapegan.model.shapes.image_grid import GENERATED, Mesh, arrange, camera_of, draw_shapes
from shapegan.model.shapes.surface import Surface, extract_levels
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.pictures.render import CLAY

NORMALISATION = (
    "each cloud by itself: its bounding box's centre at 0, its farthest point at radius 0.5"
)
EARTH_POINTS = 256
"""Points of a cloud that the earth mover's distance is taken of, by default."""

_TRAIN = "train"
_GENERATED_SET, _REAL_SET, _TRAIN_SET = range(3)
"""Seeds of the sets' points: the same mesh in two sets has two clouds."""
_PAIRS = 4
"""Pairs in a row of the sheet of nearest shapes."""


class EvaluationError(PlainError):
    """Something that cannot be evaluated; the message is one line with what to do."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How a generator is evaluated."""

    split: str = "test"
    """Of the real shapes."""
    count: int | None = None
    """Generated shapes; None: as many as real ones, as in the papers."""
    seed: int = 0
    """Of the first shape; the next ones follow."""
    resolution: int | None = None
    """Of surfaces; None: the dataset's finest grid, as the real ones."""
    level: float | None = None
    """Of generated surfaces; None: the source's."""
    levels: tuple[float, ...] = ()
    """That are compared by chamfer distance beside it."""
    earth_points: int = EARTH_POINTS
    """0 leaves the earth mover's distance out."""
    truncation: float = 1.0


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    level: float | None
    """None for real shapes."""
    health: Health
    scores: Scores


@dataclass(frozen=True)
class Nearest:
    """The training shape that a generated one is most like."""

    seed: int
    id: str
    chamfer: float


@dataclass(frozen=True)
class Evaluation:
    """What was found."""

    source: str
    data: str
    split: str
    real: int
    """Shapes that were compared with."""
    accepted: int
    meshes: int
    """Of which so many were accepted: the dataset's yield."""
    settings: EvaluationSettings
    """All that was left open is filled in."""
    rows: list[Row]
    """The generator at its level, at the others, and training shapes in its place."""
    nearest: list[Nearest]
    """Of each generated shape that is not empty."""
    surfaces: list[Surface]
    """The generated shapes at the level."""
    reals: list[Surface]
    real_ids: list[str]


@dataclass(frozen=True)
class RealShapes:
    """Surfaces of a dataset's shapes, of its finest voxels."""

    ids: list[str]
    surfaces: list[Surface]


def evaluate(
    source: Source,
    dataset: Dataset,
    settings: EvaluationSettings,
    tell: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Compares what a generator makes with a split of real shapes.

    Args:
        source: The generator.
        dataset: Real shapes.
        settings: How.
        tell: Is told what is being done.

    Raises:
        EvaluationError: where the dataset has not what it takes.
        DatasetError: where it cannot be read.
    """
    # 1. The real shapes, and what was left open
    tell("reading real shapes")
    real = real_shapes(dataset, split_of(dataset, settings.split))
    settings = replace(
        settings,
        count=settings.count or len(real.ids),
        level=source.level if settings.level is None else settings.level,
        resolution=settings.resolution or dataset.resolutions[-1],
    )
    device = source.warp_device
    clouds = clouds_of(real.surfaces, _REAL_SET)
    reference = Reference(clouds, settings.earth_points, _cores(), device)
    # 2. The generator, at its level and at others
    rows: list[Row] = []
    tell(f"generating {settings.count} shapes")
    levels = _levels(settings)
    by_level = _generated(source, settings, levels)
    surfaces = by_level[0]
    for level, made in zip(levels, by_level, strict=True):
        tell(f"comparing level {level:g}")
        rows.append(_row(source.name, level, made, reference, earth=made is surfaces))
    # 3. Training shapes: what a perfect memory gets, and what was copied
    nearest: list[Nearest] = []
    train = dataset.splits.get(_TRAIN, [])
    if train and settings.split != _TRAIN:
        tell("comparing with training shapes")
        known = real_shapes(dataset, train)
        rows.append(_oracle(known, reference, settings))
        nearest = _nearest(surfaces, known, settings.seed, device)
    return Evaluation(
        source.name,
        str(dataset.path),
        settings.split,
        len(real.ids),
        len(dataset),
        len(dataset.reports),
        settings,
        rows,
        nearest,
        surfaces,
        real.surfaces,
        real.ids,
    )


def split_of(dataset: Dataset, split: str) -> list[int]:
    """Numbers of a split's shapes.

    Raises:
        EvaluationError: where there is no such split, or next to nothing in it.
    """
    splits = dataset.splits
    if split not in splits:
        listed = ", ".join(sorted(splits)) or "none"
        raise EvaluationError(
            f"{dataset.path} has no split {split!r}, there are: {listed}; --split names one, and"
            " `shapegan preprocess --splits` makes them"
        )
    if len(splits[split]) < 2:
        raise EvaluationError(
            f"split {split!r} of {dataset.path} has 1 shape: expected at least 2 to compare with"
        )
    return splits[split]


def real_shapes(dataset: Dataset, numbers: Sequence[int]) -> RealShapes:
    """Surfaces of these shapes, of the finest voxels; those that have none are left out."""
    found = RealShapes([], [])
    for number in numbers:
        vertices, faces = extract_surface(dataset.voxels(number, dataset.resolutions[-1]))
        if len(faces):
            found.ids.append(dataset.ids[number])
            found.surfaces.append(Surface(vertices.astype(np.float32), faces))
    return found


def draw_nearest(evaluation: Evaluation, dataset: Dataset, count: int = 16) -> Picture:
    """Generated shapes (blue), each with the training shape nearest to it on its right.

    Args:
        evaluation: With nearest shapes.
        dataset: That it was made with.
        count: Pairs.
    """
    pairs = evaluation.nearest[:count]
    numbers = {shape: number for number, shape in enumerate(dataset.ids)}
    real = real_shapes(dataset, [numbers[pair.id] for pair in pairs]).surfaces
    first = evaluation.settings.seed
    made = [evaluation.surfaces[pair.seed - first] for pair in pairs]
    shown = [[_normalised(mesh) for mesh in pair] for pair in zip(made, real, strict=True)]
    camera = camera_of([mesh for pair in shown for mesh in pair])
    pictures = [
        draw_shapes([mesh], 1, 192, camera, color=color)
        for pair in shown
        for mesh, color in zip(pair, (GENERATED, CLAY), strict=True)
    ]
    return arrange(pictures, 2 * _PAIRS)


def _levels(settings: EvaluationSettings) -> list[float]:
    """The level used, then the others, each once."""
    assert settings.level is not None
    return list(dict.fromkeys((settings.level, *settings.levels)))


def _generated(
    source: Source, settings: EvaluationSettings, levels: Sequence[float]
) -> list[list[Surface]]:
    """For each level, the surfaces of all shapes."""
    assert settings.count is not None
    assert settings.resolution is not None
    seeds = range(settings.seed, settings.seed + settings.count)
    latents = source.latents(seeds, settings.truncation)
    by_shape = [
        extract_levels(source.generator, latent, settings.resolution, levels) for latent in latents
    ]
    return [list(shapes) for shapes in zip(*by_shape, strict=True)]


def _row(
    name: str,
    level: float | None,
    surfaces: Sequence[Surface],
    reference: Reference,
    *,
    earth: bool,
    seed: int = _GENERATED_SET,
) -> Row:
    clouds = clouds_of(surfaces, seed)
    scores = reference.scores(clouds, len(surfaces) - len(clouds), earth=earth)
    return Row(name, level, health(surfaces), scores)


def _oracle(known: RealShapes, reference: Reference, settings: EvaluationSettings) -> Row:
    """As many training shapes as there are generated ones, drawn at random; or all there are."""
    assert settings.count is not None
    count = min(settings.count, len(known.ids))
    drawn = np.random.default_rng(settings.seed).permutation(len(known.ids))[:count]
    surfaces = [known.surfaces[number] for number in drawn]
    return _row("training shapes", None, surfaces, reference, earth=True, seed=_TRAIN_SET)


def _nearest(
    surfaces: Sequence[Surface], known: RealShapes, seed: int, device: str
) -> list[Nearest]:
    filled = [number for number, surface in enumerate(surfaces) if not surface.empty]
    if not filled:
        return []
    clouds: Cloud = clouds_of(surfaces, _GENERATED_SET)
    distances = chamfer_matrix(clouds, clouds_of(known.surfaces, _TRAIN_SET), device, _cores())
    return [
        Nearest(seed + number, known.ids[int(row.argmin())], float(row.min()))
        for number, row in zip(filled, distances, strict=True)
    ]


def _normalised(mesh: Mesh) -> Surface:
    vertices: NDArray[np.floating] = in_ball(mesh.vertices, 0.5)
    return Surface(vertices.astype(np.float32), np.asarray(mesh.faces, np.int32))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def names_of(evaluation: Evaluation) -> Iterator[str]:
    """A name for each generated shape, as `shapegan generate` gives its file."""
    first = evaluation.settings.seed
    return (f"seed-{first + number:06d}" for number in range(len(evaluation.surfaces)))

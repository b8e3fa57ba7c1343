"""A `ReconstructedSplit` as JSON, as text, and as a picture."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from shapegan.model.generation.real_shapes import real_surface
from shapegan.model.generation.reconstruction import CHAMFER_POINTS, LATENT_NAME
from shapegan.model.generation.source import Source
from shapegan.model.generation.split_reconstruction import ReconstructedShape, ReconstructedSplit
from shapegan.model.shapes.image_grid import (
    GENERATED_COLOR,
    arrange,
    camera_of,
    draw_shapes,
    write_png,
)
from shapegan.model.shapes.surface import Surface, extract
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.files import write_text
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.pictures.shading import CLAY
from shapegan.pipeline.wording import counted

SCORES_NAME, PICTURE_NAME = "reconstructions.json", "reconstructions.png"
_PAIRS_IN_ROW = 4
_PANEL = 192
_PICTURE_RESOLUTION = 64
"""Maximum grid of the surfaces in the picture, whose panels are small."""


def as_json(found: ReconstructedSplit, frame: str) -> str:
    """All distances, their summary and the settings; distances of empty shapes are null."""
    shapes = [
        {
            "id": one.id,
            "folder": f"{one.folder.parent.name}/{one.folder.name}",
            "chamfer": one.chamfer,
        }
        for one in found.shapes
    ]
    content = {
        "source": found.source,
        "data": found.data,
        "split": found.split,
        "frame": frame,
        "points": CHAMFER_POINTS,
        "settings": dataclasses.asdict(found.settings.each),
        "summary": found.summary(),
        "shapes": shapes,
    }
    return json.dumps(content, indent=2) + "\n"


def as_text(found: ReconstructedSplit, frame: str) -> str:
    """Mean and median chamfer distance x 1000, the best shape and the worst ones."""
    summary = found.summary()
    count = counted(len(found.shapes), "shape")
    of = f"split `{found.split}` of {found.data}" if found.split else found.data
    text = f"{count} of {of} by {found.source}, {summary['empty']} of them empty\n"
    ranked = [shape for shape in found.ranked if shape.chamfer is not None]
    if not ranked:
        return text
    mean, median = (1000 * (summary[f"chamfer_{name}"] or 0) for name in ("mean", "median"))
    worst = ", ".join(_with_distance(shape) for shape in ranked[:-4:-1])
    return (
        f"{text}chamfer distance x 1000: mean {mean:.3f}, median {median:.3f} (sum of both mean"
        f" squared distances, {frame} frame)\nbest: {_with_distance(ranked[0])}; worst: {worst}\n"
    )


def write_report(out: Path, found: ReconstructedSplit, source: Source, dataset: Dataset) -> None:
    """Write reconstructions.json and reconstructions.png.

    Raises:
        OutputError: if a file cannot be written.
    """
    write_text(out / SCORES_NAME, as_json(found, source.generator.config.frame))
    write_png(out / PICTURE_NAME, draw_ranks(found, source, dataset))


def draw_ranks(found: ReconstructedSplit, source: Source, dataset: Dataset) -> Picture:
    """Draw the best shapes, those around the median, and the worst, in a row each.

    Args:
        found: At least one shape. Of fewer than three, each is drawn once.
        source: Of the reconstructions.
        dataset: Of the real shapes.

    Returns:
        (H, W, 3) uint8: pairs of a real shape (clay) and its reconstruction (blue).
    """
    rows = pick_ranks(found.ranked)
    shown = [(name, shape) for name, shapes in rows.items() for shape in shapes]
    pairs = [(_real(dataset, source, shape), _made(source, shape, found)) for _, shape in shown]
    camera = camera_of([mesh for pair in pairs for mesh in pair])
    pictures = []
    for (name, shape), pair in zip(shown, pairs, strict=True):
        captions = (f"{name}: {shape.id}", _distance(shape))
        for mesh, color, caption in zip(pair, (CLAY, GENERATED_COLOR), captions, strict=True):
            pictures.append(draw_shapes([mesh], 1, _PANEL, camera, color=color, captions=[caption]))
    return arrange(pictures, 2 * max(map(len, rows.values())))


def pick_ranks(ranked: Sequence[ReconstructedShape]) -> dict[str, Sequence[ReconstructedShape]]:
    """Shapes of each row of the picture: `best`, `median` and `worst`, none of them twice."""
    count = len(ranked)
    if count < 3:
        return dict(zip(("best", "worst"), ([shape] for shape in ranked), strict=False))
    size = min(_PAIRS_IN_ROW, count // 3)
    middle = (count - size) // 2
    return {
        "best": ranked[:size],
        "median": ranked[middle : middle + size],
        "worst": ranked[count - size :],
    }


def _with_distance(shape: ReconstructedShape) -> str:
    return f"{shape.id} ({_distance(shape)})"


def _distance(shape: ReconstructedShape) -> str:
    """Chamfer distance x 1000, in words."""
    return "empty" if shape.chamfer is None else f"{1000 * shape.chamfer:.3f}"


def _real(dataset: Dataset, source: Source, shape: ReconstructedShape) -> Surface:
    return real_surface(dataset, shape.index, source.generator.config.frame)


def _made(source: Source, shape: ReconstructedShape, found: ReconstructedSplit) -> Surface:
    settings = found.settings.each
    latent = torch.from_numpy(np.load(shape.folder / LATENT_NAME)).to(source.device)
    level = source.level if settings.level is None else settings.level
    return extract(source.generator, latent, min(settings.resolution, _PICTURE_RESOLUTION), level)

"""Previews: pictures of the shapes of the same latents, as training goes on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from shapegan.model.networks.any_generator import AnyGenerator
from shapegan.model.schedule import Position
from shapegan.model.shapes.image_grid import draw_shapes, write_png
from shapegan.model.shapes.surface import extract
from shapegan.model.training.logger import MetricsLogger

_COLUMNS = 4
_PANEL = 160
_MESHES = 2
"""Meshes per preview in TensorBoard."""


def choose_places(wanted: int, count: int) -> list[int]:
    """Choose `count` of so many latents, evenly, so that learned and drawn ones stay mixed."""
    places: list[int] = np.linspace(0, wanted - 1, count).round().astype(int).tolist()
    return places


def draw_probe(generator: AnyGenerator, latent: Tensor, resolution: int) -> None:
    """Draw the shape of a latent (Z,), to measure the time that it takes."""
    draw_shapes([extract(generator, latent, resolution=resolution)], columns=1, panel=_PANEL)


def draw_previews(
    generator: AnyGenerator,
    latents: Tensor,
    resolution: int,
    folder: Path,
    captions: Sequence[str],
    position: Position,
    logger: MetricsLogger,
) -> Path:
    """Draw the shapes of latents (S, Z) to an image grid in a folder, and for TensorBoard.

    Captions, if there are any, name which shapes are learned and which are drawn at random.
    """
    folder.mkdir(parents=True, exist_ok=True)
    surfaces = [extract(generator, latent, resolution=resolution) for latent in latents]
    picture = draw_shapes(surfaces, columns=_COLUMNS, panel=_PANEL, captions=captions)
    path = folder / f"step-{position.total:08d}.png"
    write_png(path, picture)
    logger.picture("previews", np.asarray(picture), position)
    drawn = [surface for surface in surfaces if len(surface.faces)][:_MESHES]
    for number, surface in enumerate(drawn):
        logger.mesh(f"mesh-{number}", surface.vertices, surface.faces, position)
    return path

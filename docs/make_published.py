"""Draw the pictures of shapes.md again, from the authors' published weights.

python docs/make_published.py grids WEIGHTS...     # NAME.png: sixteen shapes, seeds 0 to 15
python docs/make_published.py films WEIGHTS...     # NAME.mp4, NAME-film.png: through four shapes
python docs/make_published.py upscale WEIGHTS      # upscale.png: one shape at 16^3 to 128^3
python docs/make_published.py levels WEIGHTS       # levels.png: one shape at eight levels
python docs/make_published.py sphere-tracing WEIGHTS    # sphere-tracing.png: without a mesh
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import warp as wp
from drawing import compress
from PIL import Image

from shapegan.model.generation.figures import draw_levels, draw_upscale
from shapegan.model.generation.films import draw_film, film_strip, write_film
from shapegan.model.generation.paths import path_through
from shapegan.model.generation.source import Source, open_source
from shapegan.model.shapes.image_grid import arrange, camera_of, draw_shapes
from shapegan.model.shapes.sphere_tracing import sphere_trace
from shapegan.model.shapes.surface import extract

IMAGES = Path(__file__).parent / "images"
PANEL = 160

SHAPES, COLUMNS, RESOLUTION = 16, 8, 72
VOXEL_LEVEL, POINT_LEVEL = 0.03, 0.02
"""Between 0, where legs and wings are lost, and the paper's 0.04, where they are swollen."""

FILMED, FILM_RESOLUTION, FILM_PANEL = (0, 1, 2, 3), 49, 192
SECONDS, RATE = 3, 12
TRACED = (0, 2)
SHOWN = 0
"""Seed of the shape shown at all resolutions and levels."""


def main() -> None:
    """Draw one kind of picture for each file of weights."""
    wp.config.log_level = wp.LOG_WARNING
    draw = DRAWN[sys.argv[1]]
    for path in map(Path, sys.argv[2:]):
        print(path.name, flush=True)
        draw(open_source(path))


def draw_grid(source: Source) -> None:
    """Draw sixteen shapes, none selected."""
    latents, level = source.latents(range(SHAPES)), level_of(source)
    meshes = [extract(source.generator, one, RESOLUTION, level) for one in latents]
    save(draw_shapes(meshes, COLUMNS, PANEL), source.name)


def film(source: Source) -> None:
    """Write a closed loop through four shapes, and a strip of it."""
    path = path_through(source.latents(FILMED), SECONDS * RATE, closed=True)
    level = level_of(source)
    pictures = draw_film(source, path, FILM_RESOLUTION, level, FILM_PANEL)
    write_film(IMAGES / f"{source.name}.mp4", pictures, RATE)
    small = [
        np.asarray(Image.fromarray(picture).resize((PANEL, PANEL), Image.Resampling.LANCZOS))
        for picture in pictures
    ]
    save(film_strip(small), f"{source.name}-film")


def upscale(source: Source) -> None:
    """Draw one shape at rising resolutions, above its coarsest grid upscaled."""
    latent = source.latent(SHOWN)
    save(draw_upscale(source, latent, source.level, 2 * PANEL, trilinear=True), "upscale")


def levels(source: Source) -> None:
    """Draw one shape at levels from below 0 to above."""
    save(draw_levels(source, source.latent(SHOWN), RESOLUTION, 2 * PANEL), "levels")


def sphere_tracing(source: Source) -> None:
    """Draw shapes from the network, each beside the same shape from its mesh."""
    latents, level = source.latents(TRACED), level_of(source)
    meshes = [extract(source.generator, one, RESOLUTION, level) for one in latents]
    camera = camera_of(meshes)
    pictures = []
    for latent, mesh in zip(latents, meshes, strict=True):
        pictures.append(sphere_trace(source.generator, latent, level, camera, PANEL))
        pictures.append(draw_shapes([mesh], 1, PANEL, camera))
    save(arrange(pictures, len(pictures)), "sphere-tracing")


def level_of(source: Source) -> float:
    """Level at which a published generator's shapes look best."""
    return POINT_LEVEL if source.generator.config.frame == "sphere" else VOXEL_LEVEL


def save(picture: np.ndarray, name: str) -> None:
    """Write one of the page's pictures."""
    compress(Image.fromarray(picture), IMAGES / f"{name}.png")


DRAWN: dict[str, Callable[[Source], None]] = {
    "grids": draw_grid,
    "films": film,
    "upscale": upscale,
    "levels": levels,
    "sphere-tracing": sphere_tracing,
}


if __name__ == "__main__":
    main()

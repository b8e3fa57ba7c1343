"""Films of the figures: three ways to upscale along a path of latents, and a sweep of levels.

After the animations of Kleineberg, Fey and Weichert (2020).
"""

import itertools
from collections.abc import Callable

import numpy as np
import trimesh
from numpy.typing import NDArray
from torch import Tensor

from shapegan.model.generation.figures import LEVELS, RESOLUTIONS, captioned, trilinear_grid
from shapegan.model.generation.source import Source
from shapegan.model.shapes.image_grid import arrange, camera_of
from shapegan.model.shapes.surface import Surface, extract, extract_levels, sample
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.schema import grid_points, voxel_spacing

_POINT_SIZE = 0.6
"""Side of the cube that shows a raster point, in spacings of the grid."""


def draw_upscale_film(
    source: Source,
    latents: Tensor,
    level: float,
    panel: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Picture]:
    """Draw a frame for each latent: raster points of 16^3, trilinear to 128^3, network at 128^3.

    Args:
        source: Of the generator.
        latents: (F, Z).
        level: Value of the field at the surfaces, frame units.
        panel: Height and width of each of the three pictures, pixels; even, for mp4.
        advance: Called 2 F times, after the surfaces of a frame and after each frame.

    Returns:
        F frames (H, W, 3) uint8.
    """
    coarse, fine = RESOLUTIONS[0], RESOLUTIONS[-1]
    captions = (f"{coarse}^3 raster points", f"trilinear to {fine}^3", f"network at {fine}^3")
    shown = []
    for latent in latents:
        grid = sample(source.generator, latent, coarse, level, dense=True)
        trilinear = Surface.of_voxels(trilinear_grid(grid, fine), level)
        network = extract(source.generator, latent, fine, level)
        shown.append((raster_points(grid, level), trilinear, network))
        advance()
    camera = camera_of([surface for surfaces in shown for surface in surfaces])
    film = []
    for surfaces in shown:
        pairs = zip(surfaces, captions, strict=True)
        film.append(arrange([captioned(source, *pair, camera, panel) for pair in pairs], 3))
        advance()
    return film


def draw_level_film(
    source: Source,
    latent: Tensor,
    resolution: int,
    panel: int,
    frames: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Picture]:
    """Draw one shape at levels that rise from the first of `LEVELS` to the last, and fall again.

    Args:
        source: Of the generator.
        latent: (Z,).
        resolution: Grid points along each axis.
        panel: Height and width of the shape, pixels; even, for mp4.
        frames: F, at least 2.
        advance: Called after each new frame, F // 2 + 1 times.

    Returns:
        F frames (H, W, 3) uint8, a loop: the last one is next to the first.
    """
    levels = np.linspace(LEVELS[0], LEVELS[-1], frames // 2 + 1)
    surfaces = extract_levels(source.generator, latent, resolution, levels.tolist())
    camera = camera_of(surfaces)
    rising = []
    for surface, level in zip(surfaces, levels, strict=True):
        rising.append(captioned(source, surface, f"level {level:+.3f}", camera, panel))
        advance()
    return list(itertools.islice(itertools.cycle(rising + rising[-2:0:-1]), frames))


def raster_points(grid: NDArray[np.floating], level: float) -> Surface:
    """Cubes at the points of a grid (R, R, R) that are inside, cube or sphere frame."""
    inside = grid_points(len(grid))[grid.ravel() < level]
    cube = trimesh.creation.box([_POINT_SIZE * voxel_spacing(len(grid))] * 3)
    vertices = inside[:, None] + cube.vertices.astype(np.float32)
    faces = np.arange(len(inside))[:, None, None] * len(cube.vertices) + cube.faces
    return Surface(vertices.reshape(-1, 3), faces.reshape(-1, 3).astype(np.int32))

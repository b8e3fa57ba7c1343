"""Figures of one shape: at rising resolutions, and at several levels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import zoom
from torch import Tensor

from shapegan.model.generation.source import Source
from shapegan.model.shapes.image_grid import arrange, camera_of, draw_shapes
from shapegan.model.shapes.surface import Surface, extract, extract_levels, sample
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.panel import GREY, Picture, font

RESOLUTIONS = (16, 32, 64, 128)
LEVELS = (-0.05, -0.03, -0.01, 0.0, 0.02, 0.04, 0.06, 0.08)

_LEVEL_COLUMNS = 4
_CAPTION = 22
"""Height of a caption, pixels."""


def draw_upscale(
    source: Source, latent: Tensor, level: float, panel: int, *, trilinear: bool = False
) -> Picture:
    """Draw one shape, evaluated on the grids of `RESOLUTIONS`.

    Args:
        source: Of the generator.
        latent: (Z,).
        level: Value of the field at the surfaces, frame units.
        panel: Height and width of each picture, pixels.
        trilinear: Add a second row for comparison: the coarsest grid, interpolated trilinearly to
            the same resolutions.

    Returns:
        (H, W, 3) uint8.
    """
    surfaces = [extract(source.generator, latent, r, level) for r in RESOLUTIONS]
    captions = [f"{r}^3" for r in RESOLUTIONS]
    if trilinear:
        coarse = sample(source.generator, latent, RESOLUTIONS[0], level, dense=True)
        for r in RESOLUTIONS:
            surfaces.append(Surface.of_voxels(trilinear_grid(coarse, r), level))
            captions.append(f"{RESOLUTIONS[0]}^3, trilinear to {r}^3")
    return _captioned(source, surfaces, captions, len(RESOLUTIONS), panel)


def draw_levels(source: Source, latent: Tensor, resolution: int, panel: int) -> Picture:
    """Draw one shape at the levels of `LEVELS`, from thin to thick.

    Args:
        source: Of the generator.
        latent: (Z,).
        resolution: Grid points along each axis.
        panel: Height and width of each picture, pixels.

    Returns:
        (H, W, 3) uint8.
    """
    surfaces = extract_levels(source.generator, latent, resolution, LEVELS)
    captions = [f"level {level:g}" for level in LEVELS]
    return _captioned(source, surfaces, captions, _LEVEL_COLUMNS, panel)


def trilinear_grid(coarse: NDArray[np.float32], resolution: int) -> NDArray[np.float32]:
    """Grid (R, R, R) interpolated trilinearly from a coarser one."""
    # `zoom` keeps corners at corners, as in grids of `linspace(-1, 1, R)`.
    fine: NDArray[np.float32] = zoom(coarse, resolution / len(coarse), order=1)
    return fine


def _captioned(
    source: Source, surfaces: Sequence[Surface], captions: Sequence[str], columns: int, panel: int
) -> Picture:
    """Image grid of surfaces, with a caption below each."""
    camera = camera_of(surfaces)
    drawn = zip(surfaces, captions, strict=True)
    pictures = [captioned(source, surface, text, camera, panel) for surface, text in drawn]
    return arrange(pictures, columns)


def captioned(
    source: Source, surface: Surface, caption: str, camera: Camera, panel: int
) -> Picture:
    """Picture of a surface with a caption below: (panel + 22, panel, 3) uint8."""
    picture = draw_shapes([surface], 1, panel, camera, device=source.warp_device)
    image = Image.new("RGB", (panel, panel + _CAPTION), "white")
    image.paste(Image.fromarray(picture), (0, 0))
    at = (panel / 2, panel + _CAPTION / 2)
    ImageDraw.Draw(image).text(at, caption, GREY, font(_CAPTION - 8), anchor="mm")
    return np.asarray(image)

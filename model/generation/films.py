"""Films and strips of shapes: along a path of latents, over resolutions, over levels."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import zoom
from torch import Tensor

from shapegan.model.generation.source import Source
from shapegan.model.shapes.image_grid import arrange, camera_of, draw_shapes
from shapegan.model.shapes.surface import Surface, extract, extract_levels, sample
from shapegan.pipeline.files import OutputError, replacing
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.pictures.panel import GREY, Picture, font

RESOLUTIONS = (16, 32, 64, 128)
LEVELS = (-0.05, -0.03, -0.01, 0.0, 0.02, 0.04, 0.06, 0.08)
STRIP = 8
"""Pictures of a film that its strip shows."""

_CAPTION = 22


def draw_film(
    source: Source,
    latents: Tensor,
    resolution: int,
    level: float,
    panel: int,
    done: Callable[[], None],
) -> list[Picture]:
    """A picture for each latent (S, Z), all from one camera, which sees all the shapes.

    Args:
        source: Whose shapes.
        latents: (S, Z).
        resolution: Of the grids.
        level: Of the surfaces.
        panel: Height and width, pixels.
        done: Is called after each surface, and after each picture: 2 S times.
    """
    surfaces = []
    for latent in latents:
        surfaces.append(extract(source.generator, latent, resolution, level))
        done()
    camera = camera_of(surfaces)
    pictures = []
    for surface in surfaces:
        pictures.append(draw_shapes([surface], 1, panel, camera, device=source.warp_device))
        done()
    return pictures


def strip_of(film: Sequence[Picture], columns: int = STRIP) -> Picture:
    """Pictures of a film at even distances, side by side."""
    places = np.linspace(0, len(film) - 1, min(columns, len(film))).round().astype(int)
    return arrange([film[place] for place in places], columns)


def write_film(path: Path, film: Sequence[Picture], rate: int) -> None:
    """Writes an mp4 (H.264, which browsers show), whole or not at all.

    Args:
        path: In place of what is there.
        film: Pictures (H, W, 3) of even height and width.
        rate: Pictures a second.

    Raises:
        OutputError: where it cannot be written.
    """
    height, width, _ = film[0].shape
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += ["-r", str(rate), "-i", "-", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    command += ["-movflags", "+faststart", "-f", "mp4"]
    encoded = b"".join(picture.tobytes() for picture in film)
    with replacing(path) as temporary:
        # Not imageio's own writer: it leaves a pipe open, and ffmpeg's report to the terminal.
        done = subprocess.run(  # noqa: S603 - a program that came with its package, no shell
            [*command, str(temporary)], input=encoded, capture_output=True, check=False
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise OutputError(f"cannot write {path}: ffmpeg says {''.join(said)}")


def draw_upscale(
    source: Source, latent: Tensor, level: float, panel: int, *, trilinear: bool = False
) -> Picture:
    """One latent at rising resolutions; the network is asked for what no coarser grid holds.

    Args:
        source: Whose shape.
        latent: (Z,).
        level: Of the surfaces.
        panel: Height and width of each picture.
        trilinear: A second row: the coarsest grid, upscaled trilinearly to the same resolutions.
    """
    surfaces = [extract(source.generator, latent, r, level) for r in RESOLUTIONS]
    captions = [f"{r}^3" for r in RESOLUTIONS]
    if trilinear:
        coarse = sample(source.generator, latent, RESOLUTIONS[0], level, dense=True)
        for r in RESOLUTIONS:
            # Corners stay corners, as in grids `linspace(-1, 1, R)`.
            fine = zoom(coarse, r / RESOLUTIONS[0], order=1)
            vertices, faces = extract_surface(fine, level)
            surfaces.append(Surface(vertices.astype(np.float32), faces))
            captions.append(f"16^3, trilinear to {r}^3")
    return _captioned(source, surfaces, captions, len(RESOLUTIONS), panel)


def draw_levels(source: Source, latent: Tensor, resolution: int, panel: int) -> Picture:
    """The surfaces of one latent at levels from below 0 to above."""
    surfaces = extract_levels(source.generator, latent, resolution, LEVELS)
    captions = [f"level {level:g}" for level in LEVELS]
    return _captioned(source, surfaces, captions, STRIP // 2, panel)


def _captioned(
    source: Source, surfaces: Sequence[Surface], captions: Sequence[str], columns: int, panel: int
) -> Picture:
    camera = camera_of(surfaces)
    pictures = []
    for surface, caption in zip(surfaces, captions, strict=True):
        picture = draw_shapes([surface], 1, panel, camera, device=source.warp_device)
        image = Image.new("RGB", (panel, panel + _CAPTION), "white")
        image.paste(Image.fromarray(picture), (0, 0))
        at = (panel / 2, panel + _CAPTION / 2)
        ImageDraw.Draw(image).text(at, caption, GREY, font(_CAPTION - 8), anchor="mm")
        pictures.append(np.asarray(image))
    return arrange(pictures, columns)

"""Films of a path of latents, and strips of their frames."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from torch import Tensor

from shapegan.model.generation.source import Source
from shapegan.model.shapes.image_grid import arrange, camera_of, draw_shapes
from shapegan.model.shapes.surface import extract
from shapegan.pipeline.files import OutputError, replacing
from shapegan.pipeline.pictures.panel import Picture

STRIP_FRAMES = 8
"""Frames of a film that its strip shows."""


def draw_film(
    source: Source,
    latents: Tensor,
    resolution: int,
    level: float,
    panel: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Picture]:
    """Draw a frame for each latent, all from one camera that contains every shape.

    Args:
        source: Of the generator.
        latents: (S, Z).
        resolution: Grid points along each axis.
        level: Value of the field at the surfaces, frame units.
        panel: Height and width of the frames, pixels.
        advance: Called 2 S times, after each surface and after each frame.

    Returns:
        S frames (panel, panel, 3) uint8.
    """
    surfaces = []
    for latent in latents:
        surfaces.append(extract(source.generator, latent, resolution, level))
        advance()
    camera = camera_of(surfaces)
    frames = []
    for surface in surfaces:
        frames.append(draw_shapes([surface], 1, panel, camera, device=source.warp_device))
        advance()
    return frames


def film_strip(film: Sequence[Picture], columns: int = STRIP_FRAMES) -> Picture:
    """Evenly spaced frames of a film side by side, from the first to the last."""
    places = np.linspace(0, len(film) - 1, min(columns, len(film))).round().astype(int)
    return arrange([film[place] for place in places], columns)


def write_film(path: Path, film: Sequence[Picture], rate: int) -> None:
    """Write an mp4 (H.264, which browsers play), atomically; an existing file is replaced.

    Args:
        path: Of the film.
        film: Frames (H, W, 3) uint8 of even height and width.
        rate: Frames per second.

    Raises:
        OutputError: if the film cannot be written.
    """
    height, width, _ = film[0].shape
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += ["-r", str(rate), "-i", "-", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    command += ["-movflags", "+faststart", "-f", "mp4"]
    encoded = b"".join(picture.tobytes() for picture in film)
    with replacing(path) as temporary:
        # Not imageio's own writer: it leaves a pipe open, and ffmpeg's output on the terminal.
        done = subprocess.run(  # noqa: S603 - a program that came with its package, no shell
            [*command, str(temporary)], input=encoded, capture_output=True, check=False
        )
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise OutputError(f"cannot write {path}: ffmpeg reports {''.join(reason)}")

"""Image grids: pictures of several shapes, all seen from one camera."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from shapegan.model.shapes.mesh import Mesh
from shapegan.pipeline.files import replacing
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.panel import GREY, Picture, draw_note, font, printable
from shapegan.pipeline.pictures.render import render
from shapegan.pipeline.pictures.shading import Color

GENERATED_COLOR: Color = (0.47, 0.63, 0.82)
"""Colour of generated shapes, RGB in [0, 1]."""

_GAP = 4
"""Pixels between two pictures."""
_TEXT = 12
"""Height of captions, pixels."""


def draw_shapes(
    meshes: Sequence[Mesh],
    columns: int = 4,
    panel: int = 256,
    camera: Camera | None = None,
    *,
    color: Color = GENERATED_COLOR,
    device: str = "cpu",
    captions: Sequence[str] = (),
) -> Picture:
    """Draw shapes row by row; an empty shape becomes a panel with a note.

    Args:
        meshes: S shapes, at least one.
        columns: Maximum number of shapes in a row.
        panel: Height and width of each picture, pixels.
        camera: One for all pictures, so sizes compare; None for that of `camera_of`.
        color: Of the shapes, RGB in [0, 1].
        device: Warp device, such as `cuda:0`.
        captions: Text at the bottom of each picture; none if empty.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: if there are no shapes, or no columns.
    """
    if not meshes or columns < 1:
        raise ValueError(f"expected at least 1 shape and 1 column, got {len(meshes)} and {columns}")
    camera = camera or camera_of(meshes)
    draw = partial(_draw, panel=panel, camera=camera, color=color, device=device)
    # The first picture loads the kernels, and threads must not load them concurrently.
    pictures = [draw(meshes[0])]
    with ThreadPoolExecutor(_threads(device)) as pool:
        pictures += pool.map(draw, meshes[1:])
    if captions:
        pictures = [_captioned(*pair) for pair in zip(pictures, captions, strict=True)]
    return arrange(pictures, columns)


def _draw(mesh: Mesh, panel: int, camera: Camera, color: Color, device: str) -> Picture:
    if len(mesh.faces) == 0:
        return draw_note("empty", panel)
    return render(mesh.vertices, mesh.faces, size=panel, camera=camera, color=color, device=device)


def _captioned(picture: Picture, caption: str) -> Picture:
    image = Image.fromarray(picture)
    at = (image.width / 2, image.height - 4)
    ImageDraw.Draw(image).text(at, printable(caption), GREY, font(_TEXT), anchor="mb")
    return np.asarray(image)


def _threads(device: str) -> int:
    """One thread per CPU core; a GPU draws one picture after the other."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else 1


def camera_of(meshes: Sequence[Mesh]) -> Camera:
    """Three-quarter front view, in ShapeNet's axes, in which each of the shapes just fits."""
    shown = [mesh.vertices for mesh in meshes if len(mesh.faces)]
    return Camera().fitted(np.concatenate(shown)) if shown else Camera()


def arrange(pictures: Sequence[Picture], columns: int) -> Picture:
    """Arrange pictures row by row on white.

    Args:
        pictures: At least one, (h, w, 3) uint8, all of one size.
        columns: Maximum number of pictures in a row.

    Returns:
        (H, W, 3) uint8.
    """
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width, _ = pictures[0].shape
    down, right = height + _GAP, width + _GAP
    grid = np.full((rows * down - _GAP, columns * right - _GAP, 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * down, place % columns * right
        grid[top : top + height, left : left + width] = picture
    return grid


def write_png(path: Path | str, picture: Picture) -> None:
    """Write a picture (H, W, 3) as a PNG file, atomically; an existing file is replaced.

    Raises:
        OutputError: if the file cannot be written.
    """
    with replacing(Path(path)) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")

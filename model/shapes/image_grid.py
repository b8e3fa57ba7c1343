"""Pictures of many shapes at once: a sheet of generated meshes, all seen from one camera."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shapegan.pipeline.files import replacing
from shapegan.pipeline.pictures.panel import Picture, draw_note
from shapegan.pipeline.pictures.render import Camera, Color, render

GENERATED: Color = (0.47, 0.63, 0.82)
"""Colour of generated shapes."""

_GAP = 4
"""Pixels between pictures."""


class Mesh(Protocol):
    """Triangles, such as a `Surface` or a `TriangleMesh`."""

    @property
    def vertices(self) -> NDArray[np.floating]:
        """(V, 3)."""

    @property
    def faces(self) -> NDArray[np.integer]:
        """(F, 3), none where the shape is empty."""


def draw_shapes(
    meshes: Sequence[Mesh],
    columns: int = 4,
    panel: int = 256,
    camera: Camera | None = None,
    *,
    color: Color = GENERATED,
    device: str = "cpu",
) -> Picture:
    """Draws shapes row by row; in place of an empty one it says so.

    Args:
        meshes: S shapes, at least one.
        columns: In a row, of fewer shapes all.
        panel: Height and width of each picture, pixels.
        camera: Of all pictures; None for one that sees all the shapes, three quarters from the
            front as ShapeNet's lie, so that their sizes compare.
        color: Of the shapes.
        device: One of Warp's, such as `cuda:0`.

    Returns:
        (H, W, 3).

    Raises:
        ValueError: where there is nothing to draw.
    """
    if not meshes or columns < 1:
        raise ValueError(f"expected at least 1 shape and 1 column, got {len(meshes)} and {columns}")
    camera = camera or camera_of(meshes)

    def draw(mesh: Mesh) -> Picture:
        if len(mesh.faces) == 0:
            return draw_note("empty", panel)
        return render(
            mesh.vertices, mesh.faces, size=panel, camera=camera, color=color, device=device
        )

    # The first one loads the kernels, which threads must not do at the same time.
    pictures = [draw(meshes[0])]
    with ThreadPoolExecutor(_threads(device)) as pool:
        pictures += pool.map(draw, meshes[1:])
    return arrange(pictures, columns)


def _threads(device: str) -> int:
    """One for each core; a GPU draws one picture after the other."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else 1


def camera_of(meshes: Sequence[Mesh]) -> Camera:
    """The usual view, moved so that all of these shapes, put in one place, just fit."""
    shown = [mesh.vertices for mesh in meshes if len(mesh.faces)]
    return Camera().fitted(np.concatenate(shown)) if shown else Camera()


def arrange(pictures: Sequence[Picture], columns: int) -> Picture:
    """Puts pictures (h, w, 3), all of one size, row by row on a white sheet."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width, _ = pictures[0].shape
    down, right = height + _GAP, width + _GAP
    sheet = np.full((rows * down - _GAP, columns * right - _GAP, 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * down, place % columns * right
        sheet[top : top + height, left : left + width] = picture
    return sheet


def write_png(path: Path, picture: Picture) -> None:
    """Writes a picture whole or not at all, in place of what is there.

    Raises:
        OutputError: where the file cannot be written.
    """
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")

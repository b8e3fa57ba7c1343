"""The 20 shaded views per shape of the shading-image FID (Zheng et al. 2022, SDF-StyleGAN)."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapegan.model.shapes.image_grid import write_png
from shapegan.model.shapes.mesh import Mesh, fit_to_ball
from shapegan.pipeline.files import writing
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.pictures.render import render
from shapegan.pipeline.pictures.shading import WHITE

VIEW_SIZE = 299
"""Height and width of a view, pixels: the input size of Inception v3."""

_GREY = (0.7, 0.7, 0.7)
_FIELD_OF_VIEW, _DISTANCE = 60.0, 2.0
"""The unit ball just fits into the view."""


def dodecahedron() -> NDArray[np.float64]:
    """Vertices of a regular dodecahedron on the unit sphere: (20, 3)."""
    golden = (1 + math.sqrt(5)) / 2
    signs = (-1.0, 1.0)
    vertices = [(x, y, z) for x in signs for y in signs for z in signs]
    for a in (-1 / golden, 1 / golden):
        for b in (-golden, golden):
            vertices += [(0, a, b), (a, b, 0), (b, 0, a)]
    return np.array(vertices) / math.sqrt(3)


def cameras() -> list[Camera]:
    """20 cameras, one at each vertex of the dodecahedron, that look at the origin."""
    return [
        Camera(
            azimuth=math.degrees(math.atan2(x, z)),
            elevation=math.degrees(math.asin(y)),
            field_of_view=_FIELD_OF_VIEW,
            distance=_DISTANCE,
        )
        for x, y, z in dodecahedron().tolist()
    ]


def draw_views(mesh: Mesh, size: int = VIEW_SIZE, device: str = "cpu") -> list[Picture]:
    """Draw the 20 views of a shape, scaled to the unit ball.

    Args:
        mesh: With at least one face.
        size: Height and width of each view, pixels.
        device: Warp device, such as `cuda:0`.

    Returns:
        20 pictures (size, size, 3) uint8.
    """
    vertices = np.asarray(fit_to_ball(mesh.vertices), np.float64)
    return [
        render(
            vertices,
            mesh.faces,
            size=size,
            camera=camera,
            color=_GREY,
            background=WHITE,
            floor=False,
            device=device,
        )
        for camera in cameras()
    ]


def write_views(folder: Path, names: Sequence[str], meshes: Sequence[Mesh], size: int) -> None:
    """Write view-00/NAME.png to view-19/NAME.png for each shape that is not empty.

    Each view has its own folder, because the FID is computed view by view.

    Args:
        folder: Parent of the views' folders.
        names: S names of files, without suffix.
        meshes: S shapes.
        size: Height and width of each view, pixels.

    Raises:
        OutputError: if a picture cannot be written.
    """
    for name, mesh in zip(names, meshes, strict=True):
        if len(mesh.faces) == 0:
            continue
        for number, picture in enumerate(draw_views(mesh, size)):
            path = folder / f"view-{number:02d}" / f"{name}.png"
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, picture)

"""The twenty shaded views of a shape that the shading FID compares (Zheng et al. 2022)."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapegan.model.shapes.image_grid import Mesh, write_png
from shapegan.pipeline.files import writing
from shapegan.pipeline.pictures.panel import Picture
from shapegan.pipeline.pictures.render import WHITE, Camera, render

VIEW = 299
"""Height and width of a picture, pixels: what Inception v3 takes."""

_GREY = (0.7, 0.7, 0.7)
_FIELD_OF_VIEW, _DISTANCE = 60.0, 2.0
"""The unit ball just fits."""


def dodecahedron() -> NDArray[np.float64]:
    """The vertices of a regular dodecahedron on the unit sphere: (20, 3)."""
    golden = (1 + math.sqrt(5)) / 2
    signs = (-1.0, 1.0)
    found = [(x, y, z) for x in signs for y in signs for z in signs]
    for a in (-1 / golden, 1 / golden):
        for b in (-golden, golden):
            found += [(0, a, b), (a, b, 0), (b, 0, a)]
    return np.array(found) / math.sqrt(3)


def cameras() -> list[Camera]:
    """A camera at each vertex of the dodecahedron, which looks at the middle: 20."""
    return [
        Camera(
            azimuth=math.degrees(math.atan2(x, z)),
            elevation=math.degrees(math.asin(y)),
            field_of_view=_FIELD_OF_VIEW,
            distance=_DISTANCE,
        )
        for x, y, z in dodecahedron().tolist()
    ]


def draw_views(mesh: Mesh, size: int = VIEW, device: str = "cpu") -> list[Picture]:
    """The twenty pictures of a shape that is not empty, put into the unit ball."""
    vertices = in_ball(mesh.vertices)
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


def in_ball(vertices: NDArray[np.floating], radius: float = 1.0) -> NDArray[np.float64]:
    """Vertices (V, 3) with their box's middle at 0 and the farthest at a radius."""
    centred = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return np.asarray(radius / np.linalg.norm(centred, axis=1).max() * centred, np.float64)


def write_views(folder: Path, names: Sequence[str], meshes: Sequence[Mesh], size: int) -> None:
    """Writes view-00/NAME.png to view-19/NAME.png for each shape that is not empty.

    A folder for each view, as an FID is taken view by view.

    Raises:
        OutputError: where a picture cannot be written.
    """
    for name, mesh in zip(names, meshes, strict=True):
        if len(mesh.faces) == 0:
            continue
        for number, picture in enumerate(draw_views(mesh, size)):
            path = folder / f"view-{number:02d}" / f"{name}.png"
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, picture)

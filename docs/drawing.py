"""Drawing for the documentation's pictures: coloured faces, slices, captions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
import warp as wp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.field_slice import draw_slice
from shapegan.pipeline.pictures.render import render
from shapegan.pipeline.pictures.shading import Color
from shapegan.pipeline.schema import grid_axis

PANEL = 320
"""Height and width of each picture, pixels."""

_GAP, _CAPTION, _TEXT = 10, 30, 17
_COLORS = 224

Picture = NDArray[np.uint8]
"""(H, W, 3)."""


@dataclass(frozen=True)
class Group:
    """Triangles of one colour."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    color: Color

    def cut(self, x: float) -> "Group":
        """Triangles cut off at the plane at x: the part with larger x."""
        if len(self.faces) == 0:
            return self
        vertices, faces, _ = trimesh.intersections.slice_faces_plane(
            self.vertices, self.faces, (1.0, 0.0, 0.0), (x, 0.0, 0.0)
        )
        return replace(self, vertices=vertices, faces=faces.astype(np.int32))


@wp.kernel
def face_hit(
    mesh: wp.uint64,
    eye: wp.vec3,
    right: wp.vec3,
    up: wp.vec3,
    forward: wp.vec3,
    size: int,
    face: wp.array2d(dtype=int),
    front: wp.array2d(dtype=int),
):
    """Face that each pixel shows, -1 for none, and 1 where it shows its front."""
    row, column = wp.tid()
    u = 2.0 * (float(column) + 0.5) / float(size) - 1.0
    v = 1.0 - 2.0 * (float(row) + 0.5) / float(size)
    direction = wp.normalize(forward + u * right + v * up)
    query = wp.mesh_query_ray(mesh, eye, direction, 1.0e6)
    face[row, column] = -1
    if query.result:
        face[row, column] = query.face
        front[row, column] = wp.where(wp.dot(query.normal, direction) < 0.0, 1, 0)


def draw(groups: Sequence[Group], camera: Camera, back: Color | None = None) -> Picture:
    """Draw groups of faces together.

    Args:
        groups: at least one face in all.
        camera: the view.
        back: colour of faces that show their back; None for the group's.
    """
    # 1. All faces in one mesh, and the group of each.
    starts = np.cumsum([0, *(len(group.vertices) for group in groups)])
    vertices = np.concatenate([group.vertices for group in groups])
    faces = np.concatenate([g.faces + s for g, s in zip(groups, starts, strict=False)])
    owner = np.repeat(np.arange(len(groups)), [len(group.faces) for group in groups])

    # 2. The face of each pixel, in a picture of twice the size.
    size = 2 * PANEL
    face, front = _hits(vertices, faces, camera, size)
    shown = np.where(face >= 0, owner[face], 0)
    if back is not None:
        shown = np.where((face >= 0) & (front == 0), len(groups), shown)

    # 3. The whole mesh in each of the colours; each pixel takes its own.
    colors = [group.color for group in groups] + ([back] if back is not None else [])
    picture = np.zeros((size, size, 3), np.uint8)
    for number, color in enumerate(colors):
        whole = render(vertices, faces, size=size, camera=camera, color=color, samples=1)
        picture = np.where((shown == number)[..., None], whole, picture)
    return np.asarray(Image.fromarray(picture).resize((PANEL, PANEL), Image.Resampling.BOX))


def _hits(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], camera: Camera, size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    mesh = wp.Mesh(
        wp.array(vertices.astype(np.float32), dtype=wp.vec3, device="cpu"),
        wp.array(faces.ravel().astype(np.int32), dtype=int, device="cpu"),
    )
    right, up, back = camera.axes
    slope = math.tan(math.radians(camera.field_of_view) / 2)
    view: list[Any] = [camera.eye, slope * right, slope * up, -back]
    face, front = (wp.zeros((size, size), dtype=int, device="cpu") for _ in range(2))
    inputs = [wp.uint64(mesh.id), *(wp.vec3(*v) for v in view), size]
    wp.launch(face_hit, (size, size), inputs, [face, front], device="cpu")
    return face.numpy(), front.numpy()


def plane_points(x: float, resolution: int = 256) -> NDArray[np.float32]:
    """A grid (R * R, 3) on the plane at x, ordered y, z."""
    axis = grid_axis(resolution)
    y, z = np.meshgrid(axis, axis, indexing="ij")
    return np.stack([np.full_like(y, x), y, z], axis=-1).reshape(-1, 3).astype(np.float32)


def square(values: NDArray[Any]) -> NDArray[Any]:
    """Values of `plane_points` as (R, R)."""
    side = math.isqrt(len(values))
    return values.reshape(side, side)


def draw_field(values: NDArray[np.floating]) -> Picture:
    """Signed distances (R, R) of `plane_points` in the colours of `inspect --picture`."""
    return draw_slice(values[None], 0, PANEL)


def draw_winding(values: NDArray[np.floating]) -> Picture:
    """Winding numbers (R, R) of `plane_points`: white is 0, blue 1, red below 0, dark above 1."""
    stops = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    colors = np.array(
        [[196, 60, 44], [255, 255, 255], [170, 196, 232], [46, 98, 180], [14, 28, 64]]
    )
    plane = values[::-1].clip(-1, 2)
    pixels = np.stack([np.interp(plane, stops, colors[:, k]) for k in range(3)], axis=-1)
    image = Image.fromarray(np.rint(pixels).astype(np.uint8))
    return np.asarray(image.resize((PANEL, PANEL), Image.Resampling.BILINEAR))


def save(path: Path, rows: Sequence[Sequence[tuple[str, Picture]]]) -> None:
    """Write rows of pictures with a caption below each, in few colours to keep the file small."""
    columns = max(len(row) for row in rows)
    width = columns * (PANEL + _GAP) + _GAP
    height = len(rows) * (PANEL + _CAPTION + _GAP) + _GAP
    image_grid = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(image_grid), ImageFont.load_default(_TEXT)
    for y, row in enumerate(rows):
        for x, (caption, picture) in enumerate(row):
            left, top = _GAP + x * (PANEL + _GAP), _GAP + y * (PANEL + _CAPTION + _GAP)
            image_grid.paste(Image.fromarray(picture), (left, top))
            at = (left + PANEL / 2, top + PANEL + _CAPTION / 2)
            pen.text(at, caption, (60, 64, 72), font, anchor="mm")
    compress(image_grid, path)


def compress(image: Image.Image, path: Path) -> None:
    """Write a PNG of few colours."""
    image.quantize(_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)

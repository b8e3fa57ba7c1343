"""Latents -> files of meshes, and a sheet of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from torch import Tensor

from shapegan.model.generation.source import Source
from shapegan.model.shapes.image_grid import arrange, camera_of, draw_shapes, write_png
from shapegan.model.shapes.sphere_tracing import draw_direct
from shapegan.model.shapes.surface import Surface, extract
from shapegan.pipeline.files import replacing, writing

FORMATS = ("obj", "ply", "stl", "glb")
SHEET_NAME = "sheet.png"

ON_SHEET = 64
"""Shapes on the sheet; of more, the first."""

_ROUGH = 32
"""Grid that tells the camera of pictures without meshes where the shapes are."""
_COLUMNS = 4
_WIDE = 8
"""Columns where more than four rows would not fit on a screen."""


@dataclass(frozen=True)
class Asked:
    """A shape that is asked for."""

    name: str
    """Of its file, without the suffix."""
    latent: Tensor
    """(Z,)."""


@dataclass(frozen=True)
class MeshSettings:
    """How surfaces are taken and written."""

    resolution: int = 128
    """Points of the grid along each axis."""
    level: float = 0.0
    """Value of the field at the surface, frame units."""
    format: str = "obj"
    """One of `FORMATS`."""
    largest: bool = False
    """Whether only the component of the largest surface is kept."""
    panel: int = 256
    """Height and width of each picture of the sheet, pixels."""


@dataclass(frozen=True)
class Written:
    """What came of a shape."""

    name: str
    path: Path | None
    """None where it is empty."""
    surface: Surface


def by_seed(source: Source, seeds: Sequence[int], truncation: float = 1.0) -> list[Asked]:
    """The shapes of seeds; their names hold the seed."""
    return [Asked(f"seed-{seed:06d}", source.latent(seed, truncation)) for seed in seeds]


def by_row(latents: Tensor) -> list[Asked]:
    """The shapes of latents (S, Z); their names hold the row."""
    return [Asked(f"latent-{row:06d}", latent) for row, latent in enumerate(latents)]


def write_meshes(
    source: Source,
    asked: Sequence[Asked],
    out: Path,
    settings: MeshSettings,
    done: Callable[[Written], None],
) -> None:
    """Writes a mesh for each shape, and a sheet of the first; empty ones have no file.

    Args:
        source: Whose shapes.
        asked: Which, at least one.
        out: Folder; it is made if there is none, and other files in it stay.
        settings: How.
        done: Is told of each shape.

    Raises:
        OutputError: where something cannot be written. Files are there whole or not at all.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    surfaces: list[Surface] = []
    for written in _write_each(source, asked, out, settings):
        if len(surfaces) < ON_SHEET:
            surfaces.append(written.surface)
        done(written)
    picture = draw_shapes(
        surfaces, _columns(len(surfaces)), settings.panel, device=source.warp_device
    )
    write_png(out / SHEET_NAME, picture)


def _write_each(
    source: Source, asked: Sequence[Asked], out: Path, settings: MeshSettings
) -> Iterator[Written]:
    for one in asked:
        surface = extract(source.generator, one.latent, settings.resolution, settings.level)
        if settings.largest:
            surface = largest_component(surface)
        path = out / f"{one.name}.{settings.format}"
        if surface.empty:
            # An older file would pass for this shape.
            with writing(path):
                path.unlink(missing_ok=True)
            yield Written(one.name, None, surface)
            continue
        write_mesh(path, surface)
        yield Written(one.name, path, surface)


def write_direct(source: Source, asked: Sequence[Asked], out: Path, settings: MeshSettings) -> None:
    """Writes the sheet alone, drawn straight from the network; see `write_meshes`."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    shown = [one.latent for one in asked[:ON_SHEET]]
    rough = [extract(source.generator, one, _ROUGH, settings.level) for one in shown]
    camera = camera_of(rough)
    pictures = [
        draw_direct(source.generator, one, settings.level, camera, settings.panel) for one in shown
    ]
    write_png(out / SHEET_NAME, arrange(pictures, _columns(len(shown))))


def _columns(count: int) -> int:
    return _COLUMNS if count <= _COLUMNS**2 else _WIDE


def write_mesh(path: Path, surface: Surface) -> None:
    """Writes a surface, in the format of the path's suffix, whole or not at all.

    Raises:
        OutputError: where it cannot be written.
    """
    exported = as_trimesh(surface).export(file_type=path.suffix[1:].lower())
    encoded = exported.encode() if isinstance(exported, str) else bytes(exported)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded)


def as_trimesh(surface: Surface) -> trimesh.Trimesh:
    """The same mesh as one of trimesh's, its vertices as they are."""
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


def largest_component(surface: Surface) -> Surface:
    """The connected component with the most surface; an empty surface stays as it is."""
    if surface.empty:
        return surface
    mesh = as_trimesh(surface)
    labels: Any = trimesh.graph.connected_component_labels
    label = labels(mesh.face_adjacency, node_count=len(mesh.faces))
    kept = label == np.bincount(label, weights=mesh.area_faces).argmax()
    used, faces = np.unique(surface.faces[kept], return_inverse=True)
    return Surface(surface.vertices[used], faces.reshape(-1, 3).astype(np.int32))

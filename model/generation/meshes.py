"""Latents -> mesh files, and an image grid of the shapes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from torch import Tensor

from shapegan.model.generation.source import Source
from shapegan.model.shapes.image_grid import arrange, camera_of, draw_shapes, write_png
from shapegan.model.shapes.mesh import Mesh
from shapegan.model.shapes.sphere_tracing import sphere_trace
from shapegan.model.shapes.surface import Surface, extract
from shapegan.pipeline.files import replacing, writing
from shapegan.pipeline.meshes.write import encode_mesh

GRID_NAME = "shapes.png"
"""File name of the image grid."""
GRID_SHAPES = 64
"""Maximum number of shapes in the image grid, the first ones."""

_CAMERA_RESOLUTION = 32
"""Grid from which the camera of sphere-traced pictures learns the size of the shapes."""
_COLUMNS, _MANY_COLUMNS = 4, 8
"""Columns of the image grid for up to 16 shapes, and for more."""


@dataclass(frozen=True)
class NamedLatent:
    """A latent, and the name of its file."""

    name: str
    """Without suffix."""
    latent: Tensor
    """(Z,)."""
    id: str = ""
    """Id of the training shape that has this latent; empty if there is none."""


@dataclass(frozen=True)
class MeshSettings:
    """Settings of surfaces and their files."""

    resolution: int = 128
    """Grid points along each axis."""
    level: float = 0.0
    """Value of the field at the surface, frame units."""
    format: str = "obj"
    """One of `shapegan.pipeline.config.MESH_FORMATS`."""
    largest_only: bool = False
    """Keep only the connected component with the largest area."""
    panel: int = 256
    """Height and width of each picture of the image grid, pixels."""


@dataclass(frozen=True)
class WrittenMesh:
    """A generated shape and its file."""

    name: str
    path: Path | None
    """None if the shape is empty."""
    surface: Surface


def seed_name(seed: int) -> str:
    """File name of a seed's shape, without suffix."""
    return f"seed-{seed:06d}"


def latents_by_seed(
    source: Source, seeds: Sequence[int], truncation: float = 1.0, category: str | None = None
) -> list[NamedLatent]:
    """Latents of seeds, named after the seeds; see `Source.of_category`.

    Raises:
        SourceError: the generator has no such category.
    """
    latents = [(seed, source.latent(seed, truncation)) for seed in seeds]
    if category is not None:
        latents = [(seed, source.of_category(latent, category)) for seed, latent in latents]
    return [NamedLatent(seed_name(seed), latent) for seed, latent in latents]


def latents_by_row(latents: Tensor) -> list[NamedLatent]:
    """Given latents (S, Z), named after their rows."""
    return [NamedLatent(f"latent-{row:06d}", latent) for row, latent in enumerate(latents)]


def write_meshes(
    source: Source, latents: Sequence[NamedLatent], out: Path, settings: MeshSettings
) -> Iterator[WrittenMesh]:
    """Write a mesh file for each latent, then an image grid of the first `GRID_SHAPES`.

    The meshes are made one by one, as the results are consumed; the image grid comes after the last
    one. An empty shape has no file; an older file of its name is removed.

    Args:
        source: Of the generator.
        latents: At least one.
        out: Folder; it is created if missing, and other files in it stay.
        settings: Of the surfaces and files.

    Yields:
        The result for each latent, in order.

    Raises:
        OutputError: if a file cannot be written. Each file is written atomically.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    surfaces: list[Surface] = []
    for named in latents:
        surface = extract(source.generator, named.latent, settings.resolution, settings.level)
        if settings.largest_only:
            surface = largest_component(surface)
        if len(surfaces) < GRID_SHAPES:
            surfaces.append(surface)
        path = out / f"{named.name}.{settings.format}"
        if surface.empty:
            # An older file would be mistaken for this shape.
            with writing(path):
                path.unlink(missing_ok=True)
        else:
            write_mesh(path, surface)
        yield WrittenMesh(named.name, None if surface.empty else path, surface)
    columns = _columns(len(surfaces))
    picture = draw_shapes(surfaces, columns, settings.panel, device=source.warp_device)
    write_png(out / GRID_NAME, picture)


def write_sphere_traced(
    source: Source, latents: Sequence[NamedLatent], out: Path, settings: MeshSettings
) -> None:
    """Write the image grid alone, sphere-traced through the network.

    Arguments and errors are those of `write_meshes`; of the settings, `level` and `panel` count.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    shown = [named.latent for named in latents[:GRID_SHAPES]]
    level = settings.level
    coarse = [extract(source.generator, latent, _CAMERA_RESOLUTION, level) for latent in shown]
    camera = camera_of(coarse)
    pictures = [
        sphere_trace(source.generator, latent, level, camera, settings.panel) for latent in shown
    ]
    write_png(out / GRID_NAME, arrange(pictures, _columns(len(shown))))


def _columns(count: int) -> int:
    return _COLUMNS if count <= _COLUMNS**2 else _MANY_COLUMNS


def write_mesh(path: Path | str, surface: Mesh) -> None:
    """Write a surface to a file, atomically; an existing file is replaced.

    Args:
        path: Its suffix is the format: .obj, .ply, .stl or .glb.
        surface: Not empty.

    Raises:
        OutputError: if the file cannot be written.
    """
    path = Path(path)
    encoded = encode_mesh(surface, path.suffix[1:].lower())
    with replacing(path) as temporary:
        temporary.write_bytes(encoded)


def as_trimesh(surface: Mesh) -> trimesh.Trimesh:
    """Convert to a `trimesh.Trimesh`, without any processing of the vertices."""
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


def largest_component(surface: Surface) -> Surface:
    """The connected component with the largest area; an empty surface is returned as it is."""
    if surface.empty:
        return surface
    mesh = as_trimesh(surface)
    labels: Any = trimesh.graph.connected_component_labels
    label = labels(mesh.face_adjacency, node_count=len(mesh.faces))
    kept = label == np.bincount(label, weights=mesh.area_faces).argmax()
    used, faces = np.unique(surface.faces[kept], return_inverse=True)
    return Surface(surface.vertices[used], faces.reshape(-1, 3).astype(np.int32))

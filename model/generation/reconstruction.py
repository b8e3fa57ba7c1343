"""Reconstruction of an unseen mesh: the latent of an autodecoder that fits it best."""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

from shapegan.model.generation.meshes import as_trimesh, write_mesh
from shapegan.model.generation.source import Source
from shapegan.model.metrics.point_clouds import chamfer_matrix, sample_surface
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.autodecoder import fit_latents
from shapegan.model.shapes.surface import Surface, extract
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import replacing, write_text, writing
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.mesh_sdf import MeshSDF
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh

SDF_POINTS = 131_072
"""Points of the fit, from the near-surface mix of DeepSDF."""
CHAMFER_POINTS = 16_384
"""Points of each surface for the chamfer distance."""
LATENT_NAME, RECORD_NAME = "latent.npy", "reconstruction.json"


class ReconstructionError(PlainError):
    """Something that cannot be reconstructed; the message is one line with the remedy."""


@dataclass(frozen=True)
class ReconstructionSettings:
    """Settings of a reconstruction."""

    steps: int = 800
    """Steps of Adam."""
    resolution: int = 128
    """Grid points along each axis, for both surfaces."""
    level: float | None = None
    """Level of the generated surface, frame units; None: that of the source."""
    seed: int = 0
    samples: int = 8192
    """Points per step of Adam, drawn at random."""


@dataclass(frozen=True)
class Reconstruction:
    """Result of a reconstruction."""

    latent: NDArray[np.float32]
    """(Z,)."""
    surface: TriangleMesh
    """Surface in the coordinates of the mesh; it has no faces if the shape is empty."""
    chamfer: float | None
    """Chamfer distance (see `chamfer_matrix`) of the surface to the mesh, squared units of the
    generator's frame; None if the surface is empty."""


def reconstruct_mesh(
    path: Path, source: Source, settings: ReconstructionSettings
) -> Reconstruction:
    """Find the latent whose shape fits a mesh best (Park et al. 2019, equation 10).

    Args:
        path: Of the mesh; it is processed in memory as `shapegan preprocess` does it.
        source: Of an autodecoder's run.
        settings: Of the search.

    Raises:
        ReconstructionError: if the source is not an autodecoder, or the mesh cannot be used.
    """
    # 1. Sample signed distances of the mesh, in the generator's frame
    generator = decoder_of(source)
    frame = generator.config.frame
    field = _field(path)
    points, sdf = field.near_surface(SDF_POINTS, frame, settings.seed)
    # 2. Fit a latent to them
    latent = fit_latents(
        generator,
        torch.from_numpy(points).to(source.device)[None],
        torch.from_numpy(sdf).to(source.device)[None],
        steps=settings.steps,
        samples=settings.samples,
        seed=settings.seed,
    )[0]
    # 3. Compare its surface with that of the mesh
    level = source.level if settings.level is None else settings.level
    surface = extract(generator, latent, settings.resolution, level)
    vertices, faces = extract_surface(field.voxels(settings.resolution))
    placed = trimesh.transform_points(vertices, field.transform("cube", frame))
    real = Surface(placed.astype(np.float32), faces)
    chamfer = chamfer_distance(surface, real, settings.seed)
    placed = trimesh.transform_points(surface.vertices, field.transform(frame, "mesh"))
    return Reconstruction(latent.cpu().numpy(), TriangleMesh(placed, surface.faces), chamfer)


def decoder_of(source: Source) -> Generator:
    """The network of an autodecoder.

    Raises:
        ReconstructionError: if the source is not an autodecoder.
    """
    if source.recipe != "autodecoder" or not isinstance(source.generator, Generator):
        raise ReconstructionError(
            f"{source.name} is of recipe {source.recipe!r}: expected a run of `shapegan train"
            " --recipe autodecoder`"
        )
    return source.generator


def chamfer_distance(first: Surface, second: Surface, seed: int = 0) -> float | None:
    """Chamfer distance of two surfaces as they lie, squared units; None if one is empty."""
    if first.empty or second.empty:
        return None
    clouds = [
        sample_surface(surface.vertices, surface.faces, CHAMFER_POINTS, seed + number)[None]
        for number, surface in enumerate((first, second))
    ]
    return float(chamfer_matrix(clouds[0], clouds[1])[0, 0])


def write_reconstruction(
    found: Reconstruction,
    out: Path,
    mesh: Path | str,
    source: Source,
    settings: ReconstructionSettings,
) -> None:
    """Write latent.npy, mesh.obj and, last, reconstruction.json; an empty shape has no mesh.

    Args:
        found: The reconstruction.
        out: Folder; it is created if missing.
        mesh: Path of the original mesh, or id of the shape in its dataset, for the record.
        source: Of the autodecoder.
        settings: Of the search.

    Raises:
        OutputError: if a file cannot be written. Each file is written atomically.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    encoded = io.BytesIO()
    np.save(encoded, found.latent)
    with replacing(out / LATENT_NAME) as temporary:
        temporary.write_bytes(encoded.getvalue())
    empty = len(found.surface.faces) == 0
    if empty:
        # An older file would be mistaken for this shape.
        with writing(out):
            (out / "mesh.obj").unlink(missing_ok=True)
    else:
        write_mesh(out / "mesh.obj", found.surface)
    content = {
        "mesh": str(mesh),
        "source": source.name,
        "chamfer": found.chamfer,
        "frame": source.generator.config.frame,
        "points": CHAMFER_POINTS,
        "watertight": not empty and bool(as_trimesh(found.surface).is_watertight),
        "settings": asdict(settings),
    }
    write_text(out / RECORD_NAME, json.dumps(content, indent=2) + "\n")


def _field(path: Path) -> MeshSDF:
    try:
        field = MeshSDF(load(path))
    except BadMeshError as error:
        raise ReconstructionError(f"{path}: {error}; name another mesh") from error
    if reason := field.quality.rejection_reason():
        raise ReconstructionError(f"{path} has no reliable signed distances: {reason}")
    return field

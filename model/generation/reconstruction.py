"""A mesh that a generator never saw -> its latent, and what the generator makes of it."""

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
from shapegan.model.recipes.autodecoder import reconstruct
from shapegan.model.shapes.surface import Surface, extract
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import replacing, write_text, writing
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.mesh_sdf import MeshSDF
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError

POINTS = 131_072
"""Of DeepSDF's mix, whose distances the latent is sought by."""
SAMPLED = 16_384
"""Points of each surface that their distance is taken of."""


class ReconstructionError(PlainError):
    """Something that cannot be reconstructed; the message is one line with what to do."""


@dataclass(frozen=True)
class ReconstructionSettings:
    """How a latent is sought."""

    steps: int = 800
    """Of Adam."""
    resolution: int = 128
    """Of both surfaces."""
    level: float | None = None
    """Of the generated one; None: the source's."""
    seed: int = 0


@dataclass(frozen=True)
class Reconstruction:
    """What was found."""

    latent: NDArray[np.float32]
    """(Z,)."""
    surface: Surface
    """In the coordinates of the mesh."""
    chamfer: float | None
    """Squared, both ways added, in the generator's frame; None where the surface is empty."""


def reconstruct_mesh(
    path: Path, source: Source, settings: ReconstructionSettings
) -> Reconstruction:
    """Seeks the latent whose shape is most like a mesh (Park et al. 2019, section 6.2).

    Args:
        path: The mesh; it is treated as `shapegan preprocess` treats it, in memory.
        source: An autodecoder's run.
        settings: How.

    Raises:
        ReconstructionError: where the source is of another kind, or the mesh cannot be used.
    """
    if source.recipe != "autodecoder":
        raise ReconstructionError(
            f"{source.name} is of recipe {source.recipe!r}: only a run of `shapegan train --recipe"
            " autodecoder` knows latents of shapes"
        )
    # 1. The mesh's distances, in the frame of the generator
    frame = source.generator.config.frame
    made = _field(path)
    points, sdf = made.near_surface(POINTS, frame, settings.seed)
    # 2. The latent that explains them
    latent = reconstruct(
        source.generator,
        torch.from_numpy(points).to(source.device),
        torch.from_numpy(sdf).to(source.device),
        steps=settings.steps,
        seed=settings.seed,
    )
    # 3. Its surface beside the mesh's own
    level = source.level if settings.level is None else settings.level
    surface = extract(source.generator, latent, settings.resolution, level)
    vertices, faces = extract_surface(made.voxels(settings.resolution))
    real = Surface(moved(vertices, made.transform("cube", frame)), faces)
    back = Surface(moved(surface.vertices, made.transform(frame, "mesh")), surface.faces)
    return Reconstruction(latent.cpu().numpy(), back, distance(surface, real, settings.seed))


def distance(made: Surface, real: Surface, seed: int = 0) -> float | None:
    """Chamfer distance of two surfaces where they lie; None where one is empty."""
    if made.empty or real.empty:
        return None
    clouds = [
        sample_surface(surface.vertices, surface.faces, SAMPLED, seed + number)[None]
        for number, surface in enumerate((made, real))
    ]
    return float(chamfer_matrix(clouds[0], clouds[1])[0, 0])


def moved(vertices: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Vertices (V, 3) by a matrix (4, 4)."""
    return np.asarray(trimesh.transform_points(vertices, matrix), np.float32)


def write_reconstruction(
    found: Reconstruction, out: Path, mesh: Path, source: Source, settings: ReconstructionSettings
) -> None:
    """Writes latent.npy, mesh.obj and reconstruction.json to a folder; an empty shape has no mesh.

    Raises:
        OutputError: where something cannot be written. Files are there whole or not at all.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    encoded = io.BytesIO()
    np.save(encoded, found.latent)
    with replacing(out / "latent.npy") as temporary:
        temporary.write_bytes(encoded.getvalue())
    if found.surface.empty:
        # An older file would pass for this shape.
        with writing(out):
            (out / "mesh.obj").unlink(missing_ok=True)
    else:
        write_mesh(out / "mesh.obj", found.surface)
    content = {
        "mesh": str(mesh),
        "source": source.name,
        "chamfer": found.chamfer,
        "frame": source.generator.config.frame,
        "points": SAMPLED,
        "watertight": not found.surface.empty and bool(as_trimesh(found.surface).is_watertight),
        "settings": asdict(settings),
    }
    write_text(out / "reconstruction.json", json.dumps(content, indent=2) + "\n")


def _field(path: Path) -> MeshSDF:
    try:
        made = MeshSDF(load(path))
    except BadMeshError as error:
        raise ReconstructionError(f"{path}: {error}; name another mesh") from error
    if reason := made.quality.rejection_reason():
        raise ReconstructionError(f"{path} has no field to be trusted: {reason}")
    return made

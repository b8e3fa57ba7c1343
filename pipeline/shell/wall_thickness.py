"""Wall thickness of a solid, and offsets that make its thin parts thicker."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.shell.build import Shell
from shapegan.pipeline.shell.exterior import PROBE_DISTANCE
from shapegan.pipeline.shell.surface_samples import RAY_OFFSET, sample_faces

MIN_THICKNESS = 1e-3
"""Thinner walls count as this thick, cube frame."""

MAX_THICKNESS = 4.0
"""Thicker walls count as this thick, cube frame."""


@dataclass(frozen=True)
class ThinParts:
    """Exterior pieces of a shell that are to grow outwards, cube frame."""

    faces: NDArray[np.int32]
    """(T, 3), rows of the shell's vertices."""
    offset: NDArray[np.float32]
    """(V,), the distance by which the surface grows at each vertex; linear within a face."""


def local_thickness(shell: Shell, exterior: TriangleQueries | None = None) -> NDArray[np.float32]:
    """Wall thickness at the vertices of a shell, cube frame.

    Rays go straight inwards from samples on the exterior pieces, to the next exterior piece, as in
    the shape diameter function (Shapira et al. 2008) with a single ray.

    Args:
        shell: a shell of V vertices.
        exterior: queries of its exterior pieces, if there are such: their BVH is used again.

    Returns:
        (V,), the mean over the faces around a vertex; infinite where no exterior face is, and at
        vertices that splitting added, since pieces count for their whole face.
    """
    faces = shell.pieces[shell.exterior]
    if len(faces) == 0:
        return np.full(len(shell.vertices), np.inf, np.float32)
    # 1. Cast a ray inwards from each sample.
    samples = sample_faces(shell.vertices.astype(np.float64), faces)
    position, normal = samples.position, samples.normal
    start = position - np.float32(RAY_OFFSET) * normal
    scene = RayScene(shell.vertices, faces, shell.device, exterior)
    depth = np.float32(RAY_OFFSET) + scene.distances(start, -normal, MAX_THICKNESS)

    # 2. A ray starts beyond the wall if the way to its start leaves the inside again. This also
    #    holds for two faces in one place that are wound in opposite directions.
    before = position + np.float32(PROBE_DISTANCE) * normal
    thickness = np.where(shell.winding.signed_crossings(before, start) > 0.5, depth, 0)

    # 3. Take the harmonic mean: at the rim of a panel rays run along it and must count little.
    corner = shell.solid[shell.source[shell.exterior][samples.face]].ravel()
    area = np.repeat(samples.area, 3)
    weight = np.bincount(corner, area, len(shell.vertices))
    thinness = np.repeat(1.0 / np.maximum(thickness, MIN_THICKNESS), 3)
    total = np.bincount(corner, area * thinness, len(shell.vertices))
    mean = np.full(len(weight), np.inf, np.float32)
    np.divide(weight, total, out=mean, where=total > 0, casting="same_kind")
    return mean


def thicken_thin_parts(
    shell: Shell, thickness: NDArray[np.float32], half_thickness: float
) -> ThinParts:
    """Offsets that make walls and rods at least twice `half_thickness` thick.

    Args:
        shell: the shell to thicken.
        thickness: (V,), from `local_thickness`.
        half_thickness: half the thickness to reach, cube frame.
    """
    offset = np.clip(half_thickness - thickness / 2, 0, None).astype(np.float32)
    offset = interpolate_at_splits(shell, offset)
    faces = shell.pieces[shell.exterior & (largest(offset[shell.pieces]) > 0)]
    return ThinParts(faces, offset)


def interpolate_at_splits(shell: Shell, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate values of the solid's vertices at the vertices that splitting added.

    The pieces of a face then agree along its edges with the adjacent faces, which may be split at
    other points.

    Args:
        shell: a shell of V vertices.
        values: (V,); those at added vertices are not read.

    Returns:
        (V,), linear within each face.
    """
    return shell.split_vertices.interpolate(values)

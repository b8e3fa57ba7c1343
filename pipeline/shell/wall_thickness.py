"""How thick the walls of a solid are."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import some
from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.shell.build import Shell
from shapegan.pipeline.shell.exterior import BEFORE
from shapegan.pipeline.shell.surface_samples import OFFSET, sample_faces

THINNEST = 1e-3
"""Walls thinner than this count as this thin, cube frame."""

THICKEST = 4.0
"""Walls thicker than this count as this thick, cube frame."""


def wall_depths(shell: Shell, device: str) -> NDArray[np.float32]:
    """How far the other side is: from samples straight in, averaged at the solid's vertices.

    Args:
        shell: whose vertices (V, 3) are asked for.
        device: Warp's name of it.

    Returns:
        (V,), a mean over the faces there; infinite where no outer face is, and at the vertices that
        cutting took, since pieces count for their whole face.
    """
    faces = shell.pieces[shell.outer]
    if len(faces) == 0:
        return np.full(len(shell.vertices), np.inf, np.float32)
    # 1. Look inwards from every outer face.
    samples = sample_faces(shell.vertices.astype(np.float64), faces)
    position, normal = samples.position, samples.normal
    start, offset = position - np.float32(OFFSET) * normal, np.float32(OFFSET)
    depth = offset + RayScene(shell.vertices, faces, device).lengths(start, -normal, THICKEST)

    # 2. Where the ray begins, it is beyond the wall already if the way there leaves the inside.
    #    That holds for two faces in one place, wound both ways, too.
    before = position + np.float32(BEFORE) * normal
    thickness = np.where(shell.winding.gains(before, start) > 0.5, depth, 0)

    # 3. The harmonic mean: a panel's rim sees far along the panel, and must not count for much.
    corner = shell.solid[shell.source[shell.outer][samples.face]].ravel()
    area = np.repeat(samples.area, 3)
    weight = np.bincount(corner, area, len(shell.vertices))
    thinness = np.repeat(1.0 / np.maximum(thickness, THINNEST), 3)
    total = np.bincount(corner, area * thinness, len(shell.vertices))
    mean = np.full(len(weight), np.inf, np.float32)
    np.divide(weight, total, out=mean, where=total > 0, casting="same_kind")
    return mean


def carried_over(shell: Shell, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values (V,) of the solid's vertices, and of those that cutting took what they make there.

    So a face's pieces agree along its edges with its neighbours, which may be cut elsewhere.
    """
    # 1. Which face each vertex lies in that is no corner of one.
    corners = shell.solid[shell.source[shell.outer]]
    pieces = shell.pieces[shell.outer]
    face = np.full(len(values), -1)
    for k in range(3):
        taken = ~some(pieces[:, k, None] == corners)
        face[pieces[taken, k]] = np.flatnonzero(taken)
    vertex = np.flatnonzero(face >= 0)

    # 2. What its corners' weights are there.
    corner = corners[face[vertex]]
    a, b, c = shell.vertices[corner].astype(np.float64).transpose(1, 0, 2)
    place = shell.vertices[vertex]
    normal = np.cross(b - a, c - a)
    weights = np.stack(
        [
            np.einsum("nx,nx->n", np.cross(q - p, place - p), normal)
            for p, q in ((b, c), (c, a), (a, b))
        ],
        axis=1,
    ).clip(0)
    total = np.maximum(weights.sum(axis=1), np.finfo(float).tiny)
    result = values.copy()
    result[vertex] = (weights * values[corner]).sum(axis=1) / total
    return result

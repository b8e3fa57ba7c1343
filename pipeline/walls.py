"""How thick the walls of a solid are."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.exposed import BEFORE
from shapegan.pipeline.faces import OFFSET, sample_faces
from shapegan.pipeline.rays import RayScene
from shapegan.pipeline.shell import Shell

THINNEST = 1e-3
"""Walls thinner than this count as this thin, cube frame."""

THICKEST = 4.0
"""Walls thicker than this count as this thick, cube frame."""


def wall_depths(shell: Shell, device: str) -> NDArray[np.float32]:
    """How far the other side is: from samples straight in, averaged at the vertices.

    Args:
        shell: whose vertices (V, 3) are asked for.
        device: Warp's name of it.

    Returns:
        (V,), a mean over the faces there; infinite where no outer face is.
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
    corner = faces[samples.face].ravel()
    area = np.repeat(samples.area, 3)
    weight = np.bincount(corner, area, len(shell.vertices))
    thinness = np.repeat(1.0 / np.maximum(thickness, THINNEST), 3)
    total = np.bincount(corner, area * thinness, len(shell.vertices))
    mean = np.full(len(weight), np.inf, np.float32)
    np.divide(weight, total, out=mean, where=total > 0, casting="same_kind")
    return mean

"""Sharp edges of a surface: where two faces meet at an angle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import unit
from shapegan.pipeline.triangles import normals_and_double_areas

SAME_PLACE = 2.0**-18
"""Corners of different faces are one vertex if they round to one multiple of this, cube frame."""


@dataclass(frozen=True)
class SharpEdges:
    """Straight edges at which a surface turns."""

    start: NDArray[np.float32]
    """(E, 3)."""
    end: NDArray[np.float32]
    """(E, 3)."""
    normal: NDArray[np.float32]
    """(E, 3), unit vectors half-way between the outward normals of the two faces."""


NO_EDGES = SharpEdges(*(np.zeros((0, 3), np.float32) for _ in range(3)))


def find_sharp_edges(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], angle: float
) -> SharpEdges:
    """Find the edges at which the normals of adjacent faces differ by more than an angle.

    An edge of one face alone is not sharp. Where more than two faces meet, the two whose normals
    differ most from the first one's decide.

    Args:
        vertices: (V, 3).
        faces: (F, 3), wound outwards.
        angle: degrees between the normals: 0 on a flat surface, 90 on the edges of a box.
    """
    normals, double = normals_and_double_areas(vertices[faces].astype(np.float64))
    faces, normals = faces[double > 0], normals[double > 0]
    if len(faces) == 0:
        return NO_EDGES
    # 1. Number the edges, by the places of their ends.
    place = np.rint(vertices / SAME_PLACE).astype(np.int64)
    _, joined = np.unique(place, axis=0, return_inverse=True)
    corners = joined.reshape(-1)[faces]
    ends = np.stack([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 2)
    _, edge = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    edge = edge.reshape(-1)

    # 2. Compare the normals of each edge's faces with that of its first face.
    order = np.argsort(edge, kind="stable")
    number, face = edge[order], order // 3
    first = np.searchsorted(number, number)
    cosine = np.einsum("ij,ij->i", normals[face], normals[face[first]])
    sharpest = np.lexsort([cosine, number])
    sharpest = sharpest[np.searchsorted(number, np.arange(number[-1] + 1))]
    sharp = sharpest[cosine[sharpest] < np.cos(np.radians(angle))]

    # 3. Sharp edges whose faces are back to back have no direction between their normals.
    sharp = sharp[cosine[sharp] > -1 + 1e-9]
    half = order[sharp]
    normal = unit(normals[face[sharp]] + normals[face[first[sharp]]])
    start, end = vertices[faces.reshape(-1)], vertices[np.roll(faces, -1, axis=1).reshape(-1)]
    return SharpEdges(start[half], end[half], normal.astype(np.float32))

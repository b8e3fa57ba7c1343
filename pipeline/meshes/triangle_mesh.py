"""Triangle meshes, and the frame that normalises them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.errors import PlainError


class BadMeshError(PlainError, ValueError):
    """An input that holds no usable mesh; the message is one line saying why."""


@dataclass(frozen=True)
class TriangleMesh:
    """Triangles in the file's own coordinates."""

    vertices: NDArray[np.float64]
    """(V, 3)."""
    faces: NDArray[np.int32]
    """(F, 3), rows into `vertices`."""


@dataclass(frozen=True)
class Frame:
    """Where the cube and the sphere frame lie (see `shapegan.pipeline.schema`)."""

    center: NDArray[np.float64]
    """(3,), the bounding box's centre."""
    scale_cube: float
    scale_sphere: float


LARGEST = 1e18
"""Coordinates beyond this are taken for garbage: squares of squares would leave float64."""


SMALLEST = 1e-18
"""A mesh whose longest side is not above this has no size."""


FAR = 1e9
"""How many times its own size a mesh may lie away from the origin before float64 is too coarse
for it."""


NO_AREA = 1e-14
"""Share of the squared longest side; a face of no more than this (twice its area) has none."""


def usable(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> TriangleMesh:
    """Turns away what has no surface, and leaves out what is not finite and what is not used."""
    if len(vertices) == 0 or len(faces) == 0:
        raise BadMeshError("no faces" if len(vertices) else "no vertices")
    faces = faces[np.isfinite(vertices[faces]).all(axis=(1, 2))]
    if len(faces) == 0:
        raise BadMeshError("every face has a vertex that is NaN or infinite")
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    mesh = TriangleMesh(vertices[used], (np.cumsum(used) - 1)[faces].astype(np.int32))
    _check_size(mesh.vertices)
    _check_area(mesh)
    return mesh


def _check_size(vertices: NDArray[np.float64]) -> None:
    farthest = float(np.abs(vertices).max())
    if farthest > LARGEST:
        raise BadMeshError(f"huge coordinates: {farthest:.3g}, expected at most {LARGEST:.0g}")
    size = float(np.ptp(vertices, axis=0).max())
    if size <= SMALLEST:
        raise BadMeshError("zero size: all vertices that faces use are in one place")
    if farthest > FAR * size:
        raise BadMeshError(
            f"too far from the origin: {farthest:.3g} away, but only {size:.3g} in size"
        )


def _check_area(mesh: TriangleMesh) -> None:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    size = float(np.ptp(mesh.vertices, axis=0).max())
    if not np.any(np.linalg.norm(np.cross(b - a, c - a), axis=1) > NO_AREA * size**2):
        raise BadMeshError("all faces are degenerate: none has an area")


def frame_of(vertices: NDArray[np.float64]) -> Frame:
    """Measures the frame of vertices (V, 3), V > 0, all of which are used by faces.

    Raises:
        BadMeshError: the vertices are all in one place.
    """
    if len(vertices) == 0:
        raise BadMeshError("no faces are left once degenerate ones are dropped")
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    center = (low + high) / 2
    scale_cube = float((high - low).max()) / 2
    scale_sphere = float(np.linalg.norm(vertices - center, axis=1).max())
    if 2 * scale_cube <= SMALLEST:
        raise BadMeshError("zero size: all vertices are in one place")
    return Frame(center, scale_cube, scale_sphere)

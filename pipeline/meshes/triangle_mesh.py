"""Triangle meshes, and the frames that normalise them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.triangles import double_areas
from shapegan.pipeline.wording import counted


class BadMeshError(PlainError, ValueError):
    """An input without a usable mesh; the message is one line with the reason."""


@dataclass(frozen=True)
class TriangleMesh:
    """Triangles in the file's own coordinates."""

    vertices: NDArray[np.float64]
    """(V, 3)."""
    faces: NDArray[np.int32]
    """(F, 3), rows of `vertices`."""
    notes: tuple[str, ...] = ()
    """Notes of the reader on what it left out of the file or doubts, a line each."""


@dataclass(frozen=True)
class Frame:
    """Position and scales of the cube frame and the sphere frame in a mesh's coordinates.

    See `shapegan.pipeline.schema`.
    """

    center: NDArray[np.float64]
    """(3,), the bounding box's centre: the origin of both frames."""
    scale_cube: float
    """Length of the cube frame's unit: half the bounding box's longest side."""
    scale_sphere: float
    """Length of the sphere frame's unit: the largest distance of a vertex from the centre."""


MAX_COORDINATE = 1e18
"""Meshes with larger coordinates are rejected. They are garbage, and products of lengths must stay
far from the limits of float64."""


MIN_SIZE = 1e-18
"""A mesh whose longest side is not longer than this has no size."""


MAX_DISTANCE = 1e9
"""Largest distance of a mesh from the origin, in multiples of its longest side. Farther away,
float64 is too coarse for it."""


NO_AREA = 1e-14
"""A face has no area if twice its area is at most this share of the squared longest side (of the
face or of the mesh)."""


def usable(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> TriangleMesh:
    """Drop faces with vertices that are not finite, and vertices that no face uses.

    Args:
        vertices: (V, 3).
        faces: (F, 3), rows of `vertices`.

    Returns:
        A mesh with finite vertices, and a note if faces were dropped.

    Raises:
        BadMeshError: no vertices or faces, none that is finite, coordinates too large, no size, too
            far from the origin for its size, or no face with an area.
    """
    if len(vertices) == 0 or len(faces) == 0:
        raise BadMeshError("no faces" if len(vertices) else "no vertices")
    finite = np.isfinite(vertices[faces]).all(axis=(1, 2))
    if not finite.any():
        raise BadMeshError("every face has a vertex that is NaN or infinite")
    notes, faces = _note_on_faces(int(np.count_nonzero(~finite))), faces[finite]
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    mesh = TriangleMesh(vertices[used], (np.cumsum(used) - 1)[faces].astype(np.int32), notes)
    _check_size(mesh.vertices)
    _check_area(mesh)
    return mesh


def _note_on_faces(count: int) -> tuple[str, ...]:
    """A note on faces that were dropped, if any were."""
    return (f"left out {counted(count, 'face')} with NaN or infinite vertices",) if count else ()


def _check_size(vertices: NDArray[np.float64]) -> None:
    farthest = float(np.abs(vertices).max())
    if farthest > MAX_COORDINATE:
        raise BadMeshError(
            f"huge coordinates: {farthest:.3g}, expected at most {MAX_COORDINATE:.0g}"
        )
    size = float(np.ptp(vertices, axis=0).max())
    if size <= MIN_SIZE:
        raise BadMeshError("zero size: all vertices that faces use are in one place")
    if farthest > MAX_DISTANCE * size:
        raise BadMeshError(
            f"too far from the origin: {farthest:.3g} away, but only {size:.3g} in size"
        )


def _check_area(mesh: TriangleMesh) -> None:
    size = float(np.ptp(mesh.vertices, axis=0).max())
    if not np.any(double_areas(mesh.vertices[mesh.faces]) > NO_AREA * size**2):
        raise BadMeshError("all faces are degenerate: none has an area")


def frame_of(vertices: NDArray[np.float64]) -> Frame:
    """Compute the frame of vertices (V, 3), all of which are used by faces.

    Raises:
        BadMeshError: there are no vertices, or all are in one place.
    """
    if len(vertices) == 0:
        raise BadMeshError("no faces are left once degenerate ones are dropped")
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    center = (low + high) / 2
    scale_cube = float((high - low).max()) / 2
    scale_sphere = float(np.linalg.norm(vertices - center, axis=1).max())
    if 2 * scale_cube <= MIN_SIZE:
        raise BadMeshError("zero size: all vertices are in one place")
    return Frame(center, scale_cube, scale_sphere)

"""Triangles of mesh objects in memory: those of trimesh, or any with vertices and faces."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh, usable


def triangles_of(mesh: Any) -> TriangleMesh:
    """Read the triangles of a trimesh object, or of a scene, without importing trimesh.

    Raises:
        BadMeshError: vertices or faces cannot be used.
        TypeError: there are no vertices or faces.
    """
    if hasattr(mesh, "to_mesh"):
        mesh = mesh.to_mesh()
    if not (hasattr(mesh, "vertices") and hasattr(mesh, "faces")):
        raise TypeError(f"mesh: got {type(mesh).__name__}, takes an object with vertices and faces")
    vertices = _rows_of_three("vertices", mesh.vertices).astype(np.float64)
    faces = _rows_of_three("faces", mesh.faces)
    if len(faces) and faces.dtype.kind not in "iu":
        raise BadMeshError(f"faces: got {faces.dtype}, takes whole numbers")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise BadMeshError(f"a face has a vertex index outside 0 to {len(vertices) - 1}")
    return usable(vertices, faces.astype(np.int64))


def _rows_of_three(name: str, values: ArrayLike) -> NDArray[Any]:
    """Values as an array (N, 3); anything empty counts as (0, 3).

    Raises:
        BadMeshError: another shape.
    """
    rows = np.asarray(values)
    if rows.size and (rows.ndim != 2 or rows.shape[1] != 3):
        raise BadMeshError(f"{name}: got shape {rows.shape}, takes (N, 3)")
    return rows.reshape(-1, 3)

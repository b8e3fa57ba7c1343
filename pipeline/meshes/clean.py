"""Meshes as they come -> triangles whose connectivity can be trusted.

Real meshes tear along texture seams, repeat faces (often reversed, to be seen from both sides)
and carry faces without area. Orientation and winding numbers need all of that gone.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from shapegan.pipeline.arrays import lengths, longest_sides
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

MERGE_TOLERANCE = 1e-5
"""Vertices nearer than about this share of the longest side become one."""

NO_AREA = 1e-14
"""Share of the square of a length; what has no more area (twice it) than this has none."""


def clean(mesh: TriangleMesh) -> TriangleMesh:
    """Joins vertices by position, then drops degenerate and repeated faces and their vertices.

    Args:
        mesh: finite vertices, as `shapegan.pipeline.meshes.load.load` gives them.

    Returns:
        The same surface; each face is there once, whatever its winding was. May have no faces,
        and then has no vertices either.
    """
    # Corners that only faces without area have say nothing about the mesh's size.
    vertices, faces = merge_vertices(mesh.vertices, _drop_flat(mesh.vertices, mesh.faces))
    faces = drop_repeated(drop_degenerate(vertices, faces))
    used, corners = np.unique(faces, return_inverse=True)
    return TriangleMesh(vertices[used], corners.reshape(faces.shape).astype(np.int32))


def merge_vertices(
    vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Makes one of vertices at the same place, and drops those that no face uses.

    Vertices are the same if they lie within `MERGE_TOLERANCE` of each other; one's exact
    position stays.
    """
    if len(faces) == 0:
        return vertices[:0], faces
    # 1. Those at exactly the same place, which are most.
    used, corners = np.unique(faces, return_inverse=True)
    points, same = np.unique(vertices[used], axis=0, return_inverse=True)
    corners = same.ravel()[corners.ravel()]

    # 2. Those nearly there.
    tolerance = MERGE_TOLERANCE * float(np.ptp(points, axis=0).max())
    pairs = cKDTree(points).query_pairs(tolerance, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(points),) * 2)
    label = connected_components(links, directed=False)[1]
    _, first = np.unique(label, return_index=True)
    return points[first], label[corners].reshape(faces.shape).astype(np.int32)


def _drop_flat(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Leaves out faces that have no area for their own size."""
    corners = vertices[faces]
    side = longest_sides(corners)
    keep: NDArray[np.bool_] = _double_areas(vertices, faces) > NO_AREA * side**2
    return faces[keep]


def drop_degenerate(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Leaves out faces with a repeated corner or without area."""
    a, b, c = faces.T
    distinct = (a != b) & (b != c) & (c != a)
    extent = float(np.ptp(vertices, axis=0).max()) if len(vertices) else 0.0
    keep: NDArray[np.bool_] = distinct & (_double_areas(vertices, faces) > NO_AREA * extent**2)
    return faces[keep]


def _double_areas(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    areas: NDArray[np.float64] = lengths(np.cross(b - a, c - a))
    return areas


def drop_repeated(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Keeps the first of faces that have the same three corners in any order."""
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return faces[np.sort(first)]

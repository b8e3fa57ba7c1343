"""Cleaning: from a mesh as read to triangles with reliable connectivity.

Real meshes tear along texture seams, repeat faces (often reversed, to be seen from both sides) and
contain faces without area. Orientation and winding numbers need meshes without these.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from shapegan.pipeline.arrays import distinct, take_rows
from shapegan.pipeline.meshes.triangle_mesh import NO_AREA, TriangleMesh
from shapegan.pipeline.triangles import double_areas, longest_box_sides

MERGE_TOLERANCE = 1e-5
"""Vertices nearer than this share of the mesh's longest side are merged."""


def clean(mesh: TriangleMesh) -> TriangleMesh:
    """Merge vertices by position, then drop degenerate and repeated faces and unused vertices.

    Args:
        mesh: finite vertices, as from `shapegan.pipeline.meshes.load.load`.

    Returns:
        The same surface, each face once, in one of its windings. A mesh without usable faces
        becomes one without vertices and faces.
    """
    # Drop faces without area first: their corners alone must not determine the mesh's size.
    vertices, faces = merge_vertices(mesh.vertices, _drop_flat(mesh.vertices, mesh.faces))
    faces = drop_repeated(drop_degenerate(vertices, faces))
    used, corners = distinct(faces, len(vertices))
    return TriangleMesh(take_rows(vertices, used), corners.astype(np.int32))


def merge_vertices(
    vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Merge vertices (V, 3) at the same position, and drop those that no face (F, 3) uses.

    Positions are the same within `MERGE_TOLERANCE`. The merged vertex keeps the exact position of
    one of them.
    """
    if len(faces) == 0:
        return vertices[:0], faces
    # 1. Merge vertices at exactly the same position; these are most.
    used, corners = distinct(faces, len(vertices))
    points, same = np.unique(take_rows(vertices, used), axis=0, return_inverse=True)
    corners = same.ravel()[corners.ravel()]

    # 2. Merge vertices at nearly the same position.
    tolerance = MERGE_TOLERANCE * float(np.ptp(points, axis=0).max())
    pairs = cKDTree(points).query_pairs(tolerance, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(points),) * 2)
    label = connected_components(links, directed=False)[1]
    _, first = np.unique(label, return_index=True)
    return points[first], label[corners].reshape(faces.shape).astype(np.int32)


def _drop_flat(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Drop faces (F, 3) without area relative to their own size."""
    corners = take_rows(vertices, faces)
    side = longest_box_sides(corners)
    keep: NDArray[np.bool_] = double_areas(corners) > NO_AREA * side**2
    return faces[keep]


def drop_degenerate(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Drop faces (F, 3) with a repeated corner, or without area relative to the mesh's size."""
    a, b, c = faces.T
    distinct = (a != b) & (b != c) & (c != a)
    extent = float(np.ptp(vertices, axis=0).max()) if len(vertices) else 0.0
    keep: NDArray[np.bool_] = distinct & (
        double_areas(take_rows(vertices, faces)) > NO_AREA * extent**2
    )
    return faces[keep]


def drop_repeated(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Keep the first of faces (F, 3) that have the same three corners in any order."""
    a, b, c = np.sort(faces, axis=1).astype(np.int64).T
    # Ranks of edges, and then of edges with a third corner, fit integers, which sort far faster
    # than rows.
    span = int(c.max(initial=0)) + 1
    _, edge = np.unique(a * span + b, return_inverse=True)
    _, first = np.unique(edge * span + c, return_index=True)
    return faces[np.sort(first)]

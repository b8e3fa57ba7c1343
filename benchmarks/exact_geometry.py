"""Distances to meshes by libigl, and winding numbers by sums of solid angles.

Nothing here uses shapegan's own geometry, so that an error cannot be on both sides of a comparison.
Solid angles are those of Van Oosterom and Strackee 1983.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from solids import Array

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh


def distance_to(mesh: TriangleMesh, points: NDArray[np.floating]) -> Array:
    """Exact unsigned distances (N,) from points (N, 3) to a mesh."""
    import igl

    squared, *_ = igl.point_mesh_squared_distance(
        points.astype(np.float64), mesh.vertices, mesh.faces.astype(np.int64)
    )
    return np.sqrt(squared)


def winding_by_region(points: NDArray[np.floating], distance: Array, triangles: Array) -> Array:
    """Winding numbers (N,) at points (N, 3) around closed triangles (F, 3, 3).

    If two points are closer to each other than one of them is to the surface, no surface lies
    between them, so they have the same winding number. Such points form a group, and one sum of
    solid angles serves each group.
    """
    points = points.astype(np.float64)
    apart, neighbour = cKDTree(points).query(points, k=27)
    one = np.repeat(np.arange(len(points)), 27).reshape(apart.shape)
    joined = apart < np.maximum(distance[one], distance[neighbour]) * (1 - 1e-6)
    links = coo_matrix(
        (np.ones(joined.sum(), bool), (one[joined], neighbour[joined])), (len(points),) * 2
    )
    region = connected_components(links, directed=False)[1]
    order = np.lexsort([-distance, region])
    deepest = order[np.unique(region[order], return_index=True)[1]]
    return winding_numbers(points[deepest], triangles)[region]


def winding_numbers(points: Array, triangles: Array) -> Array:
    """Exact winding numbers (N,) of triangles (F, 3, 3) at points (N, 3), by their definition."""
    chunk = max(1, 2**17 // len(triangles))
    return np.concatenate(
        [_solid_angles(points[i : i + chunk], triangles) for i in range(0, len(points), chunk)]
    ) / (4 * np.pi)


def _solid_angles(points: Array, triangles: Array) -> Array:
    """Sum over the triangles of their signed solid angles (N,) seen from points (N, 3)."""
    a, b, c = ([triangles[:, k, x] - points[:, x, None] for x in range(3)] for k in range(3))
    la, lb, lc = (np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2) for u in (a, b, c))
    ab, bc, ca = (u[0] * v[0] + u[1] * v[1] + u[2] * v[2] for u, v in ((a, b), (b, c), (c, a)))
    volume = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        + a[1] * (b[2] * c[0] - b[0] * c[2])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    angles = 2 * np.arctan2(volume, la * lb * lc + ab * lc + bc * la + ca * lb)
    return angles.sum(axis=1)


def closest_points(mesh: TriangleMesh, points: Array) -> tuple[Array, Array]:
    """Surface points (N, 3) closest to points (N, 3), and unit normals (N, 3) of their faces."""
    import igl

    faces = mesh.faces.astype(np.int64)
    _, face, foot = igl.point_mesh_squared_distance(points, mesh.vertices, faces)
    a, b, c = np.moveaxis(mesh.vertices[faces[face]], 1, 0)
    return foot, unit_vectors(np.cross(b - a, c - a))


def is_inside(mesh: TriangleMesh, points: Array) -> NDArray[np.bool_]:
    """Mask (N,) of points (N, 3) inside, by libigl's approximate winding numbers."""
    import igl

    faces = mesh.faces.astype(np.int64)
    inside: NDArray[np.bool_] = igl.fast_winding_number(mesh.vertices, faces, points) > 0.5
    return inside


def unit_vectors(vectors: Array) -> Array:
    """Vectors (N, 3) scaled to length 1; zero vectors stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(length, np.finfo(float).tiny)
    return unit


def signed_volumes(mesh: TriangleMesh) -> Array:
    """Signed volumes (F,) between the origin and each face."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6

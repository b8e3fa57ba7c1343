"""Measures of watertight meshes against the meshes that they were made from, cube frame."""

from dataclasses import dataclass

import igl
import numpy as np
import trimesh
from numpy.typing import NDArray

from shapegan.pipeline.queries.rays import RayScene

Arrays = tuple[NDArray[np.floating], NDArray[np.integer]]

SAMPLES = 10_000
RAYS = 64
OFFSET = 1e-4
"""Distance from the surface at which rays start."""
SHARP = np.radians(30)
"""Dihedral angle from which an edge is sharp."""


@dataclass(frozen=True)
class Original:
    """The visible surface of a mesh."""

    points: NDArray[np.float64]
    """(M, 3), by area."""
    normals: NDArray[np.float64]
    """(M, 3), either way."""
    mesh: Arrays
    """The faces with visible points."""
    sharp: NDArray[np.bool_]
    """(M,), within a cell of a sharp edge."""


@dataclass(frozen=True)
class Measures:
    """Measures of one result."""

    closed: bool
    """trimesh: watertight, with consistent windings."""
    manifold: bool
    """libigl: manifold at edges and at vertices."""
    recall: float
    """Mean distance of the visible surface from the result."""
    precision: float
    """Mean distance of the result from the visible surface."""
    hidden: float
    """Share of the result's area that no light reaches, from its front."""
    degrees: float
    """Mean angle between the normals near sharp edges."""
    faces: int


def original(vertices: NDArray[np.float64], faces: NDArray[np.int32], cell: float) -> Original:
    """Sample the visible surface of a mesh.

    Args:
        vertices: (V, 3), cube frame.
        faces: (F, 3).
        cell: distance from sharp edges within which points count as near them.
    """
    mesh = trimesh.Trimesh(vertices, faces)
    points, face = trimesh.sample.sample_surface(mesh, 2 * SAMPLES, seed=0)
    normals = mesh.face_normals[face]
    sky = _sky(mesh, points, normals).max(axis=1)
    seen = sky > 0
    points, face, normals = points[seen], face[seen], normals[seen]
    edges = mesh.face_adjacency_edges[mesh.face_adjacency_angles > SHARP]
    sharp = np.zeros(len(points), bool)
    if len(edges):
        segments = np.column_stack([edges, edges[:, 1]])
        squares = igl.point_mesh_squared_distance(points, mesh.vertices, segments)[0]
        sharp = squares < cell**2
    visible = mesh.faces[np.unique(face)]
    return Original(points, normals, (np.array(mesh.vertices), visible), sharp)


def measure(vertices: NDArray[np.floating], faces: NDArray[np.integer], to: Original) -> Measures:
    """Measure a result (V, 3), (F, 3)."""
    faces = np.ascontiguousarray(faces, np.int64)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    points, face = trimesh.sample.sample_surface(mesh, SAMPLES, seed=0)
    front = _sky(mesh, points, mesh.face_normals[face])[:, 0]
    squares, nearest, _ = igl.point_mesh_squared_distance(to.points, mesh.vertices, faces)
    back, _, _ = igl.point_mesh_squared_distance(points, *to.mesh)
    cosine = np.abs(np.sum(mesh.face_normals[nearest] * to.normals, axis=1)).clip(0, 1)
    edge, vertex = igl.is_edge_manifold(faces), igl.is_vertex_manifold(faces)
    return Measures(
        closed=bool(mesh.is_watertight and mesh.is_winding_consistent),
        manifold=bool(np.all(edge[0] if isinstance(edge, tuple) else edge) and np.all(vertex)),
        recall=float(np.sqrt(squares).mean()),
        precision=float(np.sqrt(back).mean()),
        hidden=float((front == 0).mean()),
        degrees=float(np.degrees(np.arccos(cosine[to.sharp])).mean()) if to.sharp.any() else 0.0,
        faces=len(faces),
    )


def _sky(
    mesh: trimesh.Trimesh, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Shares of the sky (N, 2) that both sides of points (N, 3) of a mesh see."""
    scene = RayScene(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32))
    return scene.sky_fractions(points.astype(np.float32), normals.astype(np.float32), RAYS, OFFSET)

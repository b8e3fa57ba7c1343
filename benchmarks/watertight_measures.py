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
ROUNDS = 200
"""Steps of the walks that look for a way out of a cavity."""
ROOM = 8.0
"""A ray of this length leaves the mesh, cube frame."""
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
    scene: RayScene
    """All faces."""


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
    false_skin: float
    """Share of the result's area that no light reaches, and from whose front no way leads outside
    between the faces of the original. The walls of a cavity of the original have such a way."""
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
    scene = RayScene(vertices, faces)
    return Original(points, normals, (np.array(mesh.vertices), visible), sharp, scene)


def measure(vertices: NDArray[np.floating], faces: NDArray[np.integer], to: Original) -> Measures:
    """Measure a result (V, 3), (F, 3)."""
    faces = np.ascontiguousarray(faces, np.int64)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    points, face = trimesh.sample.sample_surface(mesh, SAMPLES, seed=0)
    normals = mesh.face_normals[face]
    dark = _sky(mesh, points, normals)[:, 0] == 0
    enclosed = ~leads_outside(to.scene, points[dark] + OFFSET * normals[dark])
    squares, nearest, _ = igl.point_mesh_squared_distance(to.points, mesh.vertices, faces)
    back, _, _ = igl.point_mesh_squared_distance(points, *to.mesh)
    cosine = np.abs(np.sum(mesh.face_normals[nearest] * to.normals, axis=1)).clip(0, 1)
    edge, vertex = igl.is_edge_manifold(faces), igl.is_vertex_manifold(faces)
    return Measures(
        closed=bool(mesh.is_watertight and mesh.is_winding_consistent),
        manifold=bool(np.all(edge[0] if isinstance(edge, tuple) else edge) and np.all(vertex)),
        recall=float(np.sqrt(squares).mean()),
        precision=float(np.sqrt(back).mean()),
        hidden=float(dark.mean()),
        false_skin=float(enclosed.sum() / SAMPLES),
        degrees=float(np.degrees(np.arccos(cosine[to.sharp])).mean()) if to.sharp.any() else 0.0,
        faces=len(faces),
    )


def leads_outside(scene: RayScene, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Find the points (N, 3) from which a way between the faces of a scene leads outside.

    Each point starts a random walk, whose steps end somewhere on a ray to the next face (hit and
    run sampling, Smith 1984). A walk is outside if a ray leaves the mesh, and also if it sees a
    place at which a walk was that got outside.
    """
    random = np.random.default_rng(0)
    place = points.astype(np.float32)
    trail, outside = [place.copy()], np.zeros(len(place), bool)
    for _ in range(ROUNDS):
        rows = np.flatnonzero(~outside)
        if not len(rows):
            break
        # 1. Take a step.
        way = random.standard_normal((len(rows), 3)).astype(np.float32)
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        free = scene.distances(place[rows], way, ROOM)
        outside[rows] = free >= ROOM
        part = random.uniform(0.05, 0.95, len(rows)).astype(np.float32)
        place[rows] += np.where(free < ROOM, free * part, 0)[:, None] * way
        trail.append(place.copy())
        # 2. Look for a place of a walk that got outside.
        rows, known = np.flatnonzero(~outside), np.flatnonzero(outside)
        if len(rows) and len(known):
            times = random.integers(len(trail), size=len(rows))
            goal = np.stack(trail)[times, random.choice(known, len(rows))]
            way = goal - place[rows]
            length = np.linalg.norm(way, axis=1)
            way /= np.maximum(length, np.float32(1e-12))[:, None]
            outside[rows] = scene.distances(place[rows], way, ROOM) >= length
    return outside


def _sky(
    mesh: trimesh.Trimesh, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Shares of the sky (N, 2) that both sides of points (N, 3) of a mesh see."""
    scene = RayScene(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32))
    return scene.sky_fractions(points.astype(np.float32), normals.astype(np.float32), RAYS, OFFSET)

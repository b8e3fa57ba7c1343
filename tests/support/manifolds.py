"""Checks that a mesh is a closed, oriented 2-manifold, by trimesh and by libigl."""

import igl
import numpy as np
import trimesh


def is_edge_manifold(faces) -> bool:
    found = igl.is_edge_manifold(np.asarray(faces, np.int64))
    return bool(np.all(found[0] if isinstance(found, tuple) else found))


def check_manifold(vertices, faces) -> trimesh.Trimesh:
    """Check a mesh, and that it stays one when vertices are merged by their single precision."""
    faces = np.asarray(faces, np.int64)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert is_edge_manifold(faces)
    assert np.all(igl.is_vertex_manifold(faces))
    assert np.unique(faces).size == len(vertices)
    assert len(np.unique(np.asarray(vertices, np.float32), axis=0)) == len(vertices)
    return mesh

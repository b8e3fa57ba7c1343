"""Methods that compute signed distances to a mesh, with one signature so that they are comparable.

Each takes a mesh in the cube frame and points (N, 3) float32 in that frame. It returns signed
distances (N,) by name, one array for each variant that the same work yields.
"""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

Points = NDArray[np.float32]
Distances = dict[str, NDArray[np.floating]]

SCANS = 50
PIXELS = 1024
"""mesh-to-sdf's settings in the paper's code."""

MESH2SDF_SIZE = 128
MESH2SDF_LEVEL = 2 / MESH2SDF_SIZE
MESH2SDF_SCALE = 0.8
"""mesh2sdf's settings in its own example: its grid needs a margin around the mesh."""


def ours(mesh: TriangleMesh, points: Points) -> Distances:
    """Shapegan with its defaults, and with nothing thickened; rounded to float16 as in a shard.

    Thickened parts have their surface off the mesh's own on purpose.
    """
    from shapegan.pipeline import MeshSDF

    fields = {"ours": MeshSDF(mesh), "ours, thickness 0": MeshSDF(mesh, sheet_thickness=0)}
    return {
        name: field.signed_distances(points).astype(np.float16) for name, field in fields.items()
    }


def mesh_to_sdf(mesh: TriangleMesh, points: Points) -> Distances:
    """mesh-to-sdf with the paper's scans; signs by depth buffer and by normals."""
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    import mesh_to_sdf as library
    import trimesh

    cloud = library.get_surface_point_cloud(
        trimesh.Trimesh(mesh.vertices, mesh.faces),
        bounding_radius=3**0.5,
        scan_count=SCANS,
        scan_resolution=PIXELS,
        calculate_normals=True,
    )
    return {
        "mesh-to-sdf, depth": cloud.get_sdf_in_batches(points, use_depth_buffer=True),
        "mesh-to-sdf, normal": cloud.get_sdf_in_batches(points, use_depth_buffer=False),
    }


def mesh2sdf(mesh: TriangleMesh, points: Points) -> Distances:
    """mesh2sdf on its grid, interpolated trilinearly; without and with its repair."""
    import mesh2sdf as library

    vertices = np.ascontiguousarray(mesh.vertices * MESH2SDF_SCALE, np.float32)
    index = (points.T.astype(np.float64) * MESH2SDF_SCALE + 1) * (MESH2SDF_SIZE / 2)
    results: Distances = {}
    for name, fix in (("mesh2sdf", False), ("mesh2sdf, fix", True)):
        grid = library.compute(vertices, mesh.faces, MESH2SDF_SIZE, fix=fix, level=MESH2SDF_LEVEL)
        results[name] = map_coordinates(grid, index, order=1, mode="nearest") / MESH2SDF_SCALE
    return results


METHODS: dict[str, Callable[[TriangleMesh, Points], Distances]] = {
    "ours": ours,
    "mesh-to-sdf": mesh_to_sdf,
    "mesh2sdf": mesh2sdf,
}
"""Name in `--methods` -> method."""

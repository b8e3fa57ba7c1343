"""Methods that make meshes watertight, with one signature so that they are comparable.

Each takes a mesh in the cube frame and a resolution (cells along the longest side), and returns
vertices (V, 3) and faces (F, 3) in that frame. Peers are imported when they are called; none of
them is a dependency.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

Arrays = tuple[NDArray[np.floating], NDArray[np.integer]]

MESH2SDF_SCALE = 0.8
"""mesh2sdf's setting in its own example: its grid needs a margin around the mesh."""
MANIFOLD_LEAVES = 20_000
"""Default of point-cloud-utils; the mean edge is about 1.6 cells of 256 then."""
MANIFOLD_MORE_LEAVES = 100_000
"""Leaves for a mean edge of about a cell of 256; the octree halves the edges at a time."""


def cubes(mesh: TriangleMesh, resolution: int) -> Arrays:
    """Shapegan by marching cubes, as `shapegan watertight` does it."""
    return _ours(mesh, resolution, "cubes")


def dual(mesh: TriangleMesh, resolution: int) -> Arrays:
    """Shapegan by dual contouring."""
    return _ours(mesh, resolution, "dual")


def half_dual(mesh: TriangleMesh, resolution: int) -> Arrays:
    """The same on a grid of half the resolution: about as many faces as point-cloud-utils makes."""
    return _ours(mesh, resolution // 2, "dual")


def _ours(mesh: TriangleMesh, resolution: int, contouring: str) -> Arrays:
    from shapegan.pipeline.config import least_half_thickness
    from shapegan.pipeline.sdf.mesh_field import make_field
    from shapegan.pipeline.sdf.solid_surface import solid_surface

    made = make_field(mesh, 0.016)
    found = solid_surface(made, resolution, contouring, least_half_thickness(resolution))
    if reason := made.quality.rejection_reason() or found.rejection_reason():
        raise ValueError(reason)
    return found.mesh.vertices, found.mesh.faces


def manifold(mesh: TriangleMesh, resolution: int) -> Arrays:  # noqa: ARG001 - has none
    """point-cloud-utils' `make_mesh_watertight`, the method of Huang et al. 2018."""
    return _manifold(mesh, MANIFOLD_LEAVES)


def fine_manifold(mesh: TriangleMesh, resolution: int) -> Arrays:  # noqa: ARG001 - for 256
    """The same with edges as long as those of a grid of 256."""
    return _manifold(mesh, MANIFOLD_MORE_LEAVES)


def _manifold(mesh: TriangleMesh, leaves: int) -> Arrays:
    import point_cloud_utils

    vertices, faces = point_cloud_utils.make_mesh_watertight(
        mesh.vertices, mesh.faces, resolution=leaves
    )
    return vertices, faces


def mesh2sdf(mesh: TriangleMesh, resolution: int) -> Arrays:
    """mesh2sdf with its repair, at the level 2 / resolution of its own example."""
    import mesh2sdf as library

    vertices = np.ascontiguousarray(mesh.vertices * MESH2SDF_SCALE, np.float32)
    _, made = library.compute(
        vertices, mesh.faces, resolution, fix=True, level=2 / resolution, return_mesh=True
    )
    return made.vertices / MESH2SDF_SCALE, made.faces


def open3d(mesh: TriangleMesh, resolution: int) -> Arrays:
    """Marching cubes of Open3D's signed distances, by parity of ray crossings, on a dense grid."""
    import open3d as library

    scene = library.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    spacing = 2 / resolution
    axis = (np.arange(resolution + 4) - (resolution + 3) / 2) * spacing
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).astype(np.float32)
    values = scene.compute_signed_distance(grid, nsamples=3).numpy()
    vertices, faces, _, _ = marching_cubes(values, 0, allow_degenerate=False)
    return vertices * spacing + axis[0], faces


def meshfix(mesh: TriangleMesh, resolution: int) -> Arrays:  # noqa: ARG001 - has none
    """Pymeshfix: MeshFix (Attene 2010), which repairs the triangles that there are."""
    import pymeshfix as library

    vertices, faces = library.clean_from_arrays(mesh.vertices, mesh.faces)
    return vertices, faces


METHODS: dict[str, Callable[[TriangleMesh, int], Arrays]] = {
    "shapegan, cubes": cubes,
    "shapegan, dual": dual,
    "shapegan, dual, half": half_dual,
    "point-cloud-utils": manifold,
    "point-cloud-utils, fine": fine_manifold,
    "mesh2sdf": mesh2sdf,
    "Open3D": open3d,
    "pymeshfix": meshfix,
}
"""Name in the table -> method."""

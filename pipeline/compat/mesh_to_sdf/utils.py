"""Frames, grids and random points of mesh-to-sdf's `utils`."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.compat.mesh_to_sdf.exceptions import naming_bad_meshes
from shapegan.pipeline.meshes.from_object import triangles_of
from shapegan.pipeline.meshes.triangle_mesh import Frame, TriangleMesh, frame_of
from shapegan.pipeline.schema import grid_points
from shapegan.pipeline.sdf.sampling import points_in_ball
from shapegan.pipeline.sdf.scan import voxels_rejection


def scale_to_unit_sphere(mesh: Any) -> Any:
    """A `trimesh.Trimesh` of a mesh or scene whose farthest vertex from its centre is at radius 1.

    Raises:
        BadMeshException: the mesh has no usable face.
        TypeError: the mesh lacks vertices or faces.
    """
    triangles, frame = _in_frame(mesh)
    return _scaled(triangles, frame, frame.scale_sphere)


def scale_to_unit_cube(mesh: Any) -> Any:
    """A `trimesh.Trimesh` of a mesh or scene whose longest side is 2, centred at 0.

    Raises:
        BadMeshException: the mesh has no usable face.
        TypeError: the mesh lacks vertices or faces.
    """
    triangles, frame = _in_frame(mesh)
    return _scaled(triangles, frame, frame.scale_cube)


def _in_frame(mesh: Any) -> tuple[TriangleMesh, Frame]:
    with naming_bad_meshes():
        triangles = triangles_of(mesh)
        return triangles, frame_of(triangles.vertices)


def _scaled(mesh: TriangleMesh, frame: Frame, scale: float) -> Any:
    import trimesh

    return trimesh.Trimesh((mesh.vertices - frame.center) / scale, mesh.faces)


@lru_cache(maxsize=4)
def get_raster_points(voxel_resolution: int) -> NDArray[np.float32]:
    """Positions (R^3, 3) of the voxels of a grid over [-1, 1]^3; do not change them in place."""
    return grid_points(voxel_resolution)


def check_voxels(voxels: NDArray[np.floating]) -> bool:
    """True if no distance of a grid (R, R, R) falls too much from one voxel to the next."""
    return not voxels_rejection(voxels)


def random_generator(seed: int | None) -> np.random.Generator:
    """A generator seeded by a number or, if there is none, by numpy's global generator.

    mesh-to-sdf draws from that one, so `np.random.seed` makes runs repeatable here, too.
    """
    if seed is None:
        return np.random.default_rng(np.random.randint(2**31, size=4))  # noqa: NPY002
    return np.random.default_rng(seed)


def sample_uniform_points_in_unit_sphere(amount: int) -> NDArray[np.float64]:
    """Random points (amount, 3), uniform in the unit ball."""
    return points_in_ball(amount, random_generator(None)).astype(np.float64)

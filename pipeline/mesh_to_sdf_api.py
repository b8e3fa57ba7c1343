"""Drop-in replacements for the functions of the package mesh-to-sdf.

Names, first arguments, frames and results are the same, so changing the import is enough.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shapegan.pipeline.mesh_sdf import MeshSDF
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError


def mesh_to_sdf(mesh: Any, query_points: ArrayLike, **scanning: object) -> NDArray[np.float32]:
    """Signed distances (N,) of a mesh at points (N, 3), both in the mesh's coordinates.

    Args:
        mesh: as for `MeshSDF`.
        query_points: (N, 3).
        scanning: arguments of mesh-to-sdf's function that concern its scans. Nothing is scanned
            here, so naming one gives a warning.

    Raises:
        BadMeshError: the mesh has no usable face.
        TypeError: an argument that mesh-to-sdf does not have.
    """
    _warn_of(scanning)
    return MeshSDF(mesh).signed_distances(query_points)


def mesh_to_voxels(
    mesh: Any,
    voxel_resolution: int = 64,
    *,
    pad: bool = False,
    check_result: bool = False,
    return_gradients: bool = False,
    **scanning: object,
) -> Any:
    """Signed distances (R, R, R) on a grid over the cube frame.

    Args:
        mesh: as for `MeshSDF`.
        voxel_resolution: R.
        pad: add a layer of voxels on every side, so that surfaces are closed: (R + 2, R + 2,
            R + 2).
        check_result: reject fields that disagree with the mesh.
        return_gradients: return a pair, with the gradients (R, R, R, 3) of the same grid.
        scanning: see `mesh_to_sdf`.

    Raises:
        BadMeshError: the mesh has no usable face, or fails the check.
        TypeError: an argument that mesh-to-sdf does not have.
        ValueError: fewer than two voxels a side.
    """
    _warn_of(scanning)
    if voxel_resolution < 2:
        raise ValueError(f"voxel_resolution: got {voxel_resolution}, takes 2 or more")
    made = MeshSDF(mesh)
    if check_result and (reason := made.quality.rejection_reason()):
        raise BadMeshError(reason)
    if not pad and not return_gradients:
        return made.voxels(voxel_resolution)
    steps = np.arange(-pad, voxel_resolution + pad)
    axis = -1 + 2 * steps / (voxel_resolution - 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    if not return_gradients:
        return made.signed_distances(grid.reshape(-1, 3), "cube").reshape(grid.shape[:3])
    sdf, gradients = made.signed_distances_and_gradients(grid.reshape(-1, 3), "cube")
    return sdf.reshape(grid.shape[:3]), gradients.reshape(grid.shape)


def sample_sdf_near_surface(
    mesh: Any,
    number_of_points: int = 500_000,
    *,
    min_size: float = 0.0,
    return_gradients: bool = False,
    **scanning: object,
) -> tuple[NDArray[np.float32], ...]:
    """DeepSDF's mix of points (N, 3) and their signed distances (N,), sphere frame.

    Args:
        mesh: as for `MeshSDF`.
        number_of_points: N.
        min_size: reject meshes that fill less than this share of their unit ball.
        return_gradients: also return the gradients (N, 3).
        scanning: see `mesh_to_sdf`.

    Raises:
        BadMeshError: the mesh has no usable face, or is too small.
        TypeError: an argument that mesh-to-sdf does not have.
        ValueError: negative number of points.
    """
    _warn_of(scanning)
    made = MeshSDF(mesh)
    ball = 4 / 3 * np.pi * (made.frame.scale_sphere / made.frame.scale_cube) ** 3
    size = made.quality.inside_fraction * 8 / ball
    if size < min_size:
        raise BadMeshError(f"too small: it fills {size:.2%} of its ball, takes {min_size:.2%}")
    points, sdf = made.near_surface(number_of_points)
    if not return_gradients:
        return points, sdf
    return points, *made.signed_distances_and_gradients(points, "sphere")


_SCANNING = frozenset(
    {
        "surface_point_method",
        "sign_method",
        "bounding_radius",
        "scan_count",
        "scan_resolution",
        "sample_point_count",
        "normal_sample_count",
    }
)
"""Arguments of mesh-to-sdf that concern its scans."""


def _warn_of(scanning: dict[str, object]) -> None:
    """Warn of arguments that concern scans.

    Raises:
        TypeError: an argument that mesh-to-sdf does not have.
    """
    if unknown := sorted(set(scanning) - _SCANNING):
        raise TypeError(f"unexpected argument: {', '.join(unknown)}")
    if scanning:
        names = ", ".join(sorted(scanning))
        warnings.warn(f"{names}: nothing is scanned here, so it is ignored", stacklevel=3)

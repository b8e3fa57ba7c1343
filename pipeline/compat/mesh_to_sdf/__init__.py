"""A stand-in for the package mesh-to-sdf 0.0.15, with exact distances.

    import shapegan.pipeline.compat.mesh_to_sdf as mesh_to_sdf

Names, arguments, defaults, shapes, types and frames are those of mesh-to-sdf. docs/mesh-to-sdf.md
lists the differences.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shapegan.pipeline.compat.mesh_to_sdf import surface_point_cloud
from shapegan.pipeline.compat.mesh_to_sdf.cloud import check_sign_method
from shapegan.pipeline.compat.mesh_to_sdf.exceptions import BadMeshException, naming_bad_meshes
from shapegan.pipeline.compat.mesh_to_sdf.surface_point_cloud import (
    SurfacePointCloud,
)
from shapegan.pipeline.compat.mesh_to_sdf.utils import (
    check_voxels,
    get_raster_points,
    scale_to_unit_cube,
    scale_to_unit_sphere,
)
from shapegan.pipeline.meshes.from_object import triangles_of

__all__ = [
    "BadMeshException",
    "SurfacePointCloud",
    "check_voxels",
    "get_raster_points",
    "get_surface_point_cloud",
    "mesh_to_sdf",
    "mesh_to_voxels",
    "sample_sdf_near_surface",
    "scale_to_unit_cube",
    "scale_to_unit_sphere",
    "surface_point_cloud",
]


def get_surface_point_cloud(
    mesh: Any,
    surface_point_method: str = "scan",
    bounding_radius: float | None = None,
    scan_count: int = 100,
    scan_resolution: int = 400,
    sample_point_count: int = 10000000,
    calculate_normals: bool = True,
    *,
    sheet_thickness: float = 0.0,
    seed: int | None = None,
) -> SurfacePointCloud:
    """The distance field of a mesh, with points on its surface; in the mesh's coordinates.

    Args:
        mesh: a `trimesh.Trimesh` or `trimesh.Scene`, or any other object with `vertices` (V, 3) and
            `faces` (F, 3).
        surface_point_method: `scan` or `sample`; decides the number of points, and whether there
            are scans.
        bounding_radius: radius of the ball around the origin that the scans show; None for the
            mesh's own, and a tenth more.
        scan_count: number of scans.
        scan_resolution: width and height of a scan, pixels.
        sample_point_count: number of points of the method `sample`.
        calculate_normals: compute the points' normals.
        sheet_thickness: half the thickness that sheets and thin parts get, see `MeshSDF`.
        seed: of the points on the surface; None for new ones each time.

    Raises:
        BadMeshException: the mesh has no usable face.
        TypeError: the mesh lacks vertices or faces.
        ValueError: unknown method.
    """
    if surface_point_method == "sample":
        return surface_point_cloud.sample_from_mesh(
            mesh, sample_point_count, calculate_normals, sheet_thickness=sheet_thickness, seed=seed
        )
    if surface_point_method != "scan":
        raise ValueError(
            f"surface_point_method: got {surface_point_method!r}, takes scan or sample"
        )
    if bounding_radius is None:
        with naming_bad_meshes():
            vertices = triangles_of(mesh).vertices
        bounding_radius = 1.1 * float(np.linalg.norm(vertices, axis=1).max())
    return surface_point_cloud.create_from_scans(
        mesh,
        bounding_radius,
        scan_count,
        scan_resolution,
        calculate_normals,
        sheet_thickness=sheet_thickness,
        seed=seed,
    )


def mesh_to_sdf(
    mesh: Any,
    query_points: ArrayLike,
    surface_point_method: str = "scan",
    sign_method: str = "normal",
    bounding_radius: float | None = None,
    scan_count: int = 100,
    scan_resolution: int = 400,
    sample_point_count: int = 10000000,
    normal_sample_count: int = 11,
    *,
    sheet_thickness: float = 0.0,
) -> NDArray[np.float32]:
    """Signed distances (N,) of a mesh at points (N, 3), both in the mesh's coordinates.

    Args:
        mesh: as for `get_surface_point_cloud`.
        query_points: (N, 3).
        surface_point_method: `scan` or `sample`; without effect.
        sign_method: `normal` or `depth`; without effect.
        bounding_radius: without effect, as are the other settings of scans.
        scan_count: without effect.
        scan_resolution: without effect.
        sample_point_count: without effect.
        normal_sample_count: without effect.
        sheet_thickness: see `get_surface_point_cloud`.

    Raises:
        BadMeshException: the mesh has no usable face.
        TypeError: the mesh lacks vertices or faces.
        ValueError: points of another shape, points that are not finite, or unknown method.
    """
    del bounding_radius
    check_sign_method(sign_method)
    cloud = get_surface_point_cloud(
        mesh,
        surface_point_method,
        1.0,
        scan_count,
        scan_resolution,
        sample_point_count,
        sheet_thickness=sheet_thickness,
    )
    sdf: NDArray[np.float32] = cloud.get_sdf_in_batches(
        query_points, sample_count=normal_sample_count
    )
    return sdf


def mesh_to_voxels(
    mesh: Any,
    voxel_resolution: int = 64,
    surface_point_method: str = "scan",
    sign_method: str = "normal",
    scan_count: int = 100,
    scan_resolution: int = 400,
    sample_point_count: int = 10000000,
    normal_sample_count: int = 11,
    pad: bool = False,
    check_result: bool = False,
    return_gradients: bool = False,
    *,
    sheet_thickness: float = 0.0,
) -> Any:
    """Signed distances (R, R, R) float32 at `linspace(-1, 1, R)` per axis, cube frame.

    Args:
        mesh: as for `get_surface_point_cloud`, in any coordinates.
        voxel_resolution: R.
        surface_point_method: `scan` or `sample`; without effect.
        sign_method: `normal` or `depth`; without effect.
        scan_count: without effect.
        scan_resolution: without effect.
        sample_point_count: without effect.
        normal_sample_count: without effect.
        pad: add a layer of ones on each side: (R + 2, R + 2, R + 2).
        check_result: reject voxels that `check_voxels` rejects.
        return_gradients: also return the gradients (R, R, R, 3), or (R + 2, R + 2, R + 2, 3) with
            the outer ones repeated.
        sheet_thickness: see `get_surface_point_cloud`.

    Raises:
        BadMeshException: the mesh has no usable face, or the voxels fail the check.
        TypeError: the mesh lacks vertices or faces.
        ValueError: fewer than two voxels a side, or unknown method.
    """
    check_sign_method(sign_method)
    cloud = get_surface_point_cloud(
        scale_to_unit_cube(mesh),
        surface_point_method,
        3**0.5,
        scan_count,
        scan_resolution,
        sample_point_count,
        sheet_thickness=sheet_thickness,
    )
    return cloud.get_voxels(
        voxel_resolution,
        sign_method == "depth",
        normal_sample_count,
        pad,
        check_result,
        return_gradients,
    )


def sample_sdf_near_surface(
    mesh: Any,
    number_of_points: int = 500000,
    surface_point_method: str = "scan",
    sign_method: str = "normal",
    scan_count: int = 100,
    scan_resolution: int = 400,
    sample_point_count: int = 10000000,
    normal_sample_count: int = 11,
    min_size: float = 0,
    return_gradients: bool = False,
    *,
    sheet_thickness: float = 0.0,
    seed: int | None = None,
) -> Any:
    """DeepSDF's mix: points (N, 3) float32 and their distances (N,) float32, sphere frame.

    Args:
        mesh: as for `get_surface_point_cloud`, in any coordinates.
        number_of_points: N.
        surface_point_method: `scan` or `sample`; without effect.
        sign_method: `normal` or `depth`; without effect.
        scan_count: without effect.
        scan_resolution: without effect.
        sample_point_count: without effect.
        normal_sample_count: without effect.
        min_size: smallest share of the uniform points that must lie inside.
        return_gradients: also return the gradients (N, 3).
        sheet_thickness: see `get_surface_point_cloud`.
        seed: of the points; None for new ones each time.

    Raises:
        BadMeshException: the mesh has no usable face, or is too small.
        TypeError: the mesh lacks vertices or faces.
        ValueError: negative number of points, or unknown method.
    """
    cloud = get_surface_point_cloud(
        scale_to_unit_sphere(mesh),
        surface_point_method,
        1.0,
        scan_count,
        scan_resolution,
        sample_point_count,
        sheet_thickness=sheet_thickness,
    )
    return cloud.sample_sdf_near_surface(
        number_of_points,
        surface_point_method == "scan",
        sign_method,
        normal_sample_count,
        min_size,
        return_gradients,
        seed=seed,
    )

"""mesh-to-sdf's module `surface_point_cloud`: clouds of meshes, with scans and without."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from shapegan.pipeline.compat.mesh_to_sdf.cloud import SurfacePointCloud
from shapegan.pipeline.compat.mesh_to_sdf.exceptions import BadMeshException
from shapegan.pipeline.compat.mesh_to_sdf.scan import (
    Scan,
    ScanScene,
    get_camera_transform_looking_at_origin,
)

__all__ = [
    "BadMeshException",
    "SurfacePointCloud",
    "create_from_scans",
    "get_equidistant_camera_angles",
    "sample_from_mesh",
]

MAX_SCANNED_POINTS = 2**20
"""Most points on the surface by the method `scan`. They are spread evenly, so more of them hardly
bring the nearest one closer."""

SCAN_COVERAGE = 4
"""Pixels of scans for each point on the surface: most shapes fill about a quarter of a scan."""


def get_equidistant_camera_angles(count: int) -> Iterator[tuple[float, float]]:
    """Angles (around y, around x) of cameras spread evenly over a sphere, radians."""
    golden_angle = math.pi * (3 - math.sqrt(5))
    for i in range(count):
        height = -1 + 2 * i / max(count - 1, 1)
        yield (i + 1) * golden_angle % (2 * math.pi), math.asin(height)


def create_from_scans(
    mesh: Any,
    bounding_radius: float = 1,
    scan_count: int = 100,
    scan_resolution: int = 400,
    calculate_normals: bool = True,
    *,
    sheet_thickness: float = 0.0,
    seed: int | None = None,
) -> SurfacePointCloud:
    """A cloud whose `scans` show the mesh from all sides.

    See `shapegan.pipeline.compat.mesh_to_sdf.get_surface_point_cloud` for the arguments.
    """
    count = min(scan_count * scan_resolution**2 // SCAN_COVERAGE, MAX_SCANNED_POINTS)
    cloud = SurfacePointCloud(
        mesh,
        max(count, 1),
        True if calculate_normals else None,
        sheet_thickness=sheet_thickness,
        seed=seed,
    )
    cloud._make_scans = partial(
        _scan_from_all_sides, mesh, bounding_radius, scan_count, scan_resolution, calculate_normals
    )
    return cloud


def _scan_from_all_sides(
    mesh: Any, radius: float, count: int, resolution: int, calculate_normals: bool
) -> list[Scan]:
    scene = ScanScene.of(mesh)
    return [
        Scan(
            scene,
            get_camera_transform_looking_at_origin(around_y, around_x, camera_distance=2 * radius),
            resolution,
            calculate_normals,
            fov=1.0472,
            z_near=radius,
            z_far=3 * radius,
        )
        for around_y, around_x in get_equidistant_camera_angles(count)
    ]


def sample_from_mesh(
    mesh: Any,
    sample_point_count: int = 10000000,
    calculate_normals: bool = True,
    *,
    sheet_thickness: float = 0.0,
    seed: int | None = None,
) -> SurfacePointCloud:
    """A cloud of `sample_point_count` points, without scans.

    See `shapegan.pipeline.compat.mesh_to_sdf.get_surface_point_cloud` for the arguments.
    """
    return SurfacePointCloud(
        mesh,
        sample_point_count,
        True if calculate_normals else None,
        sheet_thickness=sheet_thickness,
        seed=seed,
    )

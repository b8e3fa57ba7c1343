"""Triangle meshes from voxel grids, by marching cubes."""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from shapegan.pipeline.schema import voxel_spacing


def extract_surface(
    voxels: NDArray[np.floating], level: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Extract the level set of a voxel grid as a closed mesh, wound outwards.

    Everything beyond the grid counts as outside, so shapes that touch the grid's border are closed
    there.

    Args:
        voxels: (R, R, R) signed distances, negative inside; index order x, y, z.
        level: the value of the level set. Above 0, such as 0.04, it keeps weak thin walls.

    Returns:
        Vertices (V, 3) in the frame of the grid, whose voxel (i, j, k) lies at
        `linspace(-1, 1, R)` along each axis, and faces (F, 3). Both are empty if no voxel is below
        the level.

    Raises:
        ValueError: the grid is not a cube of finite numbers.
    """
    if voxels.ndim != 3 or len(set(voxels.shape)) != 1 or voxels.shape[0] < 2:
        raise ValueError(f"voxels: expected (R, R, R) with R > 1, got {voxels.shape}")
    if not np.isfinite(voxels).all():
        raise ValueError("voxels: expected finite numbers, got others")
    spacing = voxel_spacing(voxels.shape[0])
    if not (voxels < level).any():
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    padded = np.pad(voxels.astype(np.float32), 1, constant_values=level + spacing)
    # Values equal to the level would make triangles without area.
    vertices, faces, _, _ = marching_cubes(padded, level, allow_degenerate=False)
    return (vertices.astype(np.float64) - 1) * spacing - 1, faces.astype(np.int32)

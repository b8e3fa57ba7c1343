"""Fine voxel grids whose distances are clipped, evaluated near the surface only."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.schema import grid_axis, voxel_spacing
from shapegan.pipeline.sdf.sampling import SignedDistanceField

BLOCK = 8
"""Voxels along each side of a block, all of which are evaluated or none."""

_BATCH = 2048
"""Blocks that are evaluated at a time, about a million voxels."""


def truncated_voxels(
    field: SignedDistanceField, resolution: int, limit: float
) -> NDArray[np.float32]:
    """Signed distances (R, R, R) at the grid of R, clipped to [-limit, limit], cube frame.

    A distance changes by no more than the way between two points. So a block whose centre is
    farther from the surface than the limit and the block's radius has no voxel within the limit.

    Args:
        field: the field.
        resolution: R.
        limit: largest distance.
    """
    blocks = -(-resolution // BLOCK)
    radius = voxel_spacing(resolution) * (BLOCK - 1) / 2 * 3**0.5
    first = BLOCK * np.stack(np.unravel_index(np.arange(blocks**3), (blocks,) * 3), axis=1)
    centers = (first + (BLOCK - 1) / 2) * voxel_spacing(resolution) - 1
    middle, _ = field.signed_distances(centers.astype(np.float32))
    near = np.flatnonzero(np.abs(middle) <= limit + radius + 1e-5)
    values = np.repeat(np.copysign(np.float32(limit), middle), BLOCK**3).reshape(-1, BLOCK**3)
    offsets = np.stack(np.unravel_index(np.arange(BLOCK**3), (BLOCK,) * 3), axis=1)
    axis = np.pad(grid_axis(resolution), (0, BLOCK), constant_values=1.0).astype(np.float32)
    for start in range(0, len(near), _BATCH):
        chosen = near[start : start + _BATCH]
        places = axis[(first[chosen][:, None] + offsets).reshape(-1, 3)]
        sdf, _ = field.signed_distances(places)
        values[chosen] = np.clip(sdf, -limit, limit).reshape(-1, BLOCK**3)
    grid = values.reshape(*(blocks,) * 3, *(BLOCK,) * 3).transpose(0, 3, 1, 4, 2, 5)
    whole = grid.reshape((blocks * BLOCK,) * 3)
    return np.ascontiguousarray(whole[:resolution, :resolution, :resolution])

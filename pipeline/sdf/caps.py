"""Wide openings: where the sign flips in mid-air, a surface is put in.

Small holes are closed with triangles between their rims (`shapegan.pipeline.shell.hole_filling`).
What is left, a sofa without a bottom or a body of several loose pieces, has no rim that says where
the inside ends. The winding number does: it passes one half there, smoothly, so its level set is
the lid. Without it the distance would jump from one sign to the other.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.measure import marching_cubes

from shapegan.pipeline.arrays import halves
from shapegan.pipeline.schema import voxel_spacing
from shapegan.pipeline.sdf.quality import is_jump


def find_lids(
    voxels: NDArray[np.float32], winding: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The winding number's half-way surface where a field jumps.

    Args:
        voxels: (R, R, R) signed distances, cube frame.
        winding: (R, R, R) winding numbers at the same points; NaN on the surface.

    Returns:
        Vertices (V, 3), cube frame, and faces (F, 3); none where nothing jumps.
    """
    spacing = voxel_spacing(len(voxels))
    at_jump = np.zeros(voxels.shape, dtype=bool)
    for axis in range(3):
        near, far = halves(voxels, axis)
        jump = ((near < 0) != (far < 0)) & is_jump(near, far, spacing)
        for side in halves(at_jump, axis):
            side |= jump
    if not at_jump.any():
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    # Cells with a piece of the real surface in them need no lid.
    free = np.abs(voxels) > 0.6 * spacing
    cells = binary_dilation(at_jump, np.ones((3, 3, 3), dtype=bool)) & free
    grid = np.nan_to_num(winding, nan=0.5)
    if not cells.any() or not grid.min() < 0.5 < grid.max():
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    try:
        vertices, faces, _, _ = marching_cubes(grid, 0.5, mask=cells)
    except RuntimeError:  # which is how it says that there is none within the mask
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    return (vertices * spacing - 1).astype(np.float32), faces.astype(np.int32)

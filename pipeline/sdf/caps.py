"""Caps: surfaces put into wide openings, where the sign would flip away from any face.

Small holes are filled with triangles between their boundary edges
(`shapegan.pipeline.shell.hole_filling`). Other openings, such as a sofa without a bottom or a body
of several loose pieces, have no boundary that shows where the inside ends. The winding number does:
it passes one half there, smoothly, so its level set is the cap. Without a cap the distance would
jump from one sign to the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.measure import marching_cubes

from shapegan.pipeline.arrays import neighbours
from shapegan.pipeline.schema import voxel_spacing
from shapegan.pipeline.sdf.quality import is_jump


@dataclass(frozen=True)
class Caps:
    """Triangles across wide openings."""

    vertices: NDArray[np.float32]
    """(V, 3), cube frame."""
    faces: NDArray[np.int32]
    """(F, 3)."""


NO_CAPS = Caps(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def find_caps(voxels: NDArray[np.float32], winding: NDArray[np.float32]) -> Caps:
    """Extract the level set 0.5 of the winding number where a field jumps.

    Args:
        voxels: (R, R, R) signed distances, cube frame.
        winding: (R, R, R) winding numbers at the same points; NaN on the surface.

    Returns:
        `NO_CAPS` where nothing jumps.
    """
    spacing = voxel_spacing(len(voxels))
    at_jump = np.zeros(voxels.shape, dtype=bool)
    for axis in range(3):
        near, far = neighbours(voxels, axis)
        jump = ((near < 0) != (far < 0)) & is_jump(near, far, spacing)
        for side in neighbours(at_jump, axis):
            side |= jump
    if not at_jump.any():
        return NO_CAPS
    # Cells that contain a part of the real surface need no cap.
    free = np.abs(voxels) > 0.6 * spacing
    cells = binary_dilation(at_jump, np.ones((3, 3, 3), dtype=bool)) & free
    grid = np.nan_to_num(winding, nan=0.5)
    if not cells.any() or not grid.min() < 0.5 < grid.max():
        return NO_CAPS
    try:
        vertices, faces, _, _ = marching_cubes(grid, 0.5, mask=cells)
    except RuntimeError:  # scikit-image raises it where the mask holds no surface
        return NO_CAPS
    return Caps((vertices * spacing - 1).astype(np.float32), faces.astype(np.int32))

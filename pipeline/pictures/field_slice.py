"""Picture of a slice through a signed distance field: colours for signs, contour lines."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from shapegan.pipeline.schema import grid_axis

LINE_STEP = 0.1
"""Distance between contour lines, cube frame."""

_FAR = 0.6
"""Distance at which the colour scale ends."""
_STEPS = np.array([-1.0, 0.0, 1e-9, 1.0])
_COLORS = np.array([[24, 62, 140], [150, 190, 232], [255, 246, 232], [226, 142, 84]])
"""Deep inside, just inside, just outside, far outside."""
_ZERO_LINE, _OTHER_LINES = np.array([20, 20, 30]), np.array([120, 90, 70])


def richest_slice(voxels: NDArray[np.floating]) -> int:
    """The index i of the slice x = const that shows the most.

    It is the slice that most of the surface crosses. Slices farther from the middle count for less,
    and those at the cube's border, which may run along a flat side, not at all. Without a surface
    it is the middle.

    Args:
        voxels: (R, R, R) signed distances, cube frame; index order x, y, z.
    """
    inside = voxels < 0
    crossings = (inside[:, 1:] != inside[:, :-1]).sum(axis=(1, 2))
    crossings += (inside[:, :, 1:] != inside[:, :, :-1]).sum(axis=(1, 2))
    distance = np.abs(grid_axis(len(voxels)))
    order = np.argsort(distance, kind="stable")
    score = crossings * (1 - 0.6 * distance) * (distance < 0.9)
    return int(order[np.argmax(score[order])])


def draw_slice(
    voxels: NDArray[np.floating], index: int, size: int, *, from_right: bool = False
) -> NDArray[np.uint8]:
    """Draw the slice x = const of a grid, the whole cube with y up.

    Blue is inside, orange outside. The black line is the surface, the thin contour lines lie
    `LINE_STEP` apart.

    Args:
        voxels: (R, R, R) signed distances, cube frame; index order x, y, z.
        index: index of the slice.
        size: height and width in pixels.
        from_right: look from +x, so that +z is left, instead of from -x.

    Returns:
        (size, size, 3) uint8.
    """
    # 1. Interpolate the field at the pixels' centres.
    plane = np.asarray(voxels[index], dtype=np.float64)[::-1]
    plane = plane[:, ::-1] if from_right else plane
    at = (np.arange(size) + 0.5) / size * (len(plane) - 1)
    field = map_coordinates(plane, np.meshgrid(at, at, indexing="ij"), order=1)

    # 2. Map distances to colours. The root spreads small distances, which prevail inside.
    share = np.clip(field / _FAR, -1, 1)
    share = np.sign(share) * np.sqrt(np.abs(share))
    pixels = np.stack([np.interp(share, _STEPS, _COLORS[:, k]) for k in range(3)], axis=-1)

    # 3. Draw lines. The distance to a line in pixels is the difference in values over the slope,
    #    which is small where the surface runs along the slice.
    slope = np.maximum(np.hypot(*np.gradient(field)), 1e-6)
    nearest = LINE_STEP * np.rint(field / LINE_STEP)
    others = np.clip(1.0 - np.abs(field - nearest) / slope, 0, 1) * (nearest != 0) * 0.45
    zero = np.clip(1.5 - np.abs(field) / slope, 0, 1)
    for cover, color in ((others, _OTHER_LINES), (zero, _ZERO_LINE)):
        pixels += cover[..., None] * (color - pixels)
    result: NDArray[np.uint8] = np.rint(pixels).astype(np.uint8)
    return result


def slice_position(resolution: int, index: int) -> float:
    """The x of slice `index` of a grid, cube frame."""
    return float(grid_axis(resolution)[index])

"""Pictures of coloured points: no display, no OpenGL.

Each point is a small ball. Points are drawn from the farthest to the nearest one.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shapegan.pipeline.pictures.camera import Camera

INSIDE, OUTSIDE = np.array([40, 84, 170]), np.array([236, 160, 96])
"""Colours of points with a negative and with another distance, like those of slices."""

_SAMPLES = 2
"""Each pixel is the mean of this many samples along both axes."""

_HAZE = 0.35
"""Share of white in the colour of the farthest point."""

_RIM = 0.55
"""Brightness at a ball's rim, relative to its middle."""


def colors_by_sign(sdf: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colours (N, 3) of points with signed distances (N,): blue inside, orange outside.

    The sign bit decides, so a distance of -0 is inside.
    """
    return np.where(np.signbit(sdf)[:, None], INSIDE, OUTSIDE).astype(np.uint8)


def draw_points(
    positions: NDArray[np.floating],
    colors: NDArray[np.uint8],
    *,
    size: int,
    camera: Camera,
    radius: float = 1.3,
) -> NDArray[np.uint8]:
    """Draw points on white.

    Args:
        positions: (N, 3).
        colors: (N, 3), RGB.
        size: height and width in pixels.
        camera: the view; points behind it, or outside the picture, are left out.
        radius: of each point, pixels.

    Returns:
        (size, size, 3) uint8.
    """
    # 1. Project the points, the farthest first.
    across = (np.asarray(positions, np.float64) - camera.eye) @ camera.axes.T
    depth = -across[:, 2]
    order = np.flatnonzero(depth > 1e-6)
    order = order[np.argsort(-depth[order], kind="stable")]
    side, depth = size * _SAMPLES, depth[order]
    slope = math.tan(math.radians(camera.field_of_view) / 2)
    place = across[order, :2] / (slope * depth[:, None]) * [0.5, -0.5] + 0.5
    column, row = np.floor(place * side).astype(np.int64).T

    # 2. Paint a ball around each point. Where several cover a sample, the last one stays.
    span, reach = np.ptp(depth) if len(depth) else 0.0, radius * _SAMPLES
    haze = _HAZE * (depth - depth.min(initial=np.inf)) / max(span, 1e-9)
    tint = colors[order] + haze[:, None] * (255.0 - colors[order])
    steps = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
    down, right = (x.ravel() for x in np.meshgrid(steps, steps, indexing="ij"))
    within = (down**2 + right**2) <= reach**2
    down, right = down[within], right[within]
    light = 1 - (1 - _RIM) * (down**2 + right**2) / reach**2
    rows, columns = row[:, None] + down, column[:, None] + right
    seen = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
    canvas = np.full((side, side, 3), 255, np.uint8)
    painted = (tint[:, None] * light[:, None]).astype(np.uint8)
    canvas[rows[seen], columns[seen]] = painted[seen]
    return np.asarray(Image.fromarray(canvas).resize((size, size), Image.Resampling.BOX))

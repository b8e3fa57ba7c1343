"""Thin parts of solids on voxel grids, and the distance to them.

A coarse grid of a true field is torn wherever a part is thinner than a voxel. So training at coarse
grids may thicken thin parts, and thin parts alone, by an offset t:

    thickened = min(sdf, distance to thin voxels - t)

Distances are between voxel centres, and nothing is subtracted. Then both terms are distance fields
of slope at most 1, so their minimum has no jumps. At t = 0 it is the true field: a thin voxel v has
sdf(v) < 0, so sdf(x) <= sdf(v) + |x - v| < |x - v| for all x.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates
from torch import Tensor

from shapegan.pipeline.schema import voxel_spacing

THIN_RESOLUTION = 64
"""Resolution of the stored grids whose thin parts are found."""
BALL_RADIUS = 0.06
"""Radius of the ball that fits into a part that is not thin, cube frame: 1.9 voxels of a 64^3 grid,
and the half thickness that a 16^3 grid can show."""
FAR = 4.0
"""Distance to thin parts where there are none: more than the diagonal of the cube."""
_ROUNDING = 1e-6
"""More than the rounding errors of distances."""


def thin_voxels(sdf: NDArray[np.floating], radius: float = BALL_RADIUS) -> NDArray[np.bool_]:
    """Inside voxels that no ball inside the solid reaches: (R, R, R) bool.

    They are the difference between the solid and its morphological opening by a ball, whose centres
    are voxels with sdf <= -radius. An opening rounds edges and corners. They are not thin, so balls
    reach sqrt(3) radii, as far as the corner of a cube around them; the radius is rounded up to
    whole voxels.

    Args:
        sdf: (R, R, R) signed distances, cube frame.
        radius: Of the ball, cube frame.
    """
    inside = sdf < 0
    centres = sdf <= -radius
    if not centres.any():
        return inside
    spacing = voxel_spacing(len(sdf))
    reach = np.sqrt(3.0) * np.ceil(radius / spacing) * spacing
    thin: NDArray[np.bool_] = inside & (_distances_to(centres) > reach + _ROUNDING)
    return thin


def thin_part_distances(sdf: NDArray[np.floating]) -> NDArray[np.float16]:
    """Distances to the nearest thin voxel's centre, `FAR` if none is thin: (R, R, R) float16.

    Args:
        sdf: (R, R, R) signed distances, cube frame.
    """
    thin = thin_voxels(sdf)
    if not thin.any():
        return np.full(sdf.shape, FAR, np.float16)
    return _distances_to(thin).astype(np.float16)


def thin_distances_at(
    thin: NDArray[np.floating], points: NDArray[np.floating], size: float
) -> NDArray[np.float16]:
    """Distances to thin parts at points: (N,) float16, sphere frame.

    Between voxels they are interpolated trilinearly. Outside the cube, the distance to the cube is
    one leg of a right triangle, and the distance at the nearest point of the cube the other; so the
    slope stays at most 1.

    Args:
        thin: (R, R, R) distances to thin parts, cube frame.
        points: (N, 3), sphere frame.
        size: Cube frame's units in one unit of the sphere frame.
    """
    places = size * points.astype(np.float64)
    nearest = places.clip(-1.0, 1.0)
    voxels = (nearest + 1.0) / voxel_spacing(len(thin))
    inside = map_coordinates(thin.astype(np.float32), voxels.T, order=1, mode="nearest")
    distances: NDArray[np.floating] = np.hypot(inside, np.linalg.norm(places - nearest, axis=1))
    return (distances / size).astype(np.float16)


def thickened(sdf: Tensor, thin: Tensor, offset: Tensor) -> Tensor:
    """Signed distances with thin parts thickened; see the module.

    Args:
        sdf: Signed distances, of any shape.
        thin: Distances to thin parts at the same places.
        offset: t, a scalar in units of the frame; 0 gives `sdf` itself.
    """
    return torch.where(offset > 0, torch.minimum(sdf, thin - offset), sdf)


def _distances_to(voxels: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Distances of all voxel centres to the nearest of some voxels, cube frame."""
    spacing = voxel_spacing(len(voxels))
    distances: NDArray[np.floating] = distance_transform_edt(~voxels, sampling=spacing)
    return distances

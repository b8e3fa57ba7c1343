"""Is this a plausible field? Measures on its voxels, and a reason for each refusal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from shapegan.pipeline.arrays import halves
from shapegan.pipeline.schema import voxel_spacing

MIN_RECALL = 0.8
"""A shape that loses more than a fifth of its visible surface is turned away."""

MAX_LEAK = 0.02
"""Share of the zero set's voxel edges at which a field may jump."""

BACKED = 0.75
"""Voxels: so near to the surface has to be some of the inside. Crumbs of a wall that broke up have
zero set all around them, but little inside. With half a voxel, edges of any rod would be lost."""


@dataclass(frozen=True)
class Quality:
    """What a voxel grid says of its field."""

    inside_fraction: float
    """Share of the voxels that lie inside."""
    surface_recall: float
    """Share of the visible surface that lies within one voxel of the grid's zero set, or, should
    that be more, within half a voxel of where thickening puts it."""
    backed: float
    """Share of the visible surface that has the grid's inside near it, along one of the axes. Where
    it is less than `surface_recall`, thin walls have broken up to crumbs."""
    leak: float
    """Edges over which the field changes by more than their length, over edges that it crosses
    zero on: a distance cannot do that, so the sign must be wrong on one side."""

    def rejection_reason(self) -> str:
        """Why the field cannot be used: one line, empty if it can."""
        if self.inside_fraction == 0.0:
            return "nothing inside: no voxel has a negative distance"
        if self.leak > MAX_LEAK:
            return f"jumps: the sign flips away from the surface on {self.leak:.1%} of its voxels"
        if self.surface_recall < MIN_RECALL:
            return f"lost surface: only {self.surface_recall:.1%} of it is in the field"
        return ""


def measure(
    voxels: NDArray[np.float32], visible: NDArray[np.float32], thickness: float = 0.0
) -> Quality:
    """Judges a grid.

    Args:
        voxels: (R, R, R), cube frame.
        visible: (M, 3), points spread evenly over the visible surface.
        thickness: by which the zero set may have grown away from the surface.
    """
    spacing = voxel_spacing(voxels.shape[0])
    # Shapes fill the cube, so part of their surface is its border: beyond it all is outside.
    padded = np.pad(voxels, 1, constant_values=spacing)
    crossings, jumps = [], 0
    for axis in range(3):
        near, far = halves(padded, axis)
        at = np.nonzero((near < 0) != (far < 0))
        a, b = near[at], far[at]
        # The border is no place for a jump: what lies beyond is made up.
        within = (at[axis] > 0) & (at[axis] < len(voxels))
        jumps += int(is_jump(a, b, spacing)[within].sum())
        points = np.stack(at, axis=1).astype(np.float32)
        points[:, axis] += a / (a - b)
        crossings.append((points - 1) * spacing - 1)
    zero_set = np.concatenate(crossings)
    return Quality(
        inside_fraction=float((voxels < 0).mean()),
        surface_recall=_recall(zero_set, visible, max(spacing, thickness + spacing / 2)),
        backed=_backed(padded, (visible + 1) / spacing + 1),
        leak=jumps / max(len(zero_set), 1),
    )


def is_jump(
    near: NDArray[np.float32], far: NDArray[np.float32], spacing: float
) -> NDArray[np.bool_]:
    """Whether neighbours' values differ by clearly more than their distance.

    Half as much again is left to walls that are thickened unevenly.
    """
    jump: NDArray[np.bool_] = np.abs(near - far) > 1.5 * spacing
    return jump


def _recall(zero_set: NDArray[np.float32], visible: NDArray[np.float32], reach: float) -> float:
    if len(zero_set) == 0 or len(visible) == 0:
        return 0.0
    distance, _ = cKDTree(zero_set).query(visible, distance_upper_bound=reach)
    return float(np.isfinite(distance).mean())


def _backed(voxels: NDArray[np.float32], places: NDArray[np.float32]) -> float:
    """Share of places (M, 3), in voxels, with a value below 0 near them.

    Along an axis values change linearly from plane to plane of voxels, so the lowest one is on a
    plane or at an end.
    """
    if len(places) == 0:
        return 0.0
    lowest = np.full(len(places), np.inf, np.float32)
    for axis in range(3):
        at = places[:, axis]
        low, high = at - BACKED, at + BACKED
        for place in (low, np.maximum(low, np.floor(at)), np.minimum(high, np.ceil(at)), high):
            asked = places.T.copy()
            asked[axis] = place
            values = map_coordinates(voxels, asked, order=1, mode="nearest")
            np.minimum(lowest, values, out=lowest)
    return float((lowest < 0).mean())

"""Quality of a field, measured on its voxels, and the reasons to reject it."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from shapegan.pipeline.arrays import neighbours, take_rows, true_places
from shapegan.pipeline.schema import voxel_spacing

MIN_RECALL = 0.82
"""A shape that loses more than a fifth of its visible surface is rejected."""

MAX_LEAK = 0.02
"""Largest share of the zero set's voxel edges at which a field may jump."""

MAX_EXCESS = 1e-5
"""Largest excess of the difference between neighbouring voxels over their distance, cube frame. It
leaves room for the rounding of single precision."""

BACKING_DISTANCE = 0.75
"""Distance from a surface point within which some inside must lie, in voxels. The crumbs of a wall
that broke up have zero set all around them, but little inside. With half a voxel, edges of any rod
would count as lost."""


@dataclass(frozen=True)
class Quality:
    """Measures of a voxel grid's agreement with the surface of its mesh."""

    inside_fraction: float
    """Share of the voxels that lie inside."""
    surface_recall: float
    """Share of the visible surface that lies within one voxel of the grid's zero set or, if that is
    larger, within half a voxel of the thickened surface."""
    backed: float
    """Share of the visible surface that has the grid's inside near it along one of the axes. Where
    it is smaller than `surface_recall`, thin walls have broken up into crumbs."""
    leak: float
    """Number of voxel edges over which the field changes by more than their length, divided by the
    number of voxel edges on which it crosses zero. A distance is Lipschitz, so at such a jump the
    sign is wrong on one side. Measured before such jumps are closed."""
    lipschitz: float = 0.0
    """Largest excess of the difference between neighbouring voxels over their distance, cube frame;
    0 if there is none. A distance has none."""

    def rejection_reason(self) -> str:
        """One line on why the field cannot be used; empty if it can."""
        if self.inside_fraction == 0.0:
            return "nothing inside: no voxel has a negative distance"
        if self.leak > MAX_LEAK:
            return f"jumps: the sign flips away from the surface on {self.leak:.1%} of its voxels"
        if self.surface_recall < MIN_RECALL:
            return f"lost surface: only {self.surface_recall:.1%} of it is in the field"
        if self.lipschitz > MAX_EXCESS:
            return f"no distance: neighbouring voxels differ by {self.lipschitz:.1e} too much"
        return ""


def measure(
    voxels: NDArray[np.float32], visible: NDArray[np.float32], thickness: float = 0.0
) -> Quality:
    """Measure the quality of a voxel grid.

    Args:
        voxels: (R, R, R), signed distances, cube frame.
        visible: (M, 3), points spread evenly over the visible surface, cube frame.
        thickness: the distance by which the zero set may have moved off the surface, cube frame.
    """
    spacing = voxel_spacing(voxels.shape[0])
    # Shapes touch the border of the cube; everything beyond it is outside.
    padded = np.pad(voxels, 1, constant_values=spacing)
    crossings, jumps = [], 0
    for axis in range(3):
        near, far = neighbours(padded, axis)
        at = true_places((near < 0) != (far < 0))
        a, b = near[at], far[at]
        # Edges to the padding do not count as jumps: its values are not distances.
        within = (at[axis] > 0) & (at[axis] < len(voxels))
        jumps += int(is_jump(a, b, spacing)[within].sum())
        points = np.stack(at, axis=1).astype(np.float32)
        points[:, axis] += a / (a - b)
        crossings.append((points - 1) * spacing - 1)
    zero_set = np.concatenate(crossings)
    return Quality(
        inside_fraction=float((voxels < 0).mean()),
        surface_recall=_recall(zero_set, visible, max(spacing, thickness + spacing / 2)),
        backed=backed_share(voxels, visible),
        leak=jumps / max(len(zero_set), 1),
        lipschitz=lipschitz_excess(voxels),
    )


def lipschitz_excess(voxels: NDArray[np.float32]) -> float:
    """Largest excess of the difference between neighbours of a grid (R, R, R) over their distance.

    Returns:
        Cube frame; 0 if there is none.
    """
    spacing = voxel_spacing(len(voxels))
    steps = (np.abs(near - far).max() for near, far in (neighbours(voxels, k) for k in range(3)))
    return max(0.0, float(max(steps)) - spacing)


def exceeds_distance(
    near: NDArray[np.float32], far: NDArray[np.float32], spacing: float
) -> NDArray[np.bool_]:
    """For values (...) of neighbouring voxels: they differ by more than their distance."""
    exceeds: NDArray[np.bool_] = np.abs(near - far) > spacing + MAX_EXCESS / 4
    return exceeds


def is_jump(
    near: NDArray[np.float32], far: NDArray[np.float32], spacing: float
) -> NDArray[np.bool_]:
    """For values (...) of neighbouring voxels: they differ clearly by more than their distance.

    The limit is 1.5 times the spacing: smaller jumps are within the error of a zero set.
    """
    jump: NDArray[np.bool_] = np.abs(near - far) > 1.5 * spacing
    return jump


def _recall(zero_set: NDArray[np.float32], visible: NDArray[np.float32], limit: float) -> float:
    """Share of visible points (M, 3) nearer than `limit` to the zero set (N, 3), cube frame."""
    if len(zero_set) == 0 or len(visible) == 0:
        return 0.0
    # An unbalanced tree takes half the time to build, and the points spread evenly.
    tree = cKDTree(zero_set, compact_nodes=False, balanced_tree=False)
    distance, _ = tree.query(visible, distance_upper_bound=limit)
    return float(np.isfinite(distance).mean())


def backed_share(voxels: NDArray[np.float32], visible: NDArray[np.float32]) -> float:
    """Share of visible points that have some inside near them: see `Quality.backed`.

    Args:
        voxels: (R, R, R), signed distances, cube frame.
        visible: (M, 3), points on the surface, cube frame.
    """
    if len(visible) == 0:
        return 0.0
    return (len(visible) - len(unbacked(voxels, visible))) / len(visible)


def unbacked(
    voxels: NDArray[np.float32], visible: NDArray[np.float32], margin: float = 0.0
) -> NDArray[np.float32]:
    """Those of visible points (M, 3) that have no value below minus a margin near them.

    Along an axis, values are linear between planes of voxels, so the lowest value of a segment is
    on a plane or at an end.

    Args:
        voxels: (R, R, R), signed distances, cube frame.
        visible: (M, 3), points on the surface, cube frame.
        margin: cube frame.
    """
    spacing = voxel_spacing(voxels.shape[0])
    padded = np.pad(voxels, 1, constant_values=spacing)
    places = ((visible + 1) / spacing + 1).T.copy()
    for axis, end in itertools.product(range(3), range(4)):
        at = places[axis]
        low, high = at - BACKING_DISTANCE, at + BACKING_DISTANCE
        segment = (low, np.maximum(low, np.floor(at)), np.minimum(high, np.ceil(at)), high)
        points = places.copy()
        points[axis] = segment[end]
        values = map_coordinates(padded, points, order=1, mode="nearest")
        # Points that have some inside near them need no further look.
        left = np.flatnonzero(values >= -margin)
        places, visible = places[:, left], take_rows(visible, left)
    return visible


def voxels_beside(points: NDArray[np.float32], resolution: int) -> NDArray[np.bool_]:
    """The voxels (R, R, R) that `unbacked` reads at points (N, 3) of the cube frame.

    Args:
        points: (N, 3).
        resolution: R.
    """
    # The cell of a point, and one more to each side: a segment ends less than a voxel away. Voxel i
    # is element i + 1.
    beside = np.zeros((resolution + 3,) * 3, bool)
    cell = np.floor((points + 1) / voxel_spacing(resolution)).astype(np.int64)
    beside[tuple(cell.clip(0, resolution - 1).T)] = True
    for axis in range(3):
        for _ in range(3):
            near, far = neighbours(beside, axis)
            far |= near.copy()
    return beside[1:-2, 1:-2, 1:-2]

"""Caps: surfaces put into wide openings, where the sign would flip away from any face.

Small holes are filled with triangles between their boundary edges
(`shapegan.pipeline.shell.hole_filling`). Other openings, such as a sofa without a bottom or a body
of several loose pieces, have no boundary that shows where the inside ends. The winding number does:
it passes one half there, smoothly, so its level set is the cap. Without a cap the distance would
jump from one sign to the other.

A level set taken from a grid stops short of the rims of an opening, so strips join its border to
the nearest surface (`join_to_surface`). Winding numbers then include the caps: they are nearly
whole around an opening, and signs flip at the caps themselves.

Single signs are still wrong where faces almost touch. So every voxel edge over which the field
changes by more than its length gets a square across it (`square_caps`). Squares count for distances
alone: they may reach into the solid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from shapegan.pipeline.arrays import neighbours, true_places
from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf.quality import exceeds_distance, is_jump


@dataclass(frozen=True)
class Caps:
    """Triangles across wide openings."""

    vertices: NDArray[np.float32]
    """(V, 3), cube frame."""
    faces: NDArray[np.int32]
    """(F, 3), wound outwards."""

    def joined(self, other: "Caps") -> "Caps":
        """These caps and others."""
        faces = np.concatenate([self.faces, other.faces + np.int32(len(self.vertices))])
        return Caps(np.concatenate([self.vertices, other.vertices]), faces)


MAX_FREE_CHANGE = 0.3
"""A sign flips in mid-air where it flips over a voxel edge, but the winding number changes by less
than this. Over an edge that crosses a face it changes by one, less what it changes between faces,
which is the more the nearer the rim."""

MAX_STRIP = 3.0
"""Largest distance from a cap's border to the surface that a strip crosses, in voxels."""

NO_CAPS = Caps(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def find_caps(voxels: NDArray[np.float32], winding: NDArray[np.float32]) -> Caps:
    """Extract the level set 0.5 of the winding number where a sign flips in mid-air.

    Args:
        voxels: (R, R, R) signed distances, cube frame.
        winding: (R, R, R) winding numbers at the same points; NaN on the surface.

    Returns:
        `NO_CAPS` where none does.
    """
    spacing = voxel_spacing(len(voxels))
    at_flip = _flips_in_mid_air(voxels, winding)
    if not at_flip.any():
        return NO_CAPS
    # Cells that contain a part of the real surface need no cap.
    free = np.abs(voxels) > 0.6 * spacing
    cells = binary_dilation(at_flip, np.ones((3, 3, 3), dtype=bool)) & free
    grid = np.nan_to_num(winding, nan=0.5)
    if not cells.any() or not grid.min() < 0.5 < grid.max():
        return NO_CAPS
    try:
        vertices, faces, _, _ = marching_cubes(grid, 0.5, mask=cells)
    except RuntimeError:  # scikit-image raises it where the mask holds no surface
        return NO_CAPS
    # scikit-image winds them towards the larger values, which are inside.
    return Caps((vertices * spacing - 1).astype(np.float32), faces[:, ::-1].astype(np.int32))


def _flips_in_mid_air(
    voxels: NDArray[np.float32], winding: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Both ends (R, R, R) of the voxel edges over which a sign flips away from any face."""
    spacing = voxel_spacing(len(voxels))
    ends = np.zeros(voxels.shape, dtype=bool)
    for axis in range(3):
        near, far = neighbours(voxels, axis)
        at = true_places((near < 0) != (far < 0))
        before, after = (side[at] for side in neighbours(winding, axis))
        apart = np.minimum(np.abs(near[at]), np.abs(far[at])) > 0.3 * spacing
        flip = (np.abs(before - after) < MAX_FREE_CHANGE) & apart  # false where either is NaN
        flip |= is_jump(near[at], far[at], spacing)
        chosen = tuple(index[flip] for index in at)
        for side in neighbours(ends, axis):
            side[chosen] = True
    return ends


def join_to_surface(
    caps: Caps,
    nearest: Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]],
    spacing: float,
) -> Caps:
    """Add strips from the border of caps to the nearest surface.

    Args:
        caps: from `find_caps`.
        nearest: distances (N,) of points (N, 3) from the surface, and its nearest points (N, 3).
        spacing: of the voxels that the caps were made from, cube frame.
    """
    border = _border_edges(caps.faces)
    if not len(border):
        return caps
    used, rows = np.unique(border, return_inverse=True)
    rows = rows.reshape(-1, 2)
    distance, closest = nearest(caps.vertices[used])
    joined = (distance < MAX_STRIP * spacing)[rows].all(axis=1)
    (tail, head), (tail_foot, head_foot) = border[joined].T, len(caps.vertices) + rows[joined].T
    strips = [[head, tail, tail_foot], [head, tail_foot, head_foot]]
    faces = np.concatenate([np.stack(corners, axis=1) for corners in strips])
    return Caps(
        np.concatenate([caps.vertices, closest]),
        np.concatenate([caps.faces, faces.astype(np.int32)]),
    )


def _border_edges(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """Directed edges (E, 2) of faces (F, 3) that no face has in the other direction."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    forwards, backwards = edges @ [1 << 32, 1], edges @ [1, 1 << 32]
    return edges[~np.isin(forwards, backwards)]


def square_caps(voxels: NDArray[np.float32]) -> Caps:
    """A square across each voxel edge over which a field changes by more than its length.

    The sign flips there away from any surface. Squares of neighbouring edges tile the flip. With
    them, the distances at both ends of the edge add up to at most its length.

    Args:
        voxels: (R, R, R) signed distances, cube frame.

    Returns:
        `NO_CAPS` if no edge is too steep.
    """
    spacing = voxel_spacing(len(voxels))
    places, faces = [], []
    for axis, place in enumerate(_steep_edges(voxels)):
        if len(place):
            side, other = 0.5 * spacing * np.delete(np.eye(3), axis, axis=0)
            corners = [place - side - other, place + side - other]
            corners += [place + side + other, place - side + other]
            places.append(np.stack(corners, axis=1).reshape(-1, 3))
            faces.append(np.tile([[0, 1, 2], [0, 2, 3]], (len(place), 1)))
    if not places:
        return NO_CAPS
    square = 4 * (np.arange(sum(map(len, faces))) // 2)
    joined = np.concatenate(faces) + square[:, None]
    return Caps(np.concatenate(places).astype(np.float32), joined.astype(np.int32))


def limit_jumps(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reduce a grid's distances until no two neighbours differ by more than theirs.

    The place at which the sign flips on a steep edge becomes a boundary point: no distance exceeds
    that to the nearest one. Then the ends of the edge differ by at most its length; other
    neighbours still do, since all distances are limited by one and the same distance field.

    Args:
        voxels: (R, R, R) signed distances, cube frame; neighbours differ by more than their
            distance only where a sign flips away from any surface.

    Returns:
        (R, R, R); the same array if no edge is too steep.
    """
    places = np.concatenate(_steep_edges(voxels))
    if not len(places):
        return voxels
    limit, _ = cKDTree(places).query(grid_points(len(voxels)))
    limited = np.minimum(np.abs(voxels), limit.reshape(voxels.shape).astype(np.float32))
    result: NDArray[np.float32] = np.copysign(limited, voxels)
    return result


def _steep_edges(voxels: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """For each axis, zero crossings (N, 3) on the edges over which a field changes too much."""
    spacing = voxel_spacing(len(voxels))
    found = []
    for axis in range(3):
        near, far = neighbours(voxels, axis)
        at = true_places(exceeds_distance(near, far, spacing))
        a, b = np.abs(near[at]), np.abs(far[at])
        place = np.stack(at, axis=1).astype(np.float64)
        place[:, axis] += a / (a + b)
        found.append(place * spacing - 1)
    return found

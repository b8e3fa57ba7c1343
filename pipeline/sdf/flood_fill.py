"""Signed distances by flood fill, for meshes whose winding numbers are unreliable.

Where faces are too broken to separate inside from outside, all space that cannot be reached from
far away counts as inside. A flood enters from the border of a fine grid and passes only where no
face is nearer than a grid step (as in mesh2sdf: Wang et al. 2022, "Dual octree graph networks for
learning adaptive volumetric shape representations", after Xu and Barbic 2014, "Signed distance
fields for polygon soup meshes"). All faces get a thickness, so sheets need no special care, and
gaps narrower than a grid step close. The price is detail: everything grows by the thickness, and
cavities fill up.
"""

from copy import copy
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf.caps import Caps
from shapegan.pipeline.sdf.sampling import points_on_faces
from shapegan.pipeline.sdf.sharp_edges import NO_EDGES, SharpEdges

RESOLUTION = 128
"""Resolution of the flooded grid."""

PROBE_DISTANCE = 1.5 * voxel_spacing(RESOLUTION)
"""At this distance from a face, the nearest voxel is on the same side of it, cube frame."""


class FloodedDistance:
    """The signed distance field of all faces of a mesh, thickened; cube frame."""

    def __init__(
        self,
        vertices: NDArray[np.floating],
        faces: NDArray[np.int32],
        thickness: float,
        device: str = "cpu",
    ) -> None:
        """Flood the outside.

        Args:
            vertices: (V, 3), cube frame.
            faces: (F, 3), F > 0; their winding is ignored.
            thickness: the distance by which faces grow to either side, cube frame.
            device: Warp's name of the device.
        """
        self.device = device
        self.thickness = thickness
        self._vertices, self._faces = vertices.astype(np.float32), faces
        self._surface = TriangleQueries(vertices, faces, device)
        self._caps: TriangleQueries | None = None
        near = self._is_near(grid_points(RESOLUTION), voxel_spacing(RESOLUTION))
        self._outside = flood(near.reshape((RESOLUTION,) * 3))

    def _is_near(self, points: NDArray[np.float32], distance: float) -> NDArray[np.bool_]:
        """For points (N, 3): a face is at most `distance` away."""
        # The search goes a little farther, since rounding may miss faces just within the distance.
        limit: Any = wp.full(len(points), 1.001 * distance, dtype=float, device=self.device)
        near: NDArray[np.bool_] = self._nearest(self._surface, points, limit)[0] <= distance
        return near

    def with_caps(self, caps: Caps) -> "FloodedDistance":
        """The same field, whose distances also end at caps, where its sign flips in mid-air."""
        capped = copy(self)
        capped._caps = TriangleQueries(caps.vertices, caps.faces, self.device)
        return capped

    def with_thickness(self, thickness: float) -> "FloodedDistance":
        """The same field, whose faces grow by another distance to either side, cube frame."""
        changed = copy(self)
        changed.thickness = thickness
        return changed

    def _nearest(
        self, surface: TriangleQueries, points: NDArray[np.float32], limit: Any = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distances (N,) of points (N, 3) from a surface, and their nearest points (N, 3)."""
        order = morton_order(points)
        ordered: Any = wp.array(points[order], dtype=wp.vec3, device=self.device)
        found = surface.nearest(ordered, limit)
        distance, closest = np.empty(len(points), np.float32), np.empty_like(points)
        distance[order], closest[order] = found.distance.numpy(), found.closest.numpy()
        return distance, closest

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their nearest surface points (N, 3)."""
        distance, closest = self._nearest(self._surface, points)
        away = (points - closest) / np.maximum(distance, 1e-9)[:, None]
        # Points near a face get the sign of a probe that is farther from it, on the same side.
        probe = closest + np.maximum(distance, PROBE_DISTANCE)[:, None] * away
        inside = ~self._is_outside(probe)
        sdf = np.where(inside, -distance - self.thickness, distance - self.thickness)
        outwards = np.where(inside, -1, 1)[:, None] * away
        surface = closest + self.thickness * outwards
        if self._caps is not None:
            cap_distance, on_cap = self._nearest(self._caps, points)
            nearer = cap_distance < np.abs(sdf)
            sdf = np.where(nearer, np.copysign(cap_distance, sdf), sdf)
            surface = np.where(nearer[:, None], on_cap, surface)
        return sdf.astype(np.float32), surface.astype(np.float32)

    def _is_outside(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """For points (N, 3): the flood reached the nearest voxel.

        Beyond the cube this is a voxel of its border, all of which is outside.
        """
        at = np.rint((points + 1) / voxel_spacing(RESOLUTION)).clip(0, RESOLUTION - 1)
        x, y, z = at.astype(np.int64).T
        outside: NDArray[np.bool_] = self._outside[x, y, z]
        return outside

    def voxels(self, resolution: int) -> NDArray[np.float32]:
        """Signed distances (R, R, R) at the grid of `shapegan.pipeline.schema.grid_points`."""
        sdf, _ = self.signed_distances(grid_points(resolution))
        return sdf.reshape((resolution,) * 3)

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Points (count, 3), by area, on the sides of the thickened faces that face the outside."""
        faces = np.concatenate([self._faces, self._faces[:, ::-1]])
        points, normal, _ = points_on_faces(self._vertices, faces, count, rng)
        _, surface = self.signed_distances(points + np.float32(self.thickness) * normal)
        return surface

    def surface_samples(
        self, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (count, 3) on both sides of the thickened faces, by area, and their unit normals.

        Sides that face the inside, or lie within other thickened faces, are included.
        """
        faces = np.concatenate([self._faces, self._faces[:, ::-1]])
        points, normal, _ = points_on_faces(self._vertices, faces, count, rng)
        return points + np.float32(self.thickness) * normal, normal

    def sharp_edges(self, angle: float) -> SharpEdges:  # noqa: ARG002
        """None: growing rounds all edges off."""
        return NO_EDGES


def flood(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels (R, R, R) that a flood from outside the cube reaches.

    The flood spreads only from voxels whose nearest face is more than a step away: from those any
    neighbour can be reached. So it never crosses a face, nor a gap narrower than two steps.

    Args:
        near: (R, R, R), voxels with a face within a step.
    """
    basins, _ = label(np.pad(~near, 1, constant_values=True))
    reached: NDArray[np.bool_] = binary_dilation(basins == basins[0, 0, 0])
    return reached[1:-1, 1:-1, 1:-1]

"""A second opinion for meshes whose winding numbers say nothing: flood the outside.

Where faces are too broken to tell inside from outside, the space that cannot be reached from
afar is taken for the inside: water comes in from the border of a fine grid and passes where
nothing is nearer than a cell (as mesh2sdf does, Wang et al. 2022, "Dual octree graph networks",
after Xu and Barbic 2014, "Signed distance fields for polygon soup meshes"). All faces get a
thickness, so sheets need no care, and whatever gaps are narrower than a cell are closed. What is
lost is detail: everything grows by that thickness, and cavities fill up.
"""

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

from shapegan.pipeline.queries.morton import morton_order
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf.sampling import points_on_faces

RESOLUTION = 128
"""Of the flooded grid."""

WITNESS = 1.5 * voxel_spacing(RESOLUTION)
"""So far from its face, the voxel nearest to a point knows of the water on its side."""


class FloodedDistance:
    """The signed distance field of all faces of a mesh, thickened; cube frame."""

    def __init__(
        self,
        vertices: NDArray[np.floating],
        faces: NDArray[np.int32],
        thickness: float,
        device: str = "cpu",
    ) -> None:
        """Floods the outside.

        Args:
            vertices: (V, 3), cube frame.
            faces: (F, 3), wound anyhow; F is at least 1.
            thickness: by which faces grow to either side.
            device: Warp's name of it.
        """
        self.device = device
        self.thickness = thickness
        self._vertices, self._faces = vertices.astype(np.float32), faces
        self._surface = TriangleQueries(vertices, faces, device)
        near = self._is_near(grid_points(RESOLUTION), voxel_spacing(RESOLUTION))
        self._outside = flood(near.reshape((RESOLUTION,) * 3))

    def _is_near(self, points: NDArray[np.float32], reach: float) -> NDArray[np.bool_]:
        """Whether a face is within reach of points (N, 3)."""
        # The search is a little wider, since what is just within reach may be missed by rounding.
        limit: Any = wp.full(len(points), 1.001 * reach, dtype=float, device=self.device)
        near: NDArray[np.bool_] = self._nearest(points, limit)[0] <= reach
        return near

    def _nearest(
        self, points: NDArray[np.float32], reach: Any = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        order = morton_order(points)
        queries: Any = wp.array(points[order], dtype=wp.vec3, device=self.device)
        found = self._surface.nearest(queries, reach)
        distance, closest = np.empty(len(points), np.float32), np.empty_like(points)
        distance[order], closest[order] = found.distance.numpy(), found.closest.numpy()
        return distance, closest

    def signed_distances(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signed distances (N,) at points (N, 3), and their nearest surface points (N, 3)."""
        distance, closest = self._nearest(points)
        away = (points - closest) / np.maximum(distance, 1e-9)[:, None]
        # Points nearer to a face than a witness are asked for as if they were so far from it.
        witness = closest + np.maximum(distance, WITNESS)[:, None] * away
        inside = ~self._reached(witness)
        sdf = np.where(inside, -distance - self.thickness, distance - self.thickness)
        outwards = np.where(inside, -1, 1)[:, None] * away
        surface = closest + self.thickness * outwards
        return sdf.astype(np.float32), surface.astype(np.float32)

    def _reached(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether the water came to the voxels nearest to points (N, 3).

        Beyond the cube that is its border, all of which is wet.
        """
        at = np.rint((points + 1) / voxel_spacing(RESOLUTION)).clip(0, RESOLUTION - 1)
        x, y, z = at.astype(np.int64).T
        reached: NDArray[np.bool_] = self._outside[x, y, z]
        return reached

    def voxels(self, resolution: int) -> NDArray[np.float32]:
        """Signed distances (R, R, R) at the grid of `shapegan.pipeline.schema.grid_points`."""
        sdf, _ = self.signed_distances(grid_points(resolution))
        return sdf.reshape((resolution,) * 3)

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Points (count, 3) on the sides of the thickened faces that the water wets, by area."""
        faces = np.concatenate([self._faces, self._faces[:, ::-1]])
        points, normal, _ = points_on_faces(self._vertices, faces, count, rng)
        _, wet = self.signed_distances(points + np.float32(self.thickness) * normal)
        return wet


def flood(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which voxels water from outside the cube comes to.

    A voxel whose nearest face is farther than its neighbours can be left in any direction; only
    such voxels let the water pass on. So it never crosses a face, and no gap narrower than two
    steps.

    Args:
        near: (R, R, R), where a face is within a step.
    """
    pools, _ = label(np.pad(~near, 1, constant_values=True))
    reached: NDArray[np.bool_] = binary_dilation(pools == pools[0, 0, 0])
    return reached[1:-1, 1:-1, 1:-1]

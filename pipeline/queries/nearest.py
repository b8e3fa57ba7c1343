"""Nearest-point queries against a triangle soup.

A search in single precision finds the nearest triangle; its nearest point and distance are then
computed in double precision. `shapegan.pipeline.queries` explains why the CPU has a search of its
own.
"""

import math
from functools import cached_property
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import take_rows
from shapegan.pipeline.queries import nearest_kernels as kernels
from shapegan.pipeline.queries.bvh import build_bvh
from shapegan.pipeline.queries.bvh_kernels import LANES
from shapegan.pipeline.queries.closest_point_functions import PreparedTriangle
from shapegan.pipeline.warp_runtime import check_device

_BATCH = int(kernels.BATCHES) * int(LANES)
"""Points that a CPU thread searches."""


class TriangleQueries:
    """Triangles with a BVH for nearest-point queries."""

    def __init__(
        self, vertices: NDArray[np.floating], faces: NDArray[np.int32], device: str = "cpu"
    ) -> None:
        """Build the BVH.

        Args:
            vertices: (V, 3).
            faces: (F, 3), F may be 0.
            device: Warp's name of the device.
        """
        self.device = device
        corners = vertices.astype(np.float32, copy=False)
        self.vertices: Any = wp.array(corners, dtype=wp.vec3, device=device)
        self.faces: Any = wp.array(faces, dtype=int, ndim=2, device=device)
        self._target: list[Any]
        self._find_faces: Any
        if device == "cpu":
            self._find_faces, self._points_per_thread = kernels.find_faces_batched, _BATCH
            self._target = [self.bvh, self.prepared]
        else:
            self._find_faces, self._points_per_thread = kernels.find_faces, 1
            # Warp builds no mesh without faces.
            if len(faces):
                self._mesh = wp.Mesh(self.vertices, self.faces.flatten())
                self._target = [wp.uint64(self._mesh.id)]

    def __reduce__(self) -> Any:
        """Pickle the triangles alone: the BVH is built again, which takes milliseconds."""
        return _restored, (self.vertices.numpy(), self.faces.numpy(), self.device)

    @cached_property
    def bvh(self) -> Any:
        """A `Bvh` over the triangles, which CUDA needs for weighted queries alone."""
        corners = take_rows(self.vertices.numpy(), self.faces.numpy())
        return build_bvh(corners, self.device, by_area=True)

    @cached_property
    def prepared(self) -> Any:
        """A `PreparedTriangle` for each row of the BVH, which searches on the CPU need."""
        triangles: Any = wp.empty(len(self.faces), dtype=PreparedTriangle, device=self.device)
        self._launch(kernels.prepare_triangles, [self.bvh.corners, triangles], len(self.faces))
        return triangles

    def nearest(self, points: Any, max_distance: Any | None = None) -> Any:
        """The nearest triangle of each point, and the nearest point on it.

        Args:
            points: (N,) Warp vectors; faster if neighbours follow each other.
            max_distance: (N,) Warp floats, the largest distance to search; unlimited if None.

        Returns:
            `NearestPoints` of Warp arrays (N,). Where no triangle is near enough, the face is -1
            and the distance `NOT_FOUND`; the other values are undefined.
        """
        count = len(points)
        if max_distance is None:
            max_distance = wp.full(count, kernels.NOT_FOUND, dtype=float, device=self.device)
        found: Any = kernels.NearestPoints()
        found.face = wp.empty(count, dtype=int, device=self.device)
        found.distance = wp.empty(count, dtype=float, device=self.device)
        found.closest = wp.empty(count, dtype=wp.vec3, device=self.device)
        found.weights = wp.empty(count, dtype=wp.vec2, device=self.device)
        if len(self.faces):
            inputs = [*self._target, points, max_distance, found.face]
            self._launch(self._find_faces, inputs, math.ceil(count / self._points_per_thread))
        else:
            found.face.fill_(-1)
        self._launch(kernels.locate, [self.vertices, self.faces, points, found], count)
        return found

    def _launch(self, kernel: Any, inputs: list[Any], threads: int) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self.device)


def _restored(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], device: str
) -> TriangleQueries:
    """Rebuild unpickled queries.

    Raises:
        NoDeviceError: this machine lacks the device.
    """
    check_device(device)
    return TriangleQueries(vertices, faces, device)

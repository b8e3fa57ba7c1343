"""What of some triangles is nearest to points.

A search says which triangle, in floats; in double precision it is then looked where on it. On
the CPU many neighbours go through a tree together (`shapegan.pipeline.queries.bvh_kernels`),
which is several times as quick as one after the other; elsewhere each has a thread of its own,
and Warp's bounding volumes do.
"""

import math
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.queries import nearest_kernels as kernels
from shapegan.pipeline.queries.bvh import build_tree
from shapegan.pipeline.queries.bvh_kernels import LANES

BLOCK = 64
"""So many times `LANES` neighbours bound each other's searches."""


class TriangleQueries:
    """Triangles to be asked."""

    def __init__(
        self, vertices: NDArray[np.floating], faces: NDArray[np.int32], device: str = "cpu"
    ) -> None:
        """Builds the tree.

        Args:
            vertices: (V, 3).
            faces: (F, 3), F may be 0.
            device: Warp's name of it.
        """
        self.device = device
        corners = vertices.astype(np.float32, copy=False)
        self.vertices: Any = wp.array(corners, dtype=wp.vec3, device=device)
        self.faces: Any = wp.array(faces, dtype=int, ndim=2, device=device)
        if device == "cpu":
            self._tree = build_tree(corners[faces], device)
        elif len(faces):
            self._mesh = wp.Mesh(self.vertices, self.faces.flatten())

    def nearest(self, points: Any, reach: Any | None = None) -> Any:
        """The `NearestPoints` of points (N,), all arrays Warp's.

        Args:
            points: vectors, neighbours one after the other.
            reach: (N,), how far to look; no limit if None.
        """
        count = len(points)
        if reach is None:
            reach = wp.full(count, kernels.NOWHERE, dtype=float, device=self.device)
        found: Any = kernels.NearestPoints()
        found.face = wp.full(count, -1, dtype=int, device=self.device)
        found.distance = wp.empty(count, dtype=float, device=self.device)
        found.closest = wp.empty(count, dtype=wp.vec3, device=self.device)
        found.weights = wp.empty(count, dtype=wp.vec2, device=self.device)
        if self.device == "cpu":
            inputs = [self._tree, points, reach, BLOCK, found.face]
            self._launch(kernels.search_together, inputs, math.ceil(count / (BLOCK * LANES)))
        elif len(self.faces):
            inputs = [wp.uint64(self._mesh.id), points, reach, found.face]
            self._launch(kernels.search, inputs, count)
        self._launch(kernels.look_closer, [self.vertices, self.faces, points, found], count)
        return found

    def _launch(self, kernel: Any, inputs: list[Any], threads: int) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self.device)

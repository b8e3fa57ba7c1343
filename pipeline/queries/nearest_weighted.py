"""Nearest-point queries against triangles whose points have additive weights.

A query finds the point q of a triangle soup with the least f(p) = |p - q| - w(q), where w is linear
within each triangle. Since |p - q| changes no faster than p moves, whatever q, f is Lipschitz with
constant 1 for any weights. Surfaces f = 0 are the surfaces of the union of all balls round points q
with radius w(q).

Over a plane with the gradient g of w, |g| < 1, at height h above the foot p0 of p, the least value
is h sqrt(1 - |g|^2) - w(p0), at p0 + h g / sqrt(1 - |g|^2). An edge has the same formula with the
slope along it. |p - q| - w(q) is convex in q. So the least value over a triangle is the plane's if
that point is within the triangle, and lies on an edge otherwise; it does so, too, where |g| >= 1.

A node of the BVH holds nothing below a value v if its box is farther than v plus its largest
weight. As for unweighted queries, single precision finds the triangle, and double precision
computes the point.
"""

import math
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest, take_rows
from shapegan.pipeline.queries import nearest_weighted_kernels as kernels
from shapegan.pipeline.queries.bvh_kernels import LANES
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.queries.nearest_kernels import NOT_FOUND
from shapegan.pipeline.queries.nearest_weighted_functions import WeightedTriangle

_BATCH = int(kernels.BATCHES) * int(LANES)
"""Points that a CPU thread searches."""


class WeightedQueries:
    """Triangles with a BVH for nearest-point queries with additive weights."""

    def __init__(
        self,
        triangles: TriangleQueries,
        weights: NDArray[np.float32],
        searched: NDArray[np.bool_] | None = None,
    ) -> None:
        """Attach weights to the BVH of triangles.

        Args:
            triangles: F triangles; F may be 0.
            weights: (V,), of the vertices.
            searched: (F,), triangles to search; None: all of them.
        """
        self._triangles, self.device = triangles, triangles.device
        self._weights: Any = wp.array(weights, dtype=float, device=self.device)
        self._tree: Any = kernels.WeightedBvh()
        if not len(triangles.faces):
            return
        bvh = self._tree.bvh = triangles.bvh
        if self.device == "cpu":
            self._tree.flat = triangles.prepared
        face = bvh.face.numpy()
        corners = weights[take_rows(triangles.faces.numpy(), face)]
        if searched is not None:
            # No value is small enough to reach a node or triangle of such weights.
            corners[~searched[face]] = -NOT_FOUND
        nodes = _node_maxima(largest(corners), bvh.leaf_start.numpy())
        self._tree.triangles = wp.empty(len(corners), dtype=WeightedTriangle, device=self.device)
        of_corners: Any = wp.array(corners, dtype=float, ndim=2, device=self.device)
        inputs = [bvh.corners, of_corners, self._tree.triangles]
        self._launch(kernels.prepare_triangles, inputs, len(corners))
        self._tree.largest = wp.array(nodes, dtype=float, device=self.device)

    def nearest(self, points: Any, limit: Any, face: Any) -> Any:
        """The point of least distance minus weight.

        Args:
            points: (N,) Warp vectors; faster if neighbours follow each other.
            limit: (N,) Warp floats: only smaller values are searched for.
            face: (N,) Warp integers, the triangle of each point where none has a smaller value; -1
                for none. A triangle and a value that it has make the search fast.

        Returns:
            `WeightedPoints` of Warp arrays (N,). Their face is -1 where nothing was found.
        """
        count = len(points)
        found: Any = kernels.WeightedPoints()
        found.face = wp.clone(face)
        found.closest = wp.empty(count, dtype=wp.vec3, device=self.device)
        found.distance = wp.empty(count, dtype=float, device=self.device)
        found.weight = wp.empty(count, dtype=float, device=self.device)
        if len(self._triangles.faces):
            kernel, batch = kernels.find_weighted, 1
            if self.device == "cpu":
                kernel, batch = kernels.find_weighted_batched, _BATCH
            inputs = [self._tree, points, limit, found.face]
            self._launch(kernel, inputs, math.ceil(count / batch))
        inputs = [self._triangles.vertices, self._triangles.faces, self._weights, points, found]
        self._launch(kernels.locate_weighted, inputs, count)
        return found

    def _launch(self, kernel: Any, inputs: list[Any], threads: int) -> None:
        wp.launch(kernel, dim=threads, inputs=inputs, device=self.device)


def _node_maxima(values: NDArray[np.float32], leaf_start: NDArray[np.int32]) -> NDArray[np.float32]:
    """Maxima (2 L,) over the nodes of a BVH of L leaves; row 0 is unused.

    Args:
        values: (F,), in the order of the leaves.
        leaf_start: (L + 1,), the position at which each leaf begins; no leaf is empty.
    """
    leaves = len(leaf_start) - 1
    nodes = np.zeros(2 * leaves, np.float32)
    nodes[leaves:] = np.maximum.reduceat(values, leaf_start[:-1])
    level = leaves // 2
    while level:
        nodes[level : 2 * level] = nodes[2 * level : 4 * level].reshape(-1, 2).max(axis=1)
        level //= 2
    return nodes

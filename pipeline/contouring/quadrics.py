"""Squared distances from sets of planes, and the points where these are least.

The quadric error function of dual contouring (Ju et al. 2002, section 2.3).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.contouring import quadric_kernels as kernels

Places = NDArray[np.float64]


@dataclass(frozen=True)
class Quadrics:
    """Sums of squared distances from the planes of each of L sets.

    Each is x -> w.Aw - 2 b.w + c, where w is the way from a mean m to the point x.
    """

    mean: Places
    """(L, 3), m, the mean of the points through which the planes were put."""
    minima: Places
    """(L, 3), the point of each with the least error, as near to the mean as can be."""
    arrays: Any
    """Warp's `QuadricArrays`: m, A (the sum of the normals' outer products), b (the sum of the
    normals, each times its plane's offset from the mean) and c (the sum of the squared offsets)."""

    @classmethod
    def of_planes(
        cls,
        points: Places,
        normals: Places,
        anchors: Places,
        plane: NDArray[np.int32],
        owner: NDArray[np.int32],
        row: NDArray[np.integer],
    ) -> "Quadrics":
        """Sum over the planes of each set.

        Args:
            points: (P, 3), a point on each plane.
            normals: (P, 3), of length 1, or 0 where there is no plane.
            anchors: (P, 3), the points whose mean is preferred where the planes do not decide.
            plane: (C, K), planes.
            owner: (C, K), the set from 0 to L - 1 that each of these is in; -1 for none.
            row: (L,), the row of `plane` and `owner` that has all planes of each set, at least one.
        """
        count = len(row)
        arrays: Any = kernels.QuadricArrays()
        arrays.mean = wp.empty(count, dtype=wp.vec3d, device="cpu")
        arrays.matrix = wp.empty(count, dtype=wp.mat33d, device="cpu")
        arrays.vector = wp.empty(count, dtype=wp.vec3d, device="cpu")
        arrays.constant = wp.empty(count, dtype=wp.float64, device="cpu")
        minima: Any = wp.empty(count, dtype=wp.vec3d, device="cpu")
        inputs = [*map(_vectors, (points, normals, anchors)), _integers(plane), _integers(owner)]
        inputs += [_integers(row), arrays, minima]
        wp.launch(kernels.sum_planes, dim=count, inputs=inputs, device="cpu")
        return cls(arrays.mean.numpy(), minima.numpy(), arrays)

    def prefer_second_diagonals(
        self, quads: NDArray[np.int32], vertices: Places
    ) -> NDArray[np.bool_]:
        """Find the quadrilaterals whose second diagonal is nearer to the planes at its ends.

        The error of a diagonal is that of its middle, by the quadrics of its two ends.

        Args:
            quads: (Q, 4), quadrics at the corners; the second diagonal joins corners 1 and 3.
            vertices: (L, 3), a vertex for each quadric.

        Returns:
            (Q,), true if its error is smaller than that of the first one.
        """
        second: Any = wp.empty(len(quads), dtype=wp.bool, device="cpu")
        inputs = [_integers(quads), _vectors(vertices), self.arrays, second]
        wp.launch(kernels.choose_diagonals, dim=len(quads), inputs=inputs, device="cpu")
        result: NDArray[np.bool_] = second.numpy()
        return result


def _vectors(values: Places) -> Any:
    """Warp vectors (N,) of an array (N, 3), without a copy where it can be had."""
    return wp.array(values, dtype=wp.vec3d, device="cpu", copy=False)


def _integers(values: NDArray[np.integer]) -> Any:
    return wp.array(np.ascontiguousarray(values, np.int32), dtype=int, device="cpu", copy=False)

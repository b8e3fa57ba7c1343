"""Squared distances from sets of planes, and the points where these are least.

The quadric error function of dual contouring (Ju et al. 2002, section 2.3).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
_CUTOFF = 0.05
"""Directions in which the planes determine the point less well than this share of the best one, in
squares, are left as they are."""


@dataclass(frozen=True)
class Quadrics:
    """Sums of squared distances from the planes of each of L sets."""

    mean: NDArray[np.float64]
    """(L, 3), the mean of the points through which the planes were put; all else is relative to
    it."""
    matrix: NDArray[np.float64]
    """(L, 3, 3), the sum of the normals' outer products."""
    vector: NDArray[np.float64]
    """(L, 3), the sum of the normals, each times its plane's offset."""
    constant: NDArray[np.float64]
    """(L,), the sum of the squared offsets."""

    @classmethod
    def of_planes(
        cls,
        points: NDArray[np.float64],
        normals: NDArray[np.float64],
        anchors: NDArray[np.float64],
        plane: NDArray[np.integer],
        owner: NDArray[np.integer],
    ) -> "Quadrics":
        """Sum over the planes of each set.

        Args:
            points: (P, 3), a point on each plane.
            normals: (P, 3), of length 1, or 0 where there is no plane.
            anchors: (P, 3), the points whose mean is preferred where the planes do not decide.
            plane: (N,), a plane of each set.
            owner: (N,), the set that it is in, from 0 to L - 1; all sets occur.
        """
        count = np.bincount(owner)
        mean = np.stack([np.bincount(owner, anchors[plane, k]) / count for k in range(3)], axis=1)
        normal = normals[plane]
        offset = np.einsum("nk,nk->n", normal, points[plane] - mean[owner])
        matrix = np.empty((len(count), 3, 3))
        vector = np.empty((len(count), 3))
        for i, j in _PAIRS:
            matrix[:, i, j] = matrix[:, j, i] = np.bincount(owner, normal[:, i] * normal[:, j])
        for k in range(3):
            vector[:, k] = np.bincount(owner, normal[:, k] * offset)
        constant = np.bincount(owner, offset**2).astype(np.float64)
        return cls(mean, matrix, vector, constant)

    def minima(self) -> NDArray[np.float64]:
        """The point (L, 3) of each quadric with the least error, as near to the mean as can be."""
        value, direction = np.linalg.eigh(self.matrix)
        determined = value > np.maximum(_CUTOFF * value[:, -1:], np.finfo(float).tiny)
        inverse = np.where(determined, 1 / np.where(determined, value, 1), 0)
        along = np.einsum("lij,li->lj", direction, self.vector)
        result: NDArray[np.float64] = self.mean + np.einsum(
            "lij,lj->li", direction, inverse * along
        )
        return result

    def errors(self, rows: NDArray[np.integer], points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Errors (N,) of points (N, 3), each by the quadric of its row (N,)."""
        way = points - self.mean[rows]
        square = np.einsum("ni,nij,nj->n", way, self.matrix[rows], way)
        linear = np.einsum("ni,ni->n", self.vector[rows], way)
        error: NDArray[np.float64] = square - 2 * linear + self.constant[rows]
        return error

"""Values at the vertices that splitting faces added."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import any_true, cross, take_rows
from shapegan.pipeline.triangles import cross_products


@dataclass(frozen=True)
class SplitVertices:
    """Vertices that splitting added, A of them, and the face that each lies in."""

    vertex: NDArray[np.intp]
    """(A,), rows of the vertices."""
    corner: NDArray[np.int32]
    """(A, 3), the corners of the face, rows of the vertices."""
    weights: NDArray[np.float64]
    """(A, 3), barycentric coordinates in the face, not normalised."""

    @classmethod
    def of(
        cls, vertices: NDArray[np.float32], pieces: NDArray[np.int32], faces: NDArray[np.int32]
    ) -> "SplitVertices":
        """Find the added vertices of pieces.

        Args:
            vertices: (V, 3).
            pieces: (P, 3).
            faces: (P, 3), the face that each piece is part of; rows of `vertices`.
        """
        # 1. Find the face within which each added vertex lies.
        face = np.full(len(vertices), -1)
        for k in range(3):
            added = ~any_true(pieces[:, k, None] == faces)
            face[pieces[added, k]] = np.flatnonzero(added)
        vertex = np.flatnonzero(face >= 0)

        # 2. Compute its barycentric coordinates there.
        corner = take_rows(faces, face[vertex])
        triangles = take_rows(vertices, corner).astype(np.float64)
        a, b, c = triangles.transpose(1, 0, 2)
        place = take_rows(vertices, vertex)
        normal = cross_products(triangles)
        weights = np.stack(
            [
                np.einsum("nx,nx->n", cross(q - p, place - p), normal)
                for p, q in ((b, c), (c, a), (a, b))
            ],
            axis=1,
        ).clip(0)
        return cls(vertex, corner, weights)

    def interpolate(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Copy values (V,) with those at added vertices interpolated, linear within each face."""
        total = np.maximum(self.weights.sum(axis=1), np.finfo(float).tiny)
        result = values.copy()
        result[self.vertex] = (self.weights * values[self.corner]).sum(axis=1) / total
        return result

"""Areas, normals, edges and centroids of triangles.

All functions take corners (N, 3, 3), one triangle a row and one corner a row of it, as
`vertices[faces]` gives them. Results have the dtype of the corners.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import cross, largest, lengths, smallest

F = TypeVar("F", bound=np.floating)


def cross_products(corners: NDArray[F]) -> NDArray[F]:
    """Normals (N, 3) whose length is twice the area: (b - a) x (c - a)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return cross(b - a, c - a)


def double_areas(corners: NDArray[F]) -> NDArray[F]:
    """Twice the areas (N,)."""
    return lengths(cross_products(corners))


def areas(corners: NDArray[F]) -> NDArray[F]:
    """Areas (N,)."""
    area: NDArray[F] = double_areas(corners) / corners.dtype.type(2)
    return area


def normals_and_double_areas(corners: NDArray[F]) -> tuple[NDArray[F], NDArray[F]]:
    """Unit normals (N, 3), 0 where there is no area, and twice the areas (N,)."""
    product = cross_products(corners)
    double = lengths(product)
    normals: NDArray[F] = product / np.maximum(double, np.finfo(corners.dtype).tiny)[:, None]
    return normals, double


def edge_vectors(corners: NDArray[F]) -> NDArray[F]:
    """Edges (N, 3, 3) from each corner to the next: ab, bc, ca."""
    edges: NDArray[F] = np.roll(corners, -1, axis=1) - corners
    return edges


def edge_lengths(corners: NDArray[F]) -> NDArray[F]:
    """Lengths (N, 3) of the edges ab, bc, ca."""
    return lengths(edge_vectors(corners))


def centroids(corners: NDArray[F]) -> NDArray[F]:
    """Centroids (N, 3)."""
    middle: NDArray[F] = (corners[:, 0] + corners[:, 1] + corners[:, 2]) / corners.dtype.type(3)
    return middle


def longest_box_sides(corners: NDArray[F]) -> NDArray[F]:
    """Longest sides (N,) of the triangles' axis-aligned bounding boxes."""
    by_axis = corners.transpose(0, 2, 1)
    return largest(largest(by_axis) - smallest(by_axis))

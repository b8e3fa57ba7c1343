"""Reductions over a last axis that is short.

numpy goes along an axis of three as if it were a long one, which takes three to fourteen times as
long as to take its columns together.
"""

from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
F = TypeVar("F", bound=np.floating)


def columns(values: NDArray[Any]) -> Any:
    """The last axis first: a view."""
    return np.moveaxis(values, -1, 0)


def largest(values: NDArray[T]) -> NDArray[T]:
    """The maxima of (..., K): (...)."""
    most: NDArray[T] = reduce(np.maximum, columns(values))
    return most


def smallest(values: NDArray[T]) -> NDArray[T]:
    """The minima of (..., K): (...)."""
    least: NDArray[T] = reduce(np.minimum, columns(values))
    return least


def some(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any of (..., K) holds: (...)."""
    any_of_them: NDArray[np.bool_] = reduce(np.logical_or, columns(values))
    return any_of_them


def lengths(vectors: NDArray[F]) -> NDArray[F]:
    """Of vectors (..., K): (...)."""
    length: NDArray[F] = np.sqrt(reduce(np.add, (x * x for x in columns(vectors))))
    return length


def longest_sides(corners: NDArray[F]) -> NDArray[F]:
    """Of the boxes round triangles (N, 3, 3): (N,)."""
    places = corners.transpose(0, 2, 1)
    return largest(largest(places) - smallest(places))


def centroids(corners: NDArray[F]) -> NDArray[F]:
    """Of triangles (N, 3, 3): (N, 3)."""
    middle: NDArray[F] = (corners[:, 0] + corners[:, 1] + corners[:, 2]) / corners.dtype.type(3)
    return middle


def halves(grid: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Views of a grid without its last layer along an axis, and without its first."""
    moved = np.moveaxis(grid, axis, 0)
    return np.moveaxis(moved[:-1], 0, axis), np.moveaxis(moved[1:], 0, axis)

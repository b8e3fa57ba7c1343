"""Neighbours on voxel grids."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def halves(grid: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Views of a grid without its last layer along an axis, and without its first."""
    moved = np.moveaxis(grid, axis, 0)
    return np.moveaxis(moved[:-1], 0, axis), np.moveaxis(moved[1:], 0, axis)

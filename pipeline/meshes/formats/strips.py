"""Triangle strips -> triangles."""

import numpy as np
from numpy.typing import NDArray


def strip_triangles(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut triangle strips into triangles that are all wound as the first one of their strip.

    Args:
        corners: (C,), rows of vertices; a -1 ends one strip and begins the next.

    Returns:
        (F, 3), rows of vertices. Triangles without an area, which strips use as joints, stay.
    """
    index = np.arange(len(corners))
    ends = corners == -1
    begins = np.maximum.accumulate(np.where(ends, index + 1, 0))  # first corner of each strip
    first = index[:-2][~(ends[:-2] | ends[1:-1] | ends[2:])]
    odd = (first - begins[first]) % 2
    faces: NDArray[np.int64] = corners[np.stack([first, first + 1 + odd, first + 2 - odd], axis=1)]
    return faces

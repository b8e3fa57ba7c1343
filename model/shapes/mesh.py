"""The interface of triangle meshes, and scaling of points to a ball."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Mesh(Protocol):
    """Triangle mesh, such as a `Surface` or a `TriangleMesh`."""

    @property
    def vertices(self) -> NDArray[np.floating]:
        """(V, 3)."""

    @property
    def faces(self) -> NDArray[np.integer]:
        """(F, 3), rows of `vertices`; no rows if the shape is empty."""


def fit_to_ball(points: NDArray[np.floating], radius: float = 1.0) -> NDArray[np.floating]:
    """Centre points and scale them to a ball around the origin.

    Args:
        points: (N, 3), at least one.
        radius: Of the ball.

    Returns:
        (N, 3), of the precision of `points`: the centre of the bounding box is at 0, the farthest
        point at `radius`. Points that all coincide are moved to 0.
    """
    centred = points - (points.min(axis=0) + points.max(axis=0)) / 2
    farthest = np.linalg.norm(centred, axis=1).max()
    return centred if farthest == 0 else np.asarray(radius / farthest * centred)

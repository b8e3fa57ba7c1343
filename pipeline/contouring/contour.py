"""Triangle meshes of the zero sets of distance fields."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.config import CONTOURINGS
from shapegan.pipeline.contouring.cells import find_cells
from shapegan.pipeline.contouring.crossings import find_crossings
from shapegan.pipeline.contouring.dual_contouring import DistanceField, dual_contouring
from shapegan.pipeline.contouring.lattice import sample_near_surface
from shapegan.pipeline.contouring.marching_cubes import marching_cubes


def contour(
    field: DistanceField, resolution: int, reach: float, method: str = "cubes"
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Extract the zero set of a signed distance field as a closed, oriented 2-manifold.

    Args:
        field: the field, in a frame in which the shape's longest side is 2.
        resolution: cells along that side.
        reach: farthest coordinate of the zero set along an axis.
        method: one of `shapegan.pipeline.config.CONTOURINGS`.

    Returns:
        Vertices (V, 3), no two in one place, and faces (F, 3), counter-clockwise as seen from
        outside. Both are empty if no lattice point is inside.

    Raises:
        ValueError: unknown method, or values that are not finite.
    """
    if method not in CONTOURINGS:
        raise ValueError(f"contouring: got {method!r}, takes {' or '.join(CONTOURINGS)}")

    def evaluate(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return field.signed_distances(points)[0]

    # 1. Evaluate the field near its zero set.
    cells = find_cells(sample_near_surface(evaluate, resolution, reach), evaluate)
    # 2. Find where the zero set crosses the edges of the lattice, and connect these points.
    crossings = find_crossings(cells, evaluate)
    if method == "dual":
        places, faces = dual_contouring(cells, crossings, field)
    else:
        places, faces = marching_cubes(cells, crossings)
    return cells.lattice.points(places), faces

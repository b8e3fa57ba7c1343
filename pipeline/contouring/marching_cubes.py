"""Marching cubes (Lorensen and Cline 1987) whose meshes are 2-manifold.

`shapegan.pipeline.contouring` explains why.
"""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.contouring.cell_loops import MIDDLE, triangulate_loop
from shapegan.pipeline.contouring.cells import Cells


def marching_cubes(
    cells: Cells, crossings: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Connect the crossings of a surface with the edges of a lattice.

    Args:
        cells: the crossed cells.
        crossings: (E, 3), a point on each crossed edge, lattice coordinates.

    Returns:
        Vertices (V, 3), lattice coordinates, and faces (F, 3), counter-clockwise as seen from
        outside.
    """
    vertices, faces = [crossings], [np.zeros((0, 3), np.int32)]
    count = len(crossings)
    for group in cells.groups():
        for loop in group.loops.loops:
            corners = np.array(triangulate_loop(loop))
            edges = cells.edges[group.rows]
            if (corners == MIDDLE).any():
                vertices.append(crossings[edges[:, loop]].mean(axis=1))
                middle = count + np.arange(len(edges), dtype=np.int32)
                count += len(edges)
                edges = np.concatenate([edges, middle[:, None]], axis=1)  # column MIDDLE
            faces.append(edges[:, corners].reshape(-1, 3))
    return np.concatenate(vertices), np.concatenate(faces)

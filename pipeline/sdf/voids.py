"""Closed voids within a surface, and how to fill them."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from shapegan.pipeline.queries.winding import WindingField

Arrays = tuple[NDArray[np.float64], NDArray[np.int32]]


def fill_voids(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> Arrays:
    """Remove the components of a closed surface that bound voids, and all that lies in these.

    Sheets that enclose something get a thickness, and so a second skin, on the inside.

    Args:
        vertices: (V, 3), cube frame, all of them used.
        faces: (F, 3) of a closed manifold, wound outwards.

    Returns:
        The vertices and faces that remain.
    """
    if not len(faces):
        return vertices, faces
    # 1. Components with a negative volume bound voids.
    pairs = np.concatenate([faces[:, :2], faces[:, 1:]])
    shape = (len(vertices), len(vertices))
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=shape)
    count, component = connected_components(graph, directed=False)
    if count == 1:
        return vertices, faces
    owner = component[faces[:, 0]]
    a, b, c = vertices[faces].transpose(1, 0, 2)
    volume = np.bincount(owner, np.einsum("nk,nk->n", a, np.cross(b, c)), count)
    dropped = volume < 0
    if not dropped.any():
        return vertices, faces

    # 2. So do those inside them, which the voids' faces wind around backwards.
    first = np.unique(component, return_index=True)[1]
    around = WindingField(vertices.astype(np.float32), faces[dropped[owner]])
    numbers = around.numbers(vertices[first].astype(np.float32), exact=True)
    dropped |= numbers < -0.5
    kept = ~dropped[component]
    return vertices[kept], (np.cumsum(kept) - 1)[faces[~dropped[owner]]].astype(np.int32)

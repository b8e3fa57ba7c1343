"""Device code of signed distances: sign of the nearest distance, thickening.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D103, UP018

import warp as wp

from shapegan.pipeline.queries.nearest_kernels import NearestPoints
from shapegan.pipeline.warp_runtime import start_warp

# Nothing here is differentiated; adjoint code would triple the compile time.
wp.set_module_options({"enable_backward": False})

start_warp()


@wp.func
def interpolated(
    values: wp.array(dtype=float), faces: wp.array2d(dtype=int), nearest: NearestPoints, i: int
) -> float:
    # Values at vertices, interpolated at the i-th nearest point.
    face = nearest.face[i]
    weights = nearest.weights[i]
    u = weights[0]
    v = weights[1]
    a = values[faces[face, 0]]
    b = values[faces[face, 1]]
    c = values[faces[face, 2]]
    return u * a + v * b + (1.0 - u - v) * c


@wp.kernel
def sign(
    points: wp.array(dtype=wp.vec3),
    nearest: NearestPoints,
    winding: wp.array(dtype=float),
    faces: wp.array2d(dtype=int),
    offset: wp.array(dtype=float),
    limit: float,
    sdf: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
    search_limit: wp.array(dtype=float),
) -> None:
    # Signed distance to the nearest face. Inside, the offset of a thin part adds to the depth.
    # `search_limit` is the distance up to which a layer with offsets up to `limit` can matter.
    i = wp.tid()
    distance = nearest.distance[i]
    closest[i] = nearest.closest[i]
    if winding[i] > 0.5:
        height = float(0.0)
        if nearest.face[i] >= 0 and limit > 0.0:
            height = interpolated(offset, faces, nearest, i)
        closest[i] += height * wp.normalize(closest[i] - points[i])
        distance = -distance - height
    sdf[i] = distance
    search_limit[i] = distance + limit


@wp.kernel
def thicken(
    points: wp.array(dtype=wp.vec3),
    nearest: NearestPoints,
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    offset: wp.array(dtype=float),
    limit: float,
    sdf: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
    search_limit: wp.array(dtype=float),
) -> None:
    # Minimum of the field and a layer: points within the layer's offset are inside. `limit` is the
    # largest offset of the layer that follows.
    i = wp.tid()
    search_limit[i] = sdf[i] + limit
    face = nearest.face[i]
    if face < 0:
        return
    base = nearest.closest[i]
    gap = nearest.distance[i]
    height = interpolated(offset, faces, nearest, i)
    if gap - height < sdf[i]:
        direction = wp.normalize(points[i] - base)
        if gap < 1.0e-7:
            a = vertices[faces[face, 0]]
            b = vertices[faces[face, 1]]
            direction = wp.normalize(wp.cross(b - a, vertices[faces[face, 2]] - a))
        sdf[i] = gap - height
        closest[i] = base + height * direction
        search_limit[i] = sdf[i] + limit

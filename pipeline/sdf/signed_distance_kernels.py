"""Device code of signed distances: sign of the nearest distance, thickening.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D103

import warp as wp

from shapegan.pipeline.queries.nearest_kernels import NOT_FOUND, NearestPoints
from shapegan.pipeline.queries.nearest_weighted_kernels import WeightedPoints
from shapegan.pipeline.warp_runtime import start_warp

# Nothing here is differentiated; adjoint code would triple the compile time.
wp.set_module_options({"enable_backward": False})

start_warp()


NOT_SEARCHED = wp.constant(-1.0e18)
"""A limit below all values, where nothing is to be found."""


@wp.func
def interpolated(
    values: wp.array(dtype=float), faces: wp.array2d(dtype=int), face: int, weights: wp.vec2
) -> float:
    # Values at vertices, interpolated at a point of a face.
    u = weights[0]
    v = weights[1]
    a = values[faces[face, 0]]
    b = values[faces[face, 1]]
    c = values[faces[face, 2]]
    return u * a + v * b + (1.0 - u - v) * c


@wp.kernel
def sign(
    nearest: NearestPoints,
    winding: wp.array(dtype=float),
    sdf: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
) -> None:
    # Signed distance to the nearest face or cap. Without any, the closest point is the origin.
    i = wp.tid()
    closest[i] = wp.vec3()
    if nearest.distance[i] < NOT_FOUND:
        closest[i] = nearest.closest[i]
    sdf[i] = wp.where(winding[i] > 0.5, -nearest.distance[i], nearest.distance[i])


@wp.kernel
def limit_depth(
    nearest: NearestPoints,
    faces: wp.array2d(dtype=int),
    offset: wp.array(dtype=float),
    sdf: wp.array(dtype=float),
    limit: wp.array(dtype=float),
    face: wp.array(dtype=int),
) -> None:
    # Where to search for the least distance plus offset: inside, if the nearest face has an offset
    # there. Without one, no other face has a smaller sum.
    i = wp.tid()
    limit[i] = NOT_SEARCHED
    face[i] = -1
    if nearest.face[i] >= 0 and sdf[i] < 0.0:
        height = interpolated(offset, faces, nearest.face[i], nearest.weights[i])
        if height > 0.0:
            limit[i] = nearest.distance[i] + height
            face[i] = nearest.face[i]


@wp.kernel
def deepen(
    points: wp.array(dtype=wp.vec3),
    found: WeightedPoints,
    depth: wp.array(dtype=float),
    sdf: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
) -> None:
    # The depth is the least distance plus offset; the weights are minus the offsets.
    i = wp.tid()
    if found.face[i] >= 0:
        depth[i] = found.distance[i] - found.weight[i]
        sdf[i] = -depth[i]
        base = found.closest[i]
        closest[i] = base - found.weight[i] * wp.normalize(base - points[i])


@wp.kernel
def take_nearer_cap(
    cap: NearestPoints,
    depth: wp.array(dtype=float),
    sdf: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
) -> None:
    # Caps do not grow.
    i = wp.tid()
    if cap.face[i] >= 0 and cap.distance[i] < depth[i]:
        sdf[i] = -cap.distance[i]
        closest[i] = cap.closest[i]


@wp.kernel
def raise_limit(
    offset: float,
    sdf: wp.array(dtype=float),
    limit: wp.array(dtype=float),
) -> None:
    # The distance up to which faces with an offset can lower the field.
    i = wp.tid()
    limit[i] = sdf[i] + offset


@wp.kernel
def limit_growth(
    nearest: NearestPoints,
    grows: wp.array(dtype=wp.bool),
    faces: wp.array2d(dtype=int),
    offset: wp.array(dtype=float),
    sdf: wp.array(dtype=float),
    limit: wp.array(dtype=float),
    face: wp.array(dtype=int),
) -> None:
    # Where to search for the least distance minus offset: below the field, and below what the
    # nearest face has.
    i = wp.tid()
    limit[i] = sdf[i]
    face[i] = -1
    if nearest.face[i] >= 0:
        at = nearest.face[i]
        if grows[at]:
            value = nearest.distance[i] - interpolated(offset, faces, at, nearest.weights[i])
            if value < sdf[i]:
                limit[i] = value
                face[i] = at


@wp.kernel
def thicken(
    points: wp.array(dtype=wp.vec3),
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    found_face: wp.array(dtype=int),
    found_distance: wp.array(dtype=float),
    found_closest: wp.array(dtype=wp.vec3),
    found_offset: wp.array(dtype=float),
    sdf: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
) -> None:
    # Minimum of the field and the distance to faces minus their offset.
    i = wp.tid()
    face = found_face[i]
    if face < 0:
        return
    base = found_closest[i]
    gap = found_distance[i]
    height = found_offset[i]
    if gap - height < sdf[i]:
        direction = wp.normalize(points[i] - base)
        if gap < 1.0e-7:
            a = vertices[faces[face, 0]]
            b = vertices[faces[face, 1]]
            direction = wp.normalize(wp.cross(b - a, vertices[faces[face, 2]] - a))
        sdf[i] = gap - height
        closest[i] = base + height * direction

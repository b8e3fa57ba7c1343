"""Device code of winding numbers: sums over a BVH, and references to continue from.

See `shapegan.pipeline.queries.winding`. `shapegan.pipeline.queries` explains how kernel files are
written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, SIM108, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import LANES, Bvh, Floats32, next_node
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

MAX_FRACTION = wp.constant(0.3)
"""The largest distance of a reference from a whole number. Beyond it an open rim is near, and the
winding number is summed over the BVH instead of continued."""

TracelessMatrix = wp.types.vector(length=5, dtype=float)
"""xx, xy, xz, yy, yz of a symmetric 3 x 3 matrix without trace."""

TracelessCube = wp.types.vector(length=7, dtype=float)
"""xxx, xxy, xxz, xyy, xyz, yyy, yyz of a symmetric 3 x 3 x 3 tensor without traces."""


@wp.struct
class Node:
    # The triangles below a node of the BVH as a multipole: see
    # `shapegan.pipeline.queries.winding_bvh`. It holds for points whose squared distance from the
    # centre is above `far_square`.
    center: wp.vec3
    far_square: float
    dipole: wp.vec3
    first_moment: TracelessMatrix
    second_moment: TracelessCube


@wp.struct
class WindingData:
    # A BVH with its multipoles, and winding numbers on a reference grid. The grid's point (x, y, z)
    # lies at origin + cell (x, y, z); its number is NaN where none is known.
    bvh: Bvh
    nodes: wp.array(dtype=Node)
    origin: wp.vec3
    cell: float
    references: wp.array3d(dtype=float)


@wp.func
def solid_angle(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> float:
    # The signed solid angle of a triangle at the origin: tan(angle / 2) = above / below (Van
    # Oosterom and Strackee 1983, "The solid angle of a plane triangle", equation 8).
    la = wp.length(a)
    lb = wp.length(b)
    lc = wp.length(c)
    above = wp.dot(a, wp.cross(b, c))
    below = la * lb * lc + wp.dot(a, b) * lc + wp.dot(b, c) * la + wp.dot(c, a) * lb
    # The arc tangent on [0, 1] is a polynomial with a relative error of 7e-7; symmetry gives the
    # rest. Without branches, the compiler makes vector instructions of it.
    over = wp.abs(above)
    under = wp.abs(below)
    low = wp.where(over < under, over, under)
    high = wp.where(over < under, under, over)
    t = low / (high + 1.0e-30)
    s = t * t
    tail = -0.1348719 + s * (0.0838712 + s * (-0.037013 + s * 0.0078634))
    angle = t * (0.9999993 + s * (-0.3332651 + s * (0.1988148 + s * tail)))
    angle = wp.where(over < under, angle, 0.5 * wp.pi - angle)
    angle = wp.where(below < 0.0, wp.pi - angle, angle)
    return wp.where(above < 0.0, -2.0 * angle, 2.0 * angle)


@wp.func
def multipole_solid_angle(node: Node, r: wp.vec3, square: float) -> float:
    # The solid angle of a node, from the vector r to its centre and the square of its length.
    x = r[0]
    y = r[1]
    z = r[2]
    xx = x * x
    yy = y * y
    zz = z * z
    m = node.first_moment
    q = node.second_moment
    first = m[0] * (xx - zz) + m[3] * (yy - zz) + 2.0 * (m[1] * x * y + m[2] * x * z + m[4] * y * z)
    second = (
        x * (q[0] * (xx - 3.0 * zz) + 3.0 * q[3] * (yy - zz) + 6.0 * q[4] * y * z)
        + y * (3.0 * q[1] * (xx - zz) + q[5] * (yy - 3.0 * zz))
        + z * (q[2] * (3.0 * xx - zz) + q[6] * (3.0 * yy - zz))
    )
    inverse = 1.0 / wp.sqrt(square)
    inverse_square = inverse * inverse
    return (
        inverse
        * inverse_square
        * (wp.dot(r, node.dipole) - inverse_square * (3.0 * first - 7.5 * inverse_square * second))
    )


@wp.func
def winding_number(data: WindingData, p: wp.vec3) -> float:
    total = float(0.0)
    node = int(1)
    while node > 0:
        r = data.nodes[node].center - p
        square = wp.dot(r, r)
        onward = bool(True)
        if square > data.nodes[node].far_square:
            total += multipole_solid_angle(data.nodes[node], r, square)
        elif node >= data.bvh.leaves:
            leaf = node - data.bvh.leaves
            for t in range(data.bvh.leaf_start[leaf], data.bvh.leaf_start[leaf + 1]):
                a = data.bvh.corners[t, 0]
                b = data.bvh.corners[t, 1]
                c = data.bvh.corners[t, 2]
                total += solid_angle(a - p, b - p, c - p)
        else:
            onward = False
        if onward:
            node = next_node(node)
        else:
            node = 2 * node
    return total / (4.0 * wp.pi)


@wp.struct
class Reference:
    # A point whose winding number is known. The number is NaN where it must be summed over the BVH.
    position: wp.vec3
    number: float


@wp.func
def nearest_reference(data: WindingData, p: wp.vec3) -> Reference:
    # Beyond the grid, which covers the bounding box, the point itself with the number 0.
    reference = Reference()
    reference.position = p
    reference.number = 0.0
    at = (p - data.origin) / data.cell
    x = int(wp.floor(at[0] + 0.5))
    y = int(wp.floor(at[1] + 0.5))
    z = int(wp.floor(at[2] + 0.5))
    if x < 0 or y < 0 or z < 0:
        return reference
    if x >= data.references.shape[0] or y >= data.references.shape[1]:
        return reference
    if z >= data.references.shape[2]:
        return reference
    number = data.references[x, y, z]
    # The comparison is false for NaN.
    if wp.abs(number - wp.round(number)) < MAX_FRACTION:
        reference.number = number
        reference.position = data.origin + data.cell * wp.vec3(float(x), float(y), float(z))
    else:
        reference.number = wp.nan
    return reference


@wp.kernel
def winding_numbers(
    data: WindingData,
    points: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    winding[i] = winding_number(data, points[i])


@wp.kernel
def winding_numbers_batched(
    data: WindingData,
    points: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    # The same for `LANES` neighbouring points a thread. A multipole is used where it holds for all
    # of them.
    start = wp.tid() * LANES
    px = Floats32()
    py = Floats32()
    pz = Floats32()
    for k in range(LANES):
        p = points[wp.min(start + k, points.shape[0] - 1)]
        px[k] = p[0]
        py[k] = p[1]
        pz[k] = p[2]
    total = Floats32()
    i = int(1)
    while i > 0:
        node = data.nodes[i]
        near = int(0)
        for k in range(LANES):
            r = node.center - wp.vec3(px[k], py[k], pz[k])
            near += wp.where(wp.dot(r, r) > node.far_square, 0, 1)
        onward = bool(True)
        if near == 0:
            for k in range(LANES):
                r = node.center - wp.vec3(px[k], py[k], pz[k])
                total[k] += multipole_solid_angle(node, r, wp.dot(r, r))
        elif i >= data.bvh.leaves:
            leaf = i - data.bvh.leaves
            for t in range(data.bvh.leaf_start[leaf], data.bvh.leaf_start[leaf + 1]):
                a = data.bvh.corners[t, 0]
                b = data.bvh.corners[t, 1]
                c = data.bvh.corners[t, 2]
                for k in range(LANES):
                    p = wp.vec3(px[k], py[k], pz[k])
                    total[k] += solid_angle(a - p, b - p, c - p)
        else:
            onward = False
        if onward:
            i = next_node(i)
        else:
            i = 2 * i
    for k in range(LANES):
        if start + k < points.shape[0]:
            winding[start + k] = total[k] / (4.0 * wp.pi)


@wp.kernel
def find_references(
    data: WindingData,
    points: wp.array(dtype=wp.vec3),
    distance: wp.array(dtype=float),
    start: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    # The start of the segment along which each winding number is continued, and the number there.
    # The start is the point itself, an empty segment, if the segment is shorter than the distance
    # from the point to the nearest face.
    i = wp.tid()
    reference = nearest_reference(data, points[i])
    winding[i] = reference.number
    start[i] = reference.position
    if wp.length(reference.position - points[i]) < distance[i]:
        start[i] = points[i]

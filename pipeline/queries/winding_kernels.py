"""The device code of winding numbers: sums over a tree, and where to continue them from.

`shapegan.pipeline.queries` explains how
kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, SIM108, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import LANES, Triangles, next_node
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

FRACTION = wp.constant(0.3)
"""Where a winding number by continuation is farther than this from a whole number, holes are
near, and the tree is asked instead."""


FIVE = wp.types.vector(length=5, dtype=float)
SEVEN = wp.types.vector(length=7, dtype=float)
EACH = wp.types.vector(length=LANES, dtype=float)


@wp.struct
class Node:
    # Triangles from afar: see `shapegan.pipeline.queries.winding_bvh`. `reach` is squared; the
    # moments are xx, xy, xz, yy, yz and xxx, xxy, xxz, xyy, xyz, yyy, yyz of what has no trace.
    center: wp.vec3
    reach: float
    dipole: wp.vec3
    first: FIVE
    second: SEVEN


@wp.struct
class WindingData:
    # The tree, and winding numbers that are known on a grid.
    tree: Triangles
    nodes: wp.array(dtype=Node)
    origin: wp.vec3
    cell: float
    references: wp.array3d(dtype=float)


@wp.func
def solid_angle(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> float:
    # Of a triangle, seen from the origin. Van Oosterom and Strackee 1983, "The solid angle of a
    # plane triangle": half of it has the tangent `above` / `below`.
    la = wp.length(a)
    lb = wp.length(b)
    lc = wp.length(c)
    above = wp.dot(a, wp.cross(b, c))
    below = la * lb * lc + wp.dot(a, b) * lc + wp.dot(b, c) * la + wp.dot(c, a) * lb
    # The arc tangent of up to 1, by a polynomial that is good to 7e-7 of it, and the others from
    # that: without a branch, the compiler makes vector instructions of it.
    over = wp.abs(above)
    under = wp.abs(below)
    less = wp.where(over < under, over, under)
    more = wp.where(over < under, under, over)
    t = less / (more + 1.0e-30)
    s = t * t
    high = -0.1348719 + s * (0.0838712 + s * (-0.037013 + s * 0.0078634))
    angle = t * (0.9999993 + s * (-0.3332651 + s * (0.1988148 + s * high)))
    angle = wp.where(over < under, angle, 0.5 * wp.pi - angle)
    angle = wp.where(below < 0.0, wp.pi - angle, angle)
    return wp.where(above < 0.0, -2.0 * angle, 2.0 * angle)


@wp.func
def from_afar(node: Node, r: wp.vec3, square: float) -> float:
    # The solid angle of a node that lies at r.
    x = r[0]
    y = r[1]
    z = r[2]
    xx = x * x
    yy = y * y
    zz = z * z
    m = node.first
    q = node.second
    once = m[0] * (xx - zz) + m[3] * (yy - zz) + 2.0 * (m[1] * x * y + m[2] * x * z + m[4] * y * z)
    twice = (
        x * (q[0] * (xx - 3.0 * zz) + 3.0 * q[3] * (yy - zz) + 6.0 * q[4] * y * z)
        + y * (3.0 * q[1] * (xx - zz) + q[5] * (yy - 3.0 * zz))
        + z * (q[2] * (3.0 * xx - zz) + q[6] * (3.0 * yy - zz))
    )
    inverse = 1.0 / wp.sqrt(square)
    second = inverse * inverse
    return (
        inverse * second * (wp.dot(r, node.dipole) - second * (3.0 * once - 7.5 * second * twice))
    )


@wp.func
def winding_number(field: WindingData, p: wp.vec3) -> float:
    total = float(0.0)
    node = int(1)
    while node > 0:
        r = field.nodes[node].center - p
        square = wp.dot(r, r)
        onward = bool(True)
        if square > field.nodes[node].reach:
            total += from_afar(field.nodes[node], r, square)
        elif node >= field.tree.leaves:
            leaf = node - field.tree.leaves
            for t in range(field.tree.first[leaf], field.tree.first[leaf + 1]):
                a = field.tree.corners[t, 0]
                b = field.tree.corners[t, 1]
                c = field.tree.corners[t, 2]
                total += solid_angle(a - p, b - p, c - p)
        else:
            onward = False
        if onward:
            node = next_node(node)
        else:
            node = 2 * node
    return total / (4.0 * wp.pi)


@wp.struct
class Origin:
    # Where a winding number is continued from, and that; not a number where the tree is to be
    # asked. None beyond the references.
    place: wp.vec3
    number: float


@wp.func
def origin_of(field: WindingData, p: wp.vec3) -> Origin:
    origin = Origin()
    origin.place = p
    origin.number = 0.0
    at = (p - field.origin) / field.cell
    x = int(wp.floor(at[0] + 0.5))
    y = int(wp.floor(at[1] + 0.5))
    z = int(wp.floor(at[2] + 0.5))
    if x < 0 or y < 0 or z < 0:
        return origin
    if x >= field.references.shape[0] or y >= field.references.shape[1]:
        return origin
    if z >= field.references.shape[2]:
        return origin
    number = field.references[x, y, z]
    # Not a number is no whole number, either.
    if wp.abs(number - wp.round(number)) < FRACTION:
        origin.number = number
        origin.place = field.origin + field.cell * wp.vec3(float(x), float(y), float(z))
    else:
        origin.number = wp.nan
    return origin


@wp.kernel
def winding_numbers(
    field: WindingData,
    points: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    winding[i] = winding_number(field, points[i])


@wp.kernel
def winding_numbers_together(
    field: WindingData,
    points: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    # As above, by `LANES` neighbours at a time: what is far from all of them is far, and what is
    # looked at for one is for all. A thread's loops over them become vector instructions.
    start = wp.tid() * LANES
    px = EACH()
    py = EACH()
    pz = EACH()
    for k in range(LANES):
        p = points[wp.min(start + k, points.shape[0] - 1)]
        px[k] = p[0]
        py[k] = p[1]
        pz[k] = p[2]
    total = EACH()
    i = int(1)
    while i > 0:
        node = field.nodes[i]
        near = int(0)
        for k in range(LANES):
            r = node.center - wp.vec3(px[k], py[k], pz[k])
            near += wp.where(wp.dot(r, r) > node.reach, 0, 1)
        onward = bool(True)
        if near == 0:
            for k in range(LANES):
                r = node.center - wp.vec3(px[k], py[k], pz[k])
                total[k] += from_afar(node, r, wp.dot(r, r))
        elif i >= field.tree.leaves:
            leaf = i - field.tree.leaves
            for t in range(field.tree.first[leaf], field.tree.first[leaf + 1]):
                a = field.tree.corners[t, 0]
                b = field.tree.corners[t, 1]
                c = field.tree.corners[t, 2]
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
def find_origins(
    field: WindingData,
    points: wp.array(dtype=wp.vec3),
    clearance: wp.array(dtype=float),
    start: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    # Where to continue winding numbers from, and these. Where nothing lies between, it is the point
    # itself.
    i = wp.tid()
    origin = origin_of(field, points[i])
    winding[i] = origin.number
    start[i] = origin.place
    if wp.length(origin.place - points[i]) < clearance[i]:
        start[i] = points[i]

"""The device code of winding numbers: walks through a tree, and along segments.

`shapegan.pipeline.kernels` says why it looks as it does.
"""

import warp as wp

from shapegan.pipeline.silence import start_warp
from shapegan.pipeline.triangle_tree_kernels import LANES, Triangles, next_node

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
    # Triangles from afar: see `shapegan.pipeline.winding_tree`. `reach` is squared; the moments
    # are xx, xy, xz, yy, yz and xxx, xxy, xxz, xyy, xyz, yyy, yyz of what has no trace.
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
def half_tangent(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> wp.vec2:
    # Over and under the line of the tangent of half a solid angle. Van Oosterom and Strackee 1983,
    # "The solid angle of a plane triangle".
    la = wp.length(a)
    lb = wp.length(b)
    lc = wp.length(c)
    above = wp.dot(a, wp.cross(b, c))
    below = la * lb * lc + wp.dot(a, b) * lc + wp.dot(b, c) * la + wp.dot(c, a) * lb
    return wp.vec2(above, below)


@wp.func
def is_small(tangent: wp.vec2) -> bool:
    # Most triangles are: then the series of an arc tangent will do.
    return wp.abs(tangent[0]) < 0.3 * tangent[1]


@wp.func
def small_angle(tangent: wp.vec2) -> float:
    # The series up to the seventh power is good to 1e-5.
    t = tangent[0] / tangent[1]
    s = t * t
    return 2.0 * t * (1.0 - s * (1.0 / 3.0 - s * (0.2 - s / 7.0)))


@wp.func
def any_angle(tangent: wp.vec2) -> float:
    return 2.0 * wp.atan2(tangent[0], tangent[1])


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
                tangent = half_tangent(a - p, b - p, c - p)
                if is_small(tangent):
                    total += small_angle(tangent)
                else:
                    total += any_angle(tangent)
        else:
            onward = False
        if onward:
            node = next_node(node)
        else:
            node = 2 * node
    return total / (4.0 * wp.pi)


@wp.func
def passes_edge(along: wp.vec3, aside: wp.vec3, b: wp.vec3, c: wp.vec3) -> bool:
    # On which side of the edge from b to c a line through the origin passes. The faces beside an
    # edge walk it in opposite directions and must say the opposite: so it is always computed from
    # the same end, and a line through the edge itself counts as moved a little aside.
    turned = c[0] < b[0] or (c[0] == b[0] and (c[1] < b[1] or (c[1] == b[1] and c[2] < b[2])))
    first = b
    second = c
    if turned:
        first = c
        second = b
    side = wp.dot(along, wp.cross(first, second))
    if side == 0.0:
        side = wp.dot(aside, second - first)
    return (side > 0.0) != turned


@wp.func
def crossing(
    start: wp.vec3, along: wp.vec3, aside: wp.vec3, a: wp.vec3, b: wp.vec3, c: wp.vec3
) -> float:
    # What the winding number gains on the way from start to start + along.
    a = a - start
    b = b - start
    c = c - start
    side = passes_edge(along, aside, b, c)
    if side != passes_edge(along, aside, c, a) or side != passes_edge(along, aside, a, b):
        return 0.0
    normal = wp.cross(b - a, c - a)
    height = wp.dot(normal, a)
    rise = wp.dot(normal, along)
    met = (height >= 0.0 and height < rise) or (height < 0.0 and height >= rise)
    return wp.where(met, wp.where(side, -1.0, 1.0), 0.0)


@wp.func
def meets_box(middle: wp.vec3, half: wp.vec3, low: wp.vec3, high: wp.vec3) -> bool:
    # Separating axes of a segment and a box: the box's three, and the three at right angles to
    # the segment and one of them.
    extent = 0.5 * (high - low)
    d = middle - 0.5 * (high + low)
    h = wp.abs(half)
    apart = (
        wp.abs(d[0]) > extent[0] + h[0]
        or wp.abs(d[1]) > extent[1] + h[1]
        or wp.abs(d[2]) > extent[2] + h[2]
    )
    if apart:
        return False
    slack = 1.0e-7
    c = wp.cross(half, d)
    return (
        wp.abs(c[0]) <= extent[1] * h[2] + extent[2] * h[1] + slack
        and wp.abs(c[1]) <= extent[0] * h[2] + extent[2] * h[0] + slack
        and wp.abs(c[2]) <= extent[0] * h[1] + extent[1] * h[0] + slack
    )


@wp.func
def crossings(field: WindingData, start: wp.vec3, end: wp.vec3) -> float:
    along = end - start
    half = 0.5 * along
    middle = start + half
    aside = wp.cross(along, wp.vec3(0.5773, 0.1432, 0.8039))
    total = float(0.0)
    node = int(1)
    while node > 0:
        if meets_box(middle, half, field.tree.boxes[node].low, field.tree.boxes[node].high):
            if node < field.tree.leaves:
                node = 2 * node
                continue
            leaf = node - field.tree.leaves
            for t in range(field.tree.first[leaf], field.tree.first[leaf + 1]):
                a = field.tree.corners[t, 0]
                b = field.tree.corners[t, 1]
                c = field.tree.corners[t, 2]
                total += crossing(start, along, aside, a, b, c)
        node = next_node(node)
    return total


@wp.func
def continued(field: WindingData, p: wp.vec3, clearance: float) -> float:
    # The reference's winding number plus the crossings on the way; none beyond the references, and
    # no number where the tree is to be asked.
    at = (p - field.origin) / field.cell
    x = int(wp.floor(at[0] + 0.5))
    y = int(wp.floor(at[1] + 0.5))
    z = int(wp.floor(at[2] + 0.5))
    if x < 0 or y < 0 or z < 0:
        return 0.0
    if x >= field.references.shape[0] or y >= field.references.shape[1]:
        return 0.0
    if z >= field.references.shape[2]:
        return 0.0
    number = field.references[x, y, z]
    reference = field.origin + field.cell * wp.vec3(float(x), float(y), float(z))
    # Not a number is no whole number, either.
    if not wp.abs(number - wp.round(number)) < FRACTION:
        return wp.nan
    if wp.length(reference - p) >= clearance:
        number += crossings(field, reference, p)
    return number


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
    above = EACH()
    below = EACH()
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
                large = int(0)
                for k in range(LANES):
                    p = wp.vec3(px[k], py[k], pz[k])
                    tangent = half_tangent(a - p, b - p, c - p)
                    above[k] = tangent[0]
                    below[k] = tangent[1]
                    large += wp.where(is_small(tangent), 0, 1)
                if large == 0:
                    for k in range(LANES):
                        total[k] += small_angle(wp.vec2(above[k], below[k]))
                else:
                    for k in range(LANES):
                        total[k] += any_angle(wp.vec2(above[k], below[k]))
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
def continued_numbers(
    field: WindingData,
    points: wp.array(dtype=wp.vec3),
    clearance: wp.array(dtype=float),
    winding: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    winding[i] = continued(field, points[i], clearance[i])


@wp.kernel
def count_crossings(
    field: WindingData,
    start: wp.array(dtype=wp.vec3),
    end: wp.array(dtype=wp.vec3),
    gain: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    gain[i] = crossings(field, start[i], end[i])

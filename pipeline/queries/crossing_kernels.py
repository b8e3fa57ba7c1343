"""The device code of crossings: what winding numbers gain on ways through faces.

`shapegan.pipeline.queries` explains how
kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import LANES, Box, Triangles, next_node
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

EACH = wp.types.vector(length=LANES, dtype=float)
WHICH = wp.types.vector(length=LANES, dtype=int)


@wp.struct
class Edge:
    # From end to end, in an order that does not depend on the face, and whether that is against
    # the face's.
    first: wp.vec3
    second: wp.vec3
    turned: int


@wp.func
def edge(b: wp.vec3, c: wp.vec3) -> Edge:
    way = Edge()
    way.first = b
    way.second = c
    way.turned = 0
    if c[0] < b[0] or (c[0] == b[0] and (c[1] < b[1] or (c[1] == b[1] and c[2] < b[2]))):
        way.first = c
        way.second = b
        way.turned = 1
    return way


@wp.func
def passes(way: Edge, start: wp.vec3, along: wp.vec3, aside: wp.vec3) -> int:
    # On which side of an edge a line passes. The faces beside an edge walk it in opposite
    # directions and must say the opposite: so it is always computed from the same end, and a line
    # through the edge itself counts as moved a little aside.
    side = wp.dot(along, wp.cross(way.first - start, way.second - start))
    side = wp.where(side == 0.0, wp.dot(aside, way.second - way.first), side)
    return wp.where(side > 0.0, 1 - way.turned, way.turned)


@wp.struct
class Door:
    # A face as ways go through it.
    a: wp.vec3
    normal: wp.vec3
    ab: Edge
    bc: Edge
    ca: Edge


@wp.func
def door(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> Door:
    face = Door()
    face.a = a
    face.normal = wp.cross(b - a, c - a)
    face.ab = edge(a, b)
    face.bc = edge(b, c)
    face.ca = edge(c, a)
    return face


@wp.func
def crossing(face: Door, start: wp.vec3, along: wp.vec3, aside: wp.vec3) -> float:
    # What the winding number gains on the way from start to start + along.
    sides = (
        passes(face.ab, start, along, aside)
        + passes(face.bc, start, along, aside)
        + passes(face.ca, start, along, aside)
    )
    height = wp.dot(face.normal, face.a - start)
    rise = wp.dot(face.normal, along)
    up = wp.where(height >= 0.0, 1, 0) * wp.where(height < rise, 1, 0)
    down = wp.where(height < 0.0, 1, 0) * wp.where(height >= rise, 1, 0)
    out = wp.where(sides == 0, 1, 0) - wp.where(sides == 3, 1, 0)
    return float(out * (up + down))


@wp.func
def aside_of(along: wp.vec3) -> wp.vec3:
    return wp.cross(along, wp.vec3(0.5773, 0.1432, 0.8039))


@wp.func
def meets_box(box: Box, start: wp.vec3, along: wp.vec3) -> int:
    # Separating axes of a way and a box: the box's three, and the three at right angles to the way
    # and one of them.
    extent = 0.5 * (box.high - box.low)
    half = 0.5 * along
    d = start + half - 0.5 * (box.high + box.low)
    c = wp.cross(half, d)
    hx = wp.abs(half[0])
    hy = wp.abs(half[1])
    hz = wp.abs(half[2])
    slack = 1.0e-7
    return (
        wp.where(wp.abs(d[0]) <= extent[0] + hx, 1, 0)
        * wp.where(wp.abs(d[1]) <= extent[1] + hy, 1, 0)
        * wp.where(wp.abs(d[2]) <= extent[2] + hz, 1, 0)
        * wp.where(wp.abs(c[0]) <= extent[1] * hz + extent[2] * hy + slack, 1, 0)
        * wp.where(wp.abs(c[1]) <= extent[0] * hz + extent[2] * hx + slack, 1, 0)
        * wp.where(wp.abs(c[2]) <= extent[0] * hy + extent[1] * hx + slack, 1, 0)
    )


@wp.func
def crossings(tree: Triangles, start: wp.vec3, along: wp.vec3) -> float:
    aside = aside_of(along)
    total = float(0.0)
    node = int(1)
    while node > 0:
        if meets_box(tree.boxes[node], start, along) > 0:
            if node < tree.leaves:
                node = 2 * node
                continue
            leaf = node - tree.leaves
            for t in range(tree.first[leaf], tree.first[leaf + 1]):
                face = door(tree.corners[t, 0], tree.corners[t, 1], tree.corners[t, 2])
                total += crossing(face, start, along, aside)
        node = next_node(node)
    return total


@wp.kernel
def add_crossings(
    tree: Triangles,
    start: wp.array(dtype=wp.vec3),
    end: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    along = end[i] - start[i]
    if wp.length_sq(along) > 0.0:
        winding[i] += crossings(tree, start[i], along)


@wp.kernel
def add_crossings_together(
    tree: Triangles,
    start: wp.array(dtype=wp.vec3),
    end: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    # As above, by `LANES` ways at a time.
    begin = wp.tid() * LANES
    sx = EACH()
    sy = EACH()
    sz = EACH()
    ax = EACH()
    ay = EACH()
    az = EACH()
    total = EACH()
    goes = WHICH()
    going = int(0)
    for k in range(LANES):
        i = wp.min(begin + k, start.shape[0] - 1)
        s = start[i]
        along = end[i] - s
        sx[k] = s[0]
        sy[k] = s[1]
        sz[k] = s[2]
        ax[k] = along[0]
        ay[k] = along[1]
        az[k] = along[2]
        if wp.length_sq(along) > 0.0:
            goes[k] = 1
            going += 1
    if going == 0:
        return
    node = int(1)
    while node > 0:
        box = tree.boxes[node]
        within = int(0)
        for k in range(LANES):
            s = wp.vec3(sx[k], sy[k], sz[k])
            within += goes[k] * meets_box(box, s, wp.vec3(ax[k], ay[k], az[k]))
        if within > 0:
            if node < tree.leaves:
                node = 2 * node
                continue
            leaf = node - tree.leaves
            for t in range(tree.first[leaf], tree.first[leaf + 1]):
                face = door(tree.corners[t, 0], tree.corners[t, 1], tree.corners[t, 2])
                for k in range(LANES):
                    along = wp.vec3(ax[k], ay[k], az[k])
                    s = wp.vec3(sx[k], sy[k], sz[k])
                    total[k] += crossing(face, s, along, aside_of(along))
        node = next_node(node)
    for k in range(LANES):
        if begin + k < start.shape[0] and goes[k] > 0:
            winding[begin + k] += total[k]

"""Device code of signed crossings: how winding numbers change along segments through faces.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import (
    LANES,
    Box,
    Bvh,
    Floats32,
    Ints32,
    box_around,
    next_node,
)
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

SLACK = wp.constant(1.0e-6)
"""A box counts as larger by this, cube frame: rounding must not hide a crossing at its border."""

FAR_AWAY = wp.constant(1.0e18)
"""A coordinate beyond all others."""


@wp.struct
class Edge:
    # An edge with its ends in lexicographic order, which does not depend on the face, and 1 if that
    # is against the face's winding.
    first: wp.vec3
    second: wp.vec3
    reversed: int


@wp.func
def ordered_edge(b: wp.vec3, c: wp.vec3) -> Edge:
    edge = Edge()
    edge.first = b
    edge.second = c
    edge.reversed = 0
    if c[0] < b[0] or (c[0] == b[0] and (c[1] < b[1] or (c[1] == b[1] and c[2] < b[2]))):
        edge.first = c
        edge.second = b
        edge.reversed = 1
    return edge


@wp.func
def passes_left(edge: Edge, start: wp.vec3, along: wp.vec3, nudge: wp.vec3) -> int:
    # 1 if a line passes on the left of a face's edge, seen from the line's far end, else 0. Two
    # faces that share an edge wind it in opposite directions and must get opposite answers. So the
    # computation always starts from the same end of the edge, and a line through the edge counts
    # as moved by the nudge.
    side = wp.dot(along, wp.cross(edge.first - start, edge.second - start))
    side = wp.where(side == 0.0, wp.dot(nudge, edge.second - edge.first), side)
    return wp.where(side > 0.0, 1 - edge.reversed, edge.reversed)


@wp.struct
class Triangle:
    a: wp.vec3
    normal: wp.vec3
    ab: Edge
    bc: Edge
    ca: Edge


@wp.func
def prepare_triangle(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> Triangle:
    triangle = Triangle()
    triangle.a = a
    triangle.normal = wp.cross(b - a, c - a)
    triangle.ab = ordered_edge(a, b)
    triangle.bc = ordered_edge(b, c)
    triangle.ca = ordered_edge(c, a)
    return triangle


@wp.func
def signed_crossing(triangle: Triangle, start: wp.vec3, along: wp.vec3, nudge: wp.vec3) -> float:
    # The change of the winding number from start to start + along: 1, 0 or -1.
    left = (
        passes_left(triangle.ab, start, along, nudge)
        + passes_left(triangle.bc, start, along, nudge)
        + passes_left(triangle.ca, start, along, nudge)
    )
    height = wp.dot(triangle.normal, triangle.a - start)
    rise = wp.dot(triangle.normal, along)
    up = wp.where(height >= 0.0, 1, 0) * wp.where(height < rise, 1, 0)
    down = wp.where(height < 0.0, 1, 0) * wp.where(height >= rise, 1, 0)
    direction = wp.where(left == 0, 1, 0) - wp.where(left == 3, 1, 0)
    return float(direction * (up + down))


@wp.func
def nudge_of(along: wp.vec3) -> wp.vec3:
    # A direction across a segment, generic with respect to the axes.
    return wp.cross(along, wp.vec3(0.5773, 0.1432, 0.8039))


@wp.func
def segment_meets_box(box: Box, start: wp.vec3, along: wp.vec3) -> int:
    # Separating axis test: the box's three axes, and their cross products with the segment
    # (Ericson 2005, "Real-time collision detection", section 5.3.3).
    extent = 0.5 * (box.high - box.low) + wp.vec3(SLACK, SLACK, SLACK)
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
def boxes_meet(one: Box, other: Box) -> bool:
    # Takes a fraction of the time of the test of all segments of a batch.
    return (
        one.low[0] <= other.high[0] + SLACK
        and one.low[1] <= other.high[1] + SLACK
        and one.low[2] <= other.high[2] + SLACK
        and other.low[0] <= one.high[0] + SLACK
        and other.low[1] <= one.high[1] + SLACK
        and other.low[2] <= one.high[2] + SLACK
    )


@wp.func
def signed_crossings(bvh: Bvh, start: wp.vec3, along: wp.vec3) -> float:
    nudge = nudge_of(along)
    total = float(0.0)
    node = int(1)
    while node > 0:
        if segment_meets_box(bvh.boxes[node], start, along) > 0:
            if node < bvh.leaves:
                node = 2 * node
                continue
            leaf = node - bvh.leaves
            for t in range(bvh.leaf_start[leaf], bvh.leaf_start[leaf + 1]):
                triangle = prepare_triangle(bvh.corners[t, 0], bvh.corners[t, 1], bvh.corners[t, 2])
                total += signed_crossing(triangle, start, along, nudge)
        node = next_node(node)
    return total


@wp.kernel
def add_crossings(
    bvh: Bvh,
    start: wp.array(dtype=wp.vec3),
    end: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    # Adds the signed crossings of each segment to its winding number.
    i = wp.tid()
    along = end[i] - start[i]
    if wp.length_sq(along) > 0.0:
        winding[i] += signed_crossings(bvh, start[i], along)


@wp.kernel
def add_crossings_batched(
    bvh: Bvh,
    start: wp.array(dtype=wp.vec3),
    end: wp.array(dtype=wp.vec3),
    winding: wp.array(dtype=float),
) -> None:
    # The same for `LANES` segments a thread.
    begin = wp.tid() * LANES
    sx = Floats32()
    sy = Floats32()
    sz = Floats32()
    ax = Floats32()
    ay = Floats32()
    az = Floats32()
    total = Floats32()
    active = Ints32()
    active_count = int(0)
    around = Box()
    around.low = wp.vec3(FAR_AWAY, FAR_AWAY, FAR_AWAY)
    around.high = -around.low
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
            active[k] = 1
            active_count += 1
            around.low = wp.min(around.low, wp.min(s, end[i]))
            around.high = wp.max(around.high, wp.max(s, end[i]))
    if active_count == 0:
        return
    node = int(1)
    while node > 0:
        box = bvh.boxes[node]
        within = int(0)
        if boxes_meet(around, box):
            for k in range(LANES):
                s = wp.vec3(sx[k], sy[k], sz[k])
                within += active[k] * segment_meets_box(box, s, wp.vec3(ax[k], ay[k], az[k]))
        if within > 0:
            if node < bvh.leaves:
                node = 2 * node
                continue
            leaf = node - bvh.leaves
            for t in range(bvh.leaf_start[leaf], bvh.leaf_start[leaf + 1]):
                a = bvh.corners[t, 0]
                b = bvh.corners[t, 1]
                c = bvh.corners[t, 2]
                if not boxes_meet(around, box_around(a, b, c)):
                    continue
                triangle = prepare_triangle(a, b, c)
                for k in range(LANES):
                    along = wp.vec3(ax[k], ay[k], az[k])
                    s = wp.vec3(sx[k], sy[k], sz[k])
                    total[k] += signed_crossing(triangle, s, along, nudge_of(along))
        node = next_node(node)
    for k in range(LANES):
        if begin + k < start.shape[0] and active[k] > 0:
            winding[begin + k] += total[k]

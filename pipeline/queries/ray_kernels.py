"""The device code of rays: what of some triangles they meet first, and who sees the sky.

`shapegan.pipeline.queries.rays` says which does what; `shapegan.pipeline.queries` explains how
kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import Triangles, larger, smaller
from shapegan.pipeline.warp_runtime import start_warp

# Loops over boxes and triangles stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

WIDTH = wp.constant(8)
"""Boxes or triangles that a processor's core tests a ray against together."""

EACH = wp.types.vector(length=WIDTH, dtype=float)
PLACES = wp.types.matrix(shape=(3, WIDTH), dtype=float)
WHICH = wp.types.vector(length=WIDTH, dtype=int)

STACK = wp.constant(64)
"""Enough for 2^24 leaves: each of their 8 levels leaves 7 nodes for later."""
NODES = wp.types.vector(length=STACK, dtype=int)
ENTRIES = wp.types.vector(length=STACK, dtype=float)

GOLDEN = wp.constant(0.61803398875)

FAR = wp.constant(10.0)
"""Beyond all that there is, cube frame."""


@wp.struct
class Boxes:
    # Of a node's children: x, y and z of their ends.
    low: PLACES
    high: PLACES


@wp.struct
class Few:
    # A leaf's triangles: x, y and z of a corner, and of the edges to the others.
    corner: PLACES
    first: PLACES
    second: PLACES


@wp.struct
class WideTree:
    # A complete tree, whose node i has the `WIDTH` children from `WIDTH` i on; but the root has
    # `fan` from `fan` on. Leaf k is node `leaves` + k.
    leaves: int
    fan: int
    boxes: wp.array(dtype=Boxes)
    triangles: wp.array(dtype=Few)


@wp.kernel
def widen(tree: Triangles, wide: WideTree) -> None:
    node = wp.tid()
    first = wp.where(node == 1, wide.fan, WIDTH * node)
    count = wp.where(node == 1, wide.fan, WIDTH)
    boxes = Boxes()
    for k in range(WIDTH):
        # What is not there is beyond all.
        low = wp.vec3(FAR, FAR, FAR)
        high = low
        if node > 0 and k < count:
            low = tree.boxes[first + k].low
            high = tree.boxes[first + k].high
        for axis in range(3):
            boxes.low[axis, k] = low[axis]
            boxes.high[axis, k] = high[axis]
    wide.boxes[node] = boxes


@wp.kernel
def pack(tree: Triangles, wide: WideTree) -> None:
    leaf = wp.tid()
    first = tree.first[leaf]
    count = tree.first[leaf + 1] - first
    few = Few()
    for k in range(WIDTH):
        # Without edges, it meets no ray.
        a = wp.vec3()
        b = wp.vec3()
        c = wp.vec3()
        if k < count:
            a = tree.corners[first + k, 0]
            b = tree.corners[first + k, 1] - a
            c = tree.corners[first + k, 2] - a
        for axis in range(3):
            few.corner[axis, k] = a[axis]
            few.first[axis, k] = b[axis]
            few.second[axis, k] = c[axis]
    wide.triangles[leaf] = few


@wp.func
def inverse(x: float) -> float:
    return 1.0 / wp.where(wp.abs(x) < 1.0e-12, 1.0e-12, x)


@wp.func
def distance_along(
    a: wp.vec3, ab: wp.vec3, ac: wp.vec3, start: wp.vec3, way: wp.vec3, none: float
) -> float:
    # How far off a triangle is, or `none`. Moeller and Trumbore 1997, "Fast, minimum storage
    # ray/triangle intersection". What a ray runs along divides by zero, and what is not a number
    # then is not above zero.
    p = wp.cross(way, ac)
    s = start - a
    q = wp.cross(s, ab)
    scale = 1.0 / wp.dot(ab, p)
    u = wp.dot(s, p) * scale
    v = wp.dot(way, q) * scale
    t = wp.dot(ac, q) * scale
    met = (
        wp.where(u >= 0.0, 1, 0)
        * wp.where(v >= 0.0, 1, 0)
        * wp.where(u + v <= 1.0, 1, 0)
        * wp.where(t >= 0.0, 1, 0)
    )
    return wp.where(met * wp.where(t < none, 1, 0) > 0, t, none)


@wp.func
def length_of(tree: WideTree, start: wp.vec3, way: wp.vec3, most: float, whether: bool) -> float:
    # How far a ray goes until it meets a triangle, or `most`; until it meets some, not the first
    # one, where it is only asked whether it does.
    length = float(most)
    ix = inverse(way[0])
    iy = inverse(way[1])
    iz = inverse(way[2])
    ox = start[0]
    oy = start[1]
    oz = start[2]
    nodes = NODES()
    entries = ENTRIES()
    enters = EACH()
    within = WHICH()
    nodes[0] = 1
    top = int(1)
    while top > 0:
        top -= 1
        node = nodes[top]
        if entries[top] < length:
            if node < tree.leaves:
                boxes = tree.boxes[node]
                low_x = boxes.low[0]
                low_y = boxes.low[1]
                low_z = boxes.low[2]
                high_x = boxes.high[0]
                high_y = boxes.high[1]
                high_z = boxes.high[2]
                for k in range(WIDTH):
                    x0 = (low_x[k] - ox) * ix
                    x1 = (high_x[k] - ox) * ix
                    y0 = (low_y[k] - oy) * iy
                    y1 = (high_y[k] - oy) * iy
                    z0 = (low_z[k] - oz) * iz
                    z1 = (high_z[k] - oz) * iz
                    enter = larger(larger(smaller(x0, x1), smaller(y0, y1)), smaller(z0, z1))
                    leave = smaller(smaller(larger(x0, x1), larger(y0, y1)), larger(z0, z1))
                    enters[k] = larger(enter, 0.0)
                    leave = smaller(leave * 1.000001, length)
                    within[k] = wp.where(enters[k] <= leave, 1, 0)
                # The nearest of them is next.
                first = wp.where(node == 1, tree.fan, WIDTH * node)
                nearest = int(-1)
                for k in range(WIDTH):
                    if within[k] == 1:
                        nodes[top] = first + k
                        entries[top] = enters[k]
                        if nearest < 0 or enters[k] < entries[nearest]:
                            nearest = top
                        top += 1
                if nearest >= 0:
                    last_node = nodes[top - 1]
                    last_entry = entries[top - 1]
                    nodes[top - 1] = nodes[nearest]
                    entries[top - 1] = entries[nearest]
                    nodes[nearest] = last_node
                    entries[nearest] = last_entry
            else:
                few = tree.triangles[node - tree.leaves]
                ax = few.corner[0]
                ay = few.corner[1]
                az = few.corner[2]
                bx = few.first[0]
                by = few.first[1]
                bz = few.first[2]
                cx = few.second[0]
                cy = few.second[1]
                cz = few.second[2]
                for k in range(WIDTH):
                    a = wp.vec3(ax[k], ay[k], az[k])
                    ab = wp.vec3(bx[k], by[k], bz[k])
                    ac = wp.vec3(cx[k], cy[k], cz[k])
                    enters[k] = distance_along(a, ab, ac, start, way, length)
                for k in range(WIDTH):
                    length = smaller(enters[k], length)
                if whether and length < most:
                    top = 0
    return length


@wp.func
def across(normal: wp.vec3) -> wp.vec3:
    # Some direction at a right angle to another.
    axis = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(normal[0]) > 0.7:
        axis = wp.vec3(0.0, 1.0, 0.0)
    return wp.normalize(wp.cross(normal, axis))


@wp.func
def tilted(normal: wp.vec3, square: float, turn: float) -> wp.vec3:
    # The direction over the point of the disc round a normal, lifted to the hemisphere.
    u = across(normal)
    v = wp.cross(normal, u)
    radius = wp.sqrt(square)
    angle = 2.0 * wp.pi * turn
    return radius * (wp.cos(angle) * u + wp.sin(angle) * v) + wp.sqrt(1.0 - square) * normal


@wp.func
def to_the_sky(normal: wp.vec3, i: int, k: int, rays: int) -> wp.vec3:
    # The k-th ray of sample i. A Fibonacci spiral on the disc, turned by the golden ratio from
    # sample to sample: cosine-weighted directions without a random number.
    turn = GOLDEN * float(i)
    turn = turn - wp.floor(turn)
    return tilted(normal, (float(k) + 0.5) / float(rays), turn + (1.0 - GOLDEN) * float(k))


@wp.kernel
def see_sky_wide(
    tree: WideTree,
    position: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    rays: int,
    offset: float,
    sky: wp.array2d(dtype=float),
) -> None:
    i, side = wp.tid()
    n = wp.where(side == 1, -normal[i], normal[i])
    start = position[i] + offset * n
    seen = int(0)
    for k in range(rays):
        length = length_of(tree, start, to_the_sky(n, i, k, rays), FAR, True)
        seen += wp.where(length < FAR, 0, 1)
    sky[i, side] = float(seen) / float(rays)


@wp.kernel
def see_sky(
    mesh: wp.uint64,
    position: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    rays: int,
    offset: float,
    sky: wp.array2d(dtype=float),
) -> None:
    i, side = wp.tid()
    n = wp.where(side == 1, -normal[i], normal[i])
    start = position[i] + offset * n
    seen = int(0)
    for k in range(rays):
        met = wp.mesh_query_ray_anyhit(mesh, start, to_the_sky(n, i, k, rays), FAR)
        seen += wp.where(met, 0, 1)
    sky[i, side] = float(seen) / float(rays)


@wp.kernel
def ray_lengths_wide(
    tree: WideTree,
    start: wp.array(dtype=wp.vec3),
    way: wp.array(dtype=wp.vec3),
    most: float,
    length: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    length[i] = length_of(tree, start[i], way[i], most, False)


@wp.kernel
def ray_lengths(
    mesh: wp.uint64,
    start: wp.array(dtype=wp.vec3),
    way: wp.array(dtype=wp.vec3),
    most: float,
    length: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    hit = wp.mesh_query_ray(mesh, start[i], way[i], most)
    length[i] = wp.where(hit.result, hit.t, most)

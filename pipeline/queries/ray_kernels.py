"""Device code of ray queries: first hits, and visible sky. See `shapegan.pipeline.queries.rays`.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import Bvh, larger, smaller
from shapegan.pipeline.queries.hemisphere_functions import fibonacci_direction
from shapegan.pipeline.warp_runtime import start_warp

# Loops over boxes and triangles stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

WIDTH = wp.constant(8)
"""Boxes or triangles that a CPU thread tests a ray against together."""

Floats8 = wp.types.vector(length=WIDTH, dtype=float)
Ints8 = wp.types.vector(length=WIDTH, dtype=int)
Vectors8 = wp.types.matrix(shape=(3, WIDTH), dtype=float)

STACK = wp.constant(64)
"""Size of the traversal stack. It suffices for 2^24 leaves: each of their 8 levels leaves at most 7
nodes on the stack."""
StackInts = wp.types.vector(length=STACK, dtype=int)
StackFloats = wp.types.vector(length=STACK, dtype=float)

OUT_OF_SIGHT = wp.constant(10.0)
"""A length beyond everything in the cube frame."""


@wp.struct
class Boxes8:
    # The boxes of a node's children.
    low: Vectors8
    high: Vectors8


@wp.struct
class Triangles8:
    # A leaf's triangles: a corner, and the edges from it to the other two.
    a: Vectors8
    ab: Vectors8
    ac: Vectors8


@wp.struct
class WideBvh:
    # A complete tree in which node i has the `WIDTH` children that start at `WIDTH` i. The root is
    # the exception: it has the `root_width` children that start at `root_width`. Leaf k is node
    # `leaves` + k.
    leaves: int
    root_width: int
    boxes: wp.array(dtype=Boxes8)
    triangles: wp.array(dtype=Triangles8)


@wp.kernel
def fill_boxes(bvh: Bvh, wide: WideBvh) -> None:
    node = wp.tid()
    first = wp.where(node == 1, wide.root_width, WIDTH * node)
    count = wp.where(node == 1, wide.root_width, WIDTH)
    boxes = Boxes8()
    for k in range(WIDTH):
        # Children that do not exist get a box out of sight.
        low = wp.vec3(OUT_OF_SIGHT, OUT_OF_SIGHT, OUT_OF_SIGHT)
        high = low
        if node > 0 and k < count:
            low = bvh.boxes[first + k].low
            high = bvh.boxes[first + k].high
        for axis in range(3):
            boxes.low[axis, k] = low[axis]
            boxes.high[axis, k] = high[axis]
    wide.boxes[node] = boxes


@wp.kernel
def fill_triangles(bvh: Bvh, wide: WideBvh) -> None:
    # The binary tree has the same leaves.
    leaf = wp.tid()
    first = bvh.leaf_start[leaf]
    count = bvh.leaf_start[leaf + 1] - first
    triangles = Triangles8()
    for k in range(WIDTH):
        # Triangles that do not exist get edges of length 0, which no ray hits.
        a = wp.vec3()
        b = wp.vec3()
        c = wp.vec3()
        if k < count:
            a = bvh.corners[first + k, 0]
            b = bvh.corners[first + k, 1] - a
            c = bvh.corners[first + k, 2] - a
        for axis in range(3):
            triangles.a[axis, k] = a[axis]
            triangles.ab[axis, k] = b[axis]
            triangles.ac[axis, k] = c[axis]
    wide.triangles[leaf] = triangles


@wp.func
def inverse(x: float) -> float:
    return 1.0 / wp.where(wp.abs(x) < 1.0e-12, 1.0e-12, x)


@wp.func
def hit_distance(
    a: wp.vec3, ab: wp.vec3, ac: wp.vec3, start: wp.vec3, direction: wp.vec3, limit: float
) -> float:
    # The distance along a ray to a triangle, or `limit` if it misses. Moeller and Trumbore 1997,
    # "Fast, minimum storage ray/triangle intersection". A triangle parallel to the ray divides by
    # zero; comparisons with the NaN that follows are false.
    p = wp.cross(direction, ac)
    s = start - a
    q = wp.cross(s, ab)
    scale = 1.0 / wp.dot(ab, p)
    u = wp.dot(s, p) * scale
    v = wp.dot(direction, q) * scale
    t = wp.dot(ac, q) * scale
    hit = (
        wp.where(u >= 0.0, 1, 0)
        * wp.where(v >= 0.0, 1, 0)
        * wp.where(u + v <= 1.0, 1, 0)
        * wp.where(t >= 0.0, 1, 0)
    )
    return wp.where(hit * wp.where(t < limit, 1, 0) > 0, t, limit)


@wp.func
def ray_distance(
    bvh: WideBvh, start: wp.vec3, direction: wp.vec3, max_distance: float, any_hit: bool
) -> float:
    # The distance at which a ray first hits a triangle, or `max_distance`. With `any_hit` the
    # search stops at the first triangle found, which need not be the nearest.
    length = float(max_distance)
    ix = inverse(direction[0])
    iy = inverse(direction[1])
    iz = inverse(direction[2])
    ox = start[0]
    oy = start[1]
    oz = start[2]
    nodes = StackInts()
    entries = StackFloats()
    enters = Floats8()
    within = Ints8()
    nodes[0] = 1
    top = int(1)
    while top > 0:
        top -= 1
        node = nodes[top]
        if entries[top] < length:
            if node < bvh.leaves:
                boxes = bvh.boxes[node]
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
                # Push the children that the ray enters, the nearest one last.
                first = wp.where(node == 1, bvh.root_width, WIDTH * node)
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
                triangles = bvh.triangles[node - bvh.leaves]
                ax = triangles.a[0]
                ay = triangles.a[1]
                az = triangles.a[2]
                bx = triangles.ab[0]
                by = triangles.ab[1]
                bz = triangles.ab[2]
                cx = triangles.ac[0]
                cy = triangles.ac[1]
                cz = triangles.ac[2]
                for k in range(WIDTH):
                    a = wp.vec3(ax[k], ay[k], az[k])
                    ab = wp.vec3(bx[k], by[k], bz[k])
                    ac = wp.vec3(cx[k], cy[k], cz[k])
                    enters[k] = hit_distance(a, ab, ac, start, direction, length)
                for k in range(WIDTH):
                    length = smaller(enters[k], length)
                if any_hit and length < max_distance:
                    top = 0
    return length


@wp.kernel
def sky_fractions_wide(
    bvh: WideBvh,
    position: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    rays: int,
    offset: float,
    sky: wp.array2d(dtype=float),
) -> None:
    # The fraction of each side's rays that hit nothing; side 0 is in front.
    i, side = wp.tid()
    n = wp.where(side == 1, -normal[i], normal[i])
    start = position[i] + offset * n
    free = int(0)
    for k in range(rays):
        direction = fibonacci_direction(n, i, k, rays)
        length = ray_distance(bvh, start, direction, OUT_OF_SIGHT, True)
        free += wp.where(length < OUT_OF_SIGHT, 0, 1)
    sky[i, side] = float(free) / float(rays)


@wp.kernel
def sky_fractions(
    mesh: wp.uint64,
    position: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    rays: int,
    offset: float,
    sky: wp.array2d(dtype=float),
) -> None:
    # The same with Warp's BVH.
    i, side = wp.tid()
    n = wp.where(side == 1, -normal[i], normal[i])
    start = position[i] + offset * n
    free = int(0)
    for k in range(rays):
        direction = fibonacci_direction(n, i, k, rays)
        hit = wp.mesh_query_ray_anyhit(mesh, start, direction, OUT_OF_SIGHT)
        free += wp.where(hit, 0, 1)
    sky[i, side] = float(free) / float(rays)


@wp.kernel
def ray_distances_wide(
    bvh: WideBvh,
    start: wp.array(dtype=wp.vec3),
    direction: wp.array(dtype=wp.vec3),
    max_distance: float,
    distance: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    distance[i] = ray_distance(bvh, start[i], direction[i], max_distance, False)


@wp.kernel
def ray_distances(
    mesh: wp.uint64,
    start: wp.array(dtype=wp.vec3),
    direction: wp.array(dtype=wp.vec3),
    max_distance: float,
    distance: wp.array(dtype=float),
) -> None:
    # The same with Warp's BVH.
    i = wp.tid()
    hit = wp.mesh_query_ray(mesh, start[i], direction[i], max_distance)
    distance[i] = wp.where(hit.result, hit.t, max_distance)

"""Device code of weighted nearest queries: see `shapegan.pipeline.queries.nearest_weighted`.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import (
    BLOCK,
    LANES,
    Bvh,
    Floats32,
    Ints32,
    box_around,
    next_node,
)
from shapegan.pipeline.queries.closest_point_functions import (
    BOX_MARGIN,
    BOX_SHARE,
    PreparedTriangle,
    squared_distance_to_box,
    squared_distance_to_triangle,
)
from shapegan.pipeline.queries.nearest_weighted_functions import (
    WeightedTriangle,
    least_over_triangle,
    prepare_weighted,
    weighted_minimum,
)
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

BATCHES = wp.constant(64)
"""Batches of `LANES` neighbouring points that one thread searches."""

SCALAR_LANES = wp.constant(4)
"""Up to this many points near a triangle are tested one after the other. With more, vector
instructions for all points of the batch take less time."""


@wp.struct
class WeightedPoints:
    # For each of N points the point of least distance minus weight, its triangle, its distance and
    # its weight. Without one, the face is -1 and the others are undefined.
    face: wp.array(dtype=int)
    closest: wp.array(dtype=wp.vec3)
    distance: wp.array(dtype=float)
    weight: wp.array(dtype=float)


@wp.struct
class WeightedBvh:
    # A BVH over triangles whose points have weights, linear within a triangle. `flat` and
    # `triangles` have the rows of `bvh.corners`; `largest` holds the largest weight of each node.
    # `flat`, the triangles without their weights, is for the CPU alone.
    bvh: Bvh
    flat: wp.array(dtype=PreparedTriangle)
    triangles: wp.array(dtype=WeightedTriangle)
    largest: wp.array(dtype=float)


@wp.kernel
def prepare_triangles(
    corners: wp.array2d(dtype=wp.vec3),
    weights: wp.array2d(dtype=float),
    triangles: wp.array(dtype=WeightedTriangle),
) -> None:
    t = wp.tid()
    triangles[t] = prepare_weighted(
        corners[t, 0], corners[t, 1], corners[t, 2], weights[t, 0], weights[t, 1], weights[t, 2]
    )


@wp.kernel
def find_weighted_batched(
    tree: WeightedBvh,
    points: wp.array(dtype=wp.vec3),
    limit: wp.array(dtype=float),
    face: wp.array(dtype=int),
) -> None:
    # The triangle of least distance minus weight, of those below `limit`; others leave `face` as it
    # is. A node is visited if its box is nearer than the best value plus its largest weight.
    px = Floats32()
    py = Floats32()
    pz = Floats32()
    best = Floats32()
    found = Ints32()
    near = Ints32()
    first = wp.tid() * BATCHES * LANES
    end = wp.min(first + BATCHES * LANES, points.shape[0])
    for start in range(first, end, LANES):
        # 1. Load the points.
        middle = wp.vec3()
        for k in range(LANES):
            i = wp.min(start + k, points.shape[0] - 1)
            p = points[i]
            middle += p / float(LANES)
            px[k] = p[0]
            py[k] = p[1]
            pz[k] = p[2]
            best[k] = limit[i]
            found[k] = -1

        # 2. Descend first into the child that is nearer to the points' mean. The trail has one bit
        #    a level: 1 if the first child was the right one.
        node = int(1)
        depth = int(0)
        trail = int(0)
        while True:
            box = tree.bvh.boxes[node]
            largest = tree.largest[node]
            within = int(0)
            block = int(0)
            while within == 0 and block < LANES:
                for j in range(BLOCK):
                    k = block + j
                    gap = squared_distance_to_box(box, wp.vec3(px[k], py[k], pz[k]))
                    reach = best[k] + largest
                    reach = wp.where(reach > 0.0, reach, 0.0)
                    within += wp.where(gap < reach * reach, 1, 0)
                block += BLOCK
            if within > 0 and node < tree.bvh.leaves:
                left = squared_distance_to_box(tree.bvh.boxes[2 * node], middle)
                right = squared_distance_to_box(tree.bvh.boxes[2 * node + 1], middle)
                turn = wp.where(right < left, 1, 0)
                node = 2 * node + turn
                depth += 1
                trail = (trail & ~(1 << depth)) | (turn << depth)
                continue
            if within > 0:
                leaf = node - tree.bvh.leaves
                for t in range(tree.bvh.leaf_start[leaf], tree.bvh.leaf_start[leaf + 1]):
                    flat = tree.flat[t]
                    triangle = tree.triangles[t]
                    around = box_around(flat.a, flat.b, flat.c)
                    beside = int(0)
                    for k in range(LANES):
                        gap = squared_distance_to_box(around, wp.vec3(px[k], py[k], pz[k]))
                        reach = best[k] + triangle.largest
                        reach = wp.where(reach > 0.0, reach, 0.0)
                        beside += wp.where(BOX_SHARE * gap < reach * reach + BOX_MARGIN, 1, 0)
                    # Few points are near enough to need the exact value with its square roots.
                    passing = int(0)
                    if beside > 0:
                        for k in range(LANES):
                            p = wp.vec3(px[k], py[k], pz[k])
                            square = squared_distance_to_triangle(flat, p)
                            reach = best[k] + triangle.largest
                            reach = wp.where(reach > 0.0, reach, 0.0)
                            near[k] = wp.where(square < reach * reach, 1, 0)
                            passing += near[k]
                    if passing > SCALAR_LANES:
                        for k in range(LANES):
                            value = least_over_triangle(triangle, wp.vec3(px[k], py[k], pz[k]))
                            value = wp.where(near[k] > 0, value, best[k])
                            closer = value < best[k]
                            best[k] = wp.where(closer, value, best[k])
                            found[k] = wp.where(closer, t, found[k])
                    elif passing > 0:
                        for k in range(LANES):
                            if near[k] > 0:
                                p = wp.vec3(px[k], py[k], pz[k])
                                value = least_over_triangle(triangle, p)
                                if value < best[k]:
                                    best[k] = value
                                    found[k] = t
            # Go up while this was the second child, then to the second child.
            while node > 1 and node % 2 != (trail >> depth) % 2:
                node = node // 2
                depth -= 1
            if node == 1:
                break
            node = wp.where(node % 2 == 0, node + 1, node - 1)

        # 3. Store the faces.
        for k in range(LANES):
            if start + k < points.shape[0] and found[k] >= 0:
                face[start + k] = tree.bvh.face[found[k]]


@wp.kernel
def find_weighted(
    tree: WeightedBvh,
    points: wp.array(dtype=wp.vec3),
    limit: wp.array(dtype=float),
    face: wp.array(dtype=int),
) -> None:
    # The same with one thread a point.
    i = wp.tid()
    p = points[i]
    best = limit[i]
    found = int(-1)
    node = int(1)
    while node > 0:
        reach = wp.max(best + tree.largest[node], 0.0)
        within = squared_distance_to_box(tree.bvh.boxes[node], p) < reach * reach
        if within and node < tree.bvh.leaves:
            node = 2 * node
            continue
        if within:
            leaf = node - tree.bvh.leaves
            for t in range(tree.bvh.leaf_start[leaf], tree.bvh.leaf_start[leaf + 1]):
                value = least_over_triangle(tree.triangles[t], p)
                if value < best:
                    best = value
                    found = t
        node = next_node(node)
    if found >= 0:
        face[i] = tree.bvh.face[found]


@wp.kernel
def locate_weighted(
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    weights: wp.array(dtype=float),
    points: wp.array(dtype=wp.vec3),
    found: WeightedPoints,
) -> None:
    # Computes the best points on the faces that were found, in double precision.
    i = wp.tid()
    t = found.face[i]
    if t >= 0:
        a = wp.vec3d(vertices[faces[t, 0]])
        b = wp.vec3d(vertices[faces[t, 1]])
        c = wp.vec3d(vertices[faces[t, 2]])
        corner_weights = wp.vec3d(
            wp.float64(weights[faces[t, 0]]),
            wp.float64(weights[faces[t, 1]]),
            wp.float64(weights[faces[t, 2]]),
        )
        p = wp.vec3d(points[i])
        at = weighted_minimum(a, b, c, corner_weights, p)
        closest = at[0] * a + at[1] * b + at[2] * c
        found.closest[i] = wp.vec3(closest)
        found.distance[i] = float(wp.length(closest - p))
        found.weight[i] = float(wp.dot(corner_weights, at))

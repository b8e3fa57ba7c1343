"""Device code of nearest-point queries: see `shapegan.pipeline.queries.nearest`.

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
    smaller,
)
from shapegan.pipeline.queries.closest_point_functions import (
    BOX_MARGIN,
    BOX_SHARE,
    PreparedTriangle,
    closest_point,
    closest_weights,
    prepare_triangle,
    squared_distance_to_box,
    squared_distance_to_triangle,
)
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

NOT_FOUND = wp.constant(1.0e18)
"""The distance where there is no triangle; its square still fits a float."""

BATCHES = wp.constant(64)
"""Batches of `LANES` neighbouring points that one thread searches. The point found last bounds the
next search."""


@wp.struct
class NearestPoints:
    # The nearest point on triangles for each of N points, its triangle, and the barycentric weights
    # of that triangle's first two corners. Without one, the face is -1, the distance `NOT_FOUND`,
    # and the others are undefined: memory that is not written to costs nothing.
    distance: wp.array(dtype=float)
    closest: wp.array(dtype=wp.vec3)
    face: wp.array(dtype=int)
    weights: wp.array(dtype=wp.vec2)


@wp.kernel
def prepare_triangles(
    corners: wp.array2d(dtype=wp.vec3), triangles: wp.array(dtype=PreparedTriangle)
) -> None:
    t = wp.tid()
    triangles[t] = prepare_triangle(corners[t, 0], corners[t, 1], corners[t, 2])


@wp.kernel
def find_faces_batched(
    bvh: Bvh,
    triangles: wp.array(dtype=PreparedTriangle),
    points: wp.array(dtype=wp.vec3),
    max_distance: wp.array(dtype=float),
    face: wp.array(dtype=int),
) -> None:
    # The triangle nearest to each point, of those nearer than `max_distance`; -1 for none.
    # `triangles` has the rows of `bvh.corners`.
    px = Floats32()
    py = Floats32()
    pz = Floats32()
    limit = Floats32()
    best = Floats32()
    found = Ints32()
    last_closest = wp.vec3(NOT_FOUND, 0.0, 0.0)
    first = wp.tid() * BATCHES * LANES
    end = wp.min(first + BATCHES * LANES, points.shape[0])
    for start in range(first, end, LANES):
        # 1. Bound the squared distances by the maximum and by the point that was found last. This
        #    bound is so tight that rounding may miss every triangle; then step 3 drops it.
        middle = wp.vec3()
        for k in range(LANES):
            i = wp.min(start + k, points.shape[0] - 1)
            p = points[i]
            middle += p / float(LANES)
            px[k] = p[0]
            py[k] = p[1]
            pz[k] = p[2]
            limit[k] = wp.where(max_distance[i] > 0.0, max_distance[i] * max_distance[i], 0.0)
            bound = 1.00001 * wp.length(last_closest - p) + 1.0e-6
            best[k] = smaller(bound * bound, limit[k])
            found[k] = -1
        missed = int(1)
        while missed > 0:
            # 2. Descend first into the child that is nearer to the points' mean. The trail has one
            #    bit a level: 1 if the first child was the right one.
            node = int(1)
            depth = int(0)
            trail = int(0)
            while True:
                box = bvh.boxes[node]
                within = int(0)
                block = int(0)
                while within == 0 and block < LANES:
                    for j in range(BLOCK):
                        k = block + j
                        gap = squared_distance_to_box(box, wp.vec3(px[k], py[k], pz[k]))
                        within += wp.where(gap < best[k], 1, 0)
                    block += BLOCK
                if within > 0 and node < bvh.leaves:
                    left = squared_distance_to_box(bvh.boxes[2 * node], middle)
                    right = squared_distance_to_box(bvh.boxes[2 * node + 1], middle)
                    turn = wp.where(right < left, 1, 0)
                    node = 2 * node + turn
                    depth += 1
                    trail = (trail & ~(1 << depth)) | (turn << depth)
                    continue
                if within > 0:
                    leaf = node - bvh.leaves
                    for t in range(bvh.leaf_start[leaf], bvh.leaf_start[leaf + 1]):
                        # Half of the triangles are too far away for all points, and the test of a
                        # box takes a fraction of the time.
                        triangle = triangles[t]
                        around = box_around(triangle.a, triangle.b, triangle.c)
                        near = int(0)
                        for k in range(LANES):
                            gap = squared_distance_to_box(around, wp.vec3(px[k], py[k], pz[k]))
                            near += wp.where(BOX_SHARE * gap < best[k] + BOX_MARGIN, 1, 0)
                        if near > 0:
                            for k in range(LANES):
                                square = squared_distance_to_triangle(
                                    triangle, wp.vec3(px[k], py[k], pz[k])
                                )
                                closer = square < best[k]
                                best[k] = wp.where(closer, square, best[k])
                                found[k] = wp.where(closer, t, found[k])
                # Go up while this was the second child, then to the second child.
                while node > 1 and node % 2 != (trail >> depth) % 2:
                    node = node // 2
                    depth -= 1
                if node == 1:
                    break
                node = wp.where(node % 2 == 0, node + 1, node - 1)
            # 3. Repeat the search up to the maximum for points that the bound left without a face.
            missed = int(0)
            for k in range(LANES):
                if found[k] < 0 and best[k] < limit[k]:
                    best[k] = limit[k]
                    missed += 1

        # 4. Store the faces.
        for k in range(LANES):
            if start + k < points.shape[0]:
                face[start + k] = -1
                if found[k] >= 0:
                    face[start + k] = bvh.face[found[k]]
        t = found[LANES - 1]
        if t >= 0:
            last = wp.vec3(px[LANES - 1], py[LANES - 1], pz[LANES - 1])
            last_closest = closest_point(
                bvh.corners[t, 0], bvh.corners[t, 1], bvh.corners[t, 2], last
            )


@wp.kernel
def find_faces(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    max_distance: wp.array(dtype=float),
    face: wp.array(dtype=int),
) -> None:
    # The same with one thread a point and Warp's BVH.
    i = wp.tid()
    face[i] = -1
    if max_distance[i] > 0.0:
        found = wp.mesh_query_point_no_sign(mesh, points[i], max_distance[i])
        if found.result:
            face[i] = found.face


@wp.kernel
def locate(
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    points: wp.array(dtype=wp.vec3),
    nearest: NearestPoints,
) -> None:
    # Computes the nearest points on the faces that were found, in double precision.
    i = wp.tid()
    nearest.distance[i] = NOT_FOUND
    t = nearest.face[i]
    if t >= 0:
        a = wp.vec3d(vertices[faces[t, 0]])
        b = wp.vec3d(vertices[faces[t, 1]])
        c = wp.vec3d(vertices[faces[t, 2]])
        p = wp.vec3d(points[i])
        w = closest_weights(a, b, c, p)
        closest = w[0] * a + w[1] * b + w[2] * c
        nearest.distance[i] = float(wp.length(closest - p))
        nearest.closest[i] = wp.vec3(closest)
        nearest.weights[i] = wp.vec2(float(w[0]), float(w[1]))


@wp.kernel
def replace_rows(rows: wp.array(dtype=int), others: NearestPoints, nearest: NearestPoints) -> None:
    # Row `rows[i]` of `nearest` becomes row i of `others`.
    i = wp.tid()
    row = rows[i]
    nearest.distance[row] = others.distance[i]
    nearest.closest[row] = others.closest[i]
    nearest.weights[row] = others.weights[i]
    nearest.face[row] = others.face[i]


@wp.kernel
def keep_nearer(others: NearestPoints, nearest: NearestPoints) -> None:
    # Takes the rows of `others` that are nearer. Their faces belong to another mesh, so the face
    # becomes -1.
    i = wp.tid()
    if others.distance[i] < nearest.distance[i]:
        nearest.distance[i] = others.distance[i]
        nearest.closest[i] = others.closest[i]
        nearest.weights[i] = others.weights[i]
        nearest.face[i] = -1

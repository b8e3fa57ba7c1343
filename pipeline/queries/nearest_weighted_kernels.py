"""Device code of weighted nearest queries: see `shapegan.pipeline.queries.nearest_weighted`.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import (
    LANES,
    Bvh,
    Floats32,
    Ints32,
    next_node,
    smaller,
)
from shapegan.pipeline.queries.closest_point_functions import (
    closest_weights,
    prepare_triangle,
    squared_distance_to_box,
    squared_distance_to_triangle,
)
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

BATCHES = wp.constant(64)
"""Batches of `LANES` neighbouring points that one thread searches."""


@wp.struct
class WeightedPoints:
    # For each of N points the point of least distance minus weight, its triangle, its distance and
    # its weight. Without one, the face is -1 and the others are undefined.
    face: wp.array(dtype=int)
    closest: wp.array(dtype=wp.vec3)
    distance: wp.array(dtype=float)
    weight: wp.array(dtype=float)


@wp.struct
class WeightedEdge:
    # An edge from `start` along the unit vector `along`. The weight is `weight` at the start and
    # grows by `slope`. The least distance minus weight is at a shift of `shift` times the distance
    # from the edge's line; `low` and `high` bound where.
    start: wp.vec3
    along: wp.vec3
    weight: float
    slope: float
    shift: float
    low: float
    high: float


@wp.struct
class WeightedTriangle:
    # Edges, the unit normal, in-plane edge normals that point inwards, and the weight's gradient.
    # `shift` is as for edges. `cosine` is the least distance minus weight over a plane, per height,
    # and `largest` the largest weight.
    ab: WeightedEdge
    bc: WeightedEdge
    ca: WeightedEdge
    inwards_ab: wp.vec3
    inwards_bc: wp.vec3
    inwards_ca: wp.vec3
    normal: wp.vec3
    gradient: wp.vec3
    shift: wp.vec3
    cosine: float
    largest: float


@wp.struct
class WeightedBvh:
    # A BVH over triangles whose points have weights, linear within a triangle. `triangles` has the
    # rows of `bvh.corners`; `largest` holds the largest weight of each node.
    bvh: Bvh
    triangles: wp.array(dtype=WeightedTriangle)
    largest: wp.array(dtype=float)


@wp.func
def prepare_edge(a: wp.vec3, b: wp.vec3, weight: float, other: float) -> WeightedEdge:
    edge = WeightedEdge()
    length = wp.length(b - a)
    edge.start = a
    edge.weight = weight
    edge.high = length
    if length > 0.0:
        edge.along = (b - a) / length
        edge.slope = (other - weight) / length
    # Where the weight grows faster than the distance, the least value is at an end.
    if wp.abs(edge.slope) < 1.0:
        edge.shift = edge.slope / wp.sqrt(1.0 - edge.slope * edge.slope)
    elif edge.slope > 0.0:
        edge.low = length
    else:
        edge.high = 0.0
    return edge


@wp.func
def weight_gradient(
    ab: wp.vec3d, ac: wp.vec3d, normal: wp.vec3d, rise_b: wp.float64, rise_c: wp.float64
) -> wp.vec3d:
    # The in-plane gradient of a linear function that rises by `rise_b` along ab, `rise_c` along ac;
    # `normal` is ab x ac.
    square = wp.dot(normal, normal)
    if square <= wp.float64(0.0):
        return wp.vec3d()
    return (rise_b * wp.cross(ac, normal) + rise_c * wp.cross(normal, ab)) / square


@wp.func
def prepare_weighted(
    a: wp.vec3, b: wp.vec3, c: wp.vec3, wa: float, wb: float, wc: float
) -> WeightedTriangle:
    # Without an area, or where the weight grows faster than the distance, the least value is on an
    # edge: the normals that point inwards are 0, so that no point counts as within.
    triangle = WeightedTriangle()
    triangle.ab = prepare_edge(a, b, wa, wb)
    triangle.bc = prepare_edge(b, c, wb, wc)
    triangle.ca = prepare_edge(c, a, wc, wa)
    triangle.largest = wp.max(wa, wp.max(wb, wc))
    ab = wp.vec3d(b) - wp.vec3d(a)
    ac = wp.vec3d(c) - wp.vec3d(a)
    normal = wp.cross(ab, ac)
    gradient = weight_gradient(ab, ac, normal, wp.float64(wb - wa), wp.float64(wc - wa))
    square = float(wp.dot(gradient, gradient))
    if square < 1.0:
        triangle.normal = wp.vec3(wp.normalize(normal))
        triangle.gradient = wp.vec3(gradient)
        triangle.cosine = wp.sqrt(1.0 - square)
        triangle.shift = triangle.gradient / triangle.cosine
        triangle.inwards_ab = wp.cross(triangle.normal, triangle.ab.along)
        triangle.inwards_bc = wp.cross(triangle.normal, triangle.bc.along)
        triangle.inwards_ca = wp.cross(triangle.normal, triangle.ca.along)
    return triangle


@wp.func
def place_on_edge(edge: WeightedEdge, p: wp.vec3) -> float:
    # How far along the edge the distance from p minus the weight is least.
    way = p - edge.start
    t = wp.dot(way, edge.along)
    t = t + edge.shift * wp.length(way - t * edge.along)
    t = wp.where(t > edge.low, t, edge.low)
    return smaller(t, edge.high)


@wp.func
def least_over_triangle(triangle: WeightedTriangle, p: wp.vec3) -> float:
    # The least distance minus weight over a triangle. The function is convex, so the least value is
    # that over the plane if it is within the triangle, and on an edge otherwise. Branch-free; the
    # height is measured from the best edge, as in `squared_distance_to_triangle`.
    t = place_on_edge(triangle.ab, p)
    offset = p - triangle.ab.start - t * triangle.ab.along
    weight = triangle.ab.weight + t * triangle.ab.slope
    least = wp.length(offset) - weight

    t = place_on_edge(triangle.bc, p)
    other_offset = p - triangle.bc.start - t * triangle.bc.along
    other_weight = triangle.bc.weight + t * triangle.bc.slope
    other = wp.length(other_offset) - other_weight
    offset = wp.where(other < least, other_offset, offset)
    weight = wp.where(other < least, other_weight, weight)
    least = smaller(other, least)

    t = place_on_edge(triangle.ca, p)
    other_offset = p - triangle.ca.start - t * triangle.ca.along
    other_weight = triangle.ca.weight + t * triangle.ca.slope
    other = wp.length(other_offset) - other_weight
    offset = wp.where(other < least, other_offset, offset)
    weight = wp.where(other < least, other_weight, weight)
    least = smaller(other, least)

    height = wp.dot(triangle.normal, offset)
    flat = offset - height * triangle.normal
    height = wp.abs(height)
    place = p + height * triangle.shift
    within = smaller(
        wp.dot(triangle.inwards_ab, place - triangle.ab.start),
        smaller(
            wp.dot(triangle.inwards_bc, place - triangle.bc.start),
            wp.dot(triangle.inwards_ca, place - triangle.ca.start),
        ),
    )
    over_plane = height * triangle.cosine - weight - wp.dot(triangle.gradient, flat)
    return wp.where(within > 0.0, over_plane, least)


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


@wp.func
def value_at(
    a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, weights: wp.vec3d, at: wp.vec3d, p: wp.vec3d
) -> wp.float64:
    # The distance minus the weight of the point with barycentric coordinates `at`.
    return wp.length(at[0] * a + at[1] * b + at[2] * c - p) - wp.dot(weights, at)


@wp.func
def share_of_edge(a: wp.vec3d, b: wp.vec3d, rise: wp.float64, p: wp.vec3d) -> wp.float64:
    # The share of the edge from a to b at which the distance minus the weight is least; the weight
    # rises by `rise` along it.
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    length = wp.length(b - a)
    if wp.abs(rise) >= length:
        return wp.where(rise > zero, one, zero)
    slope = rise / length
    along = (b - a) / length
    t = wp.dot(p - a, along)
    t += wp.length(p - a - t * along) * slope / wp.sqrt(one - slope * slope)
    return wp.clamp(t / length, zero, one)


@wp.func
def weighted_minimum(
    a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, weights: wp.vec3d, p: wp.vec3d
) -> wp.vec3d:
    # Barycentric coordinates of the point q of a triangle with the least |p - q| - weight(q).
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    # 1. The best point of each edge.
    t = share_of_edge(a, b, weights[1] - weights[0], p)
    best = wp.vec3d(one - t, t, zero)
    least = value_at(a, b, c, weights, best, p)
    t = share_of_edge(b, c, weights[2] - weights[1], p)
    other = wp.vec3d(zero, one - t, t)
    value = value_at(a, b, c, weights, other, p)
    if value < least:
        least = value
        best = other
    t = share_of_edge(c, a, weights[0] - weights[2], p)
    other = wp.vec3d(t, zero, one - t)
    value = value_at(a, b, c, weights, other, p)
    if value < least:
        least = value
        best = other

    # 2. The best point of the plane.
    normal = wp.cross(b - a, c - a)
    gradient = weight_gradient(
        b - a, c - a, normal, weights[1] - weights[0], weights[2] - weights[0]
    )
    square = wp.dot(gradient, gradient)
    if square < one:
        height = wp.abs(wp.dot(wp.normalize(normal), p - a))
        place = p + gradient * height / wp.sqrt(one - square)
        other = closest_weights(a, b, c, place)
        if value_at(a, b, c, weights, other, p) < least:
            best = other
    return best


@wp.func
def least_in_box(tree: WeightedBvh, node: int, p: wp.vec3) -> float:
    return wp.sqrt(squared_distance_to_box(tree.bvh.boxes[node], p)) - tree.largest[node]


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

        # 2. Descend first into the child with the smaller bound at the points' mean. The trail has
        #    one bit a level: 1 if the first child was the right one.
        node = int(1)
        depth = int(0)
        trail = int(0)
        while True:
            box = tree.bvh.boxes[node]
            largest = tree.largest[node]
            within = int(0)
            for k in range(LANES):
                gap = squared_distance_to_box(box, wp.vec3(px[k], py[k], pz[k]))
                reach = best[k] + largest
                reach = wp.where(reach > 0.0, reach, 0.0)
                within += wp.where(gap < reach * reach, 1, 0)
            if within > 0 and node < tree.bvh.leaves:
                left = least_in_box(tree, 2 * node, middle)
                right = least_in_box(tree, 2 * node + 1, middle)
                turn = wp.where(right < left, 1, 0)
                node = 2 * node + turn
                depth += 1
                trail = (trail & ~(1 << depth)) | (turn << depth)
                continue
            if within > 0:
                leaf = node - tree.bvh.leaves
                for t in range(tree.bvh.leaf_start[leaf], tree.bvh.leaf_start[leaf + 1]):
                    # Few points are near enough to need the exact value with its square roots.
                    flat = prepare_triangle(
                        tree.bvh.corners[t, 0], tree.bvh.corners[t, 1], tree.bvh.corners[t, 2]
                    )
                    triangle = tree.triangles[t]
                    passing = int(0)
                    for k in range(LANES):
                        p = wp.vec3(px[k], py[k], pz[k])
                        square = squared_distance_to_triangle(flat, p)
                        reach = best[k] + triangle.largest
                        reach = wp.where(reach > 0.0, reach, 0.0)
                        near[k] = wp.where(square < reach * reach, 1, 0)
                        passing += near[k]
                    for k in range(wp.where(passing > 0, LANES, 0)):
                        value = best[k]
                        if near[k] > 0:
                            p = wp.vec3(px[k], py[k], pz[k])
                            value = least_over_triangle(triangle, p)
                        closer = value < best[k]
                        best[k] = wp.where(closer, value, best[k])
                        found[k] = wp.where(closer, t, found[k])
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

"""Device functions: least distance minus weight over one triangle or edge.

`shapegan.pipeline.queries` explains how such files are written, and
`shapegan.pipeline.queries.nearest_weighted` the formulas.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import smaller
from shapegan.pipeline.queries.closest_point_functions import closest_weights
from shapegan.pipeline.warp_runtime import start_warp

start_warp()


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
def chosen(first: bool, one: wp.vec3, other: wp.vec3) -> wp.vec3:
    # Like `wp.where`, but by components: compilers make vector instructions of it.
    return wp.vec3(
        wp.where(first, one[0], other[0]),
        wp.where(first, one[1], other[1]),
        wp.where(first, one[2], other[2]),
    )


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
    offset = chosen(other < least, other_offset, offset)
    weight = wp.where(other < least, other_weight, weight)
    least = smaller(other, least)

    t = place_on_edge(triangle.ca, p)
    other_offset = p - triangle.ca.start - t * triangle.ca.along
    other_weight = triangle.ca.weight + t * triangle.ca.slope
    other = wp.length(other_offset) - other_weight
    offset = chosen(other < least, other_offset, offset)
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


@wp.func
def value_at(
    a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, weights: wp.vec3d, at: wp.vec3d, p: wp.vec3d
) -> wp.float64:
    # The distance minus the weight of the point with barycentric coordinates `at`.
    return wp.length(at[0] * a + at[1] * b + at[2] * c - p) - wp.dot(weights, at)


@wp.func
def share_of_edge(a: wp.vec3d, b: wp.vec3d, rise: wp.float64, p: wp.vec3d) -> wp.float64:
    # The share of the edge from a to b at which the distance minus the weight is least; the weight
    # rises by `rise` along it. With the height h of p over the edge, the length l and the slope s =
    # `rise` / l that is the foot's share plus h s / (l sqrt(1 - s^2)).
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    along = b - a
    square = wp.dot(along, along)
    if rise * rise >= square:
        return wp.where(rise > zero, one, zero)
    over = one / square
    way = p - a
    t = wp.dot(way, along) * over
    t += wp.length(way - t * along) * rise * over / wp.sqrt(one - rise * rise * over)
    return wp.clamp(t, zero, one)


@wp.func
def weighted_minimum(
    a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, weights: wp.vec3d, p: wp.vec3d
) -> wp.vec3d:
    # Barycentric coordinates of the point q of a triangle with the least |p - q| - weight(q).
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    # 1. The best point of the plane. The function is convex: if that point is within the triangle,
    #    no point of an edge is better.
    normal = wp.cross(b - a, c - a)
    gradient = weight_gradient(
        b - a, c - a, normal, weights[1] - weights[0], weights[2] - weights[0]
    )
    square = wp.dot(gradient, gradient)
    best = wp.vec3d(one, zero, zero)
    if square < one:
        height = wp.abs(wp.dot(wp.normalize(normal), p - a))
        best = closest_weights(a, b, c, p + gradient * height / wp.sqrt(one - square))
        if best[0] > zero and best[1] > zero and best[2] > zero:
            return best

    # 2. The best point of each edge.
    least = value_at(a, b, c, weights, best, p)
    t = share_of_edge(a, b, weights[1] - weights[0], p)
    other = wp.vec3d(one - t, t, zero)
    value = value_at(a, b, c, weights, other, p)
    if value < least:
        least = value
        best = other
    t = share_of_edge(b, c, weights[2] - weights[1], p)
    other = wp.vec3d(zero, one - t, t)
    value = value_at(a, b, c, weights, other, p)
    if value < least:
        least = value
        best = other
    t = share_of_edge(c, a, weights[0] - weights[2], p)
    other = wp.vec3d(t, zero, one - t)
    if value_at(a, b, c, weights, other, p) < least:
        best = other
    return best

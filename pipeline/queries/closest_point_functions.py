"""Device functions: closest points and distances of one triangle or box.

`shapegan.pipeline.queries` explains how such files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import Box, larger, smaller
from shapegan.pipeline.warp_runtime import start_warp

start_warp()

BOX_SHARE = wp.constant(0.9999)
BOX_MARGIN = wp.constant(5.0e-8)
"""The squared distance to a triangle plus `BOX_MARGIN` is at least `BOX_SHARE` of that to its box,
although rounding moves the nearest point by up to 1e-6, cube frame."""


@wp.func
def closest_weights(a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, q: wp.vec3d) -> wp.vec3d:
    # Barycentric weights of the point of a triangle that is closest to q: by the region, of a
    # corner, an edge or the inside, in which q projects (Ericson 2005, "Real-time collision
    # detection", section 5.1.5). In double precision, since single precision leaves no correct
    # digit on long thin triangles.
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    ab = b - a
    ac = c - a
    d1 = wp.dot(ab, q - a)
    d2 = wp.dot(ac, q - a)
    d3 = wp.dot(ab, q - b)
    d4 = wp.dot(ac, q - b)
    d5 = wp.dot(ab, q - c)
    d6 = wp.dot(ac, q - c)
    if d1 <= zero and d2 <= zero:
        return wp.vec3d(one, zero, zero)
    if d3 >= zero and d4 <= d3:
        return wp.vec3d(zero, one, zero)
    if d6 >= zero and d5 <= d6:
        return wp.vec3d(zero, zero, one)
    wc = d1 * d4 - d3 * d2
    if wc <= zero and d1 >= zero and d3 <= zero:
        t = d1 / (d1 - d3)
        return wp.vec3d(one - t, t, zero)
    wb = d5 * d2 - d1 * d6
    if wb <= zero and d2 >= zero and d6 <= zero:
        t = d2 / (d2 - d6)
        return wp.vec3d(one - t, zero, t)
    wa = d3 * d6 - d5 * d4
    if wa <= zero and d4 - d3 >= zero and d5 - d6 >= zero:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return wp.vec3d(zero, one - t, t)
    total = wa + wb + wc
    rounded = wp.abs(d1 * d4) + wp.abs(d3 * d2) + wp.abs(d5 * d2) + wp.abs(d1 * d6)
    rounded += wp.abs(d3 * d6) + wp.abs(d5 * d4)
    if total <= wp.float64(1.0e-14) * rounded:
        # Without an area the weights are rounding errors: take the closest point of the longest
        # edge, which covers the triangle.
        bc = c - b
        if wp.dot(bc, bc) >= wp.max(wp.dot(ab, ab), wp.dot(ac, ac)):
            t = wp.clamp(wp.dot(q - b, bc) / wp.dot(bc, bc), zero, one)
            return wp.vec3d(zero, one - t, t)
        if wp.dot(ab, ab) >= wp.dot(ac, ac):
            t = wp.clamp(d1 / wp.dot(ab, ab), zero, one)
            return wp.vec3d(one - t, t, zero)
        t = wp.clamp(d2 / wp.dot(ac, ac), zero, one)
        return wp.vec3d(one - t, zero, t)
    return wp.vec3d(wa / total, wb / total, wc / total)


@wp.func
def closest_point(a: wp.vec3, b: wp.vec3, c: wp.vec3, p: wp.vec3) -> wp.vec3:
    w = closest_weights(wp.vec3d(a), wp.vec3d(b), wp.vec3d(c), wp.vec3d(p))
    return wp.vec3(w[0] * wp.vec3d(a) + w[1] * wp.vec3d(b) + w[2] * wp.vec3d(c))


@wp.func
def distance_to_interval(low: float, high: float, x: float) -> float:
    return larger(larger(low - x, x - high), 0.0)


@wp.func
def squared_distance_to_box(box: Box, p: wp.vec3) -> float:
    x = distance_to_interval(box.low[0], box.high[0], p[0])
    y = distance_to_interval(box.low[1], box.high[1], p[1])
    z = distance_to_interval(box.low[2], box.high[2], p[2])
    return x * x + y * y + z * z


@wp.struct
class PreparedTriangle:
    # A triangle with all that does not depend on the point: edges, their inverse squared lengths,
    # in-plane edge normals that point inwards, and the unit normal.
    a: wp.vec3
    b: wp.vec3
    c: wp.vec3
    ab: wp.vec3
    bc: wp.vec3
    ca: wp.vec3
    inverse_ab: float
    inverse_bc: float
    inverse_ca: float
    inwards_ab: wp.vec3
    inwards_bc: wp.vec3
    inwards_ca: wp.vec3
    normal: wp.vec3


@wp.func
def inverse_square(v: wp.vec3) -> float:
    return 1.0 / wp.max(wp.dot(v, v), 1.0e-30)


@wp.func
def prepare_triangle(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> PreparedTriangle:
    # The normal of a thin triangle needs double precision. Without an area it is 0, and then no
    # point projects into the triangle.
    triangle = PreparedTriangle()
    triangle.a = a
    triangle.b = b
    triangle.c = c
    triangle.ab = b - a
    triangle.bc = c - b
    triangle.ca = a - c
    triangle.inverse_ab = inverse_square(triangle.ab)
    triangle.inverse_bc = inverse_square(triangle.bc)
    triangle.inverse_ca = inverse_square(triangle.ca)
    ab = wp.vec3d(b) - wp.vec3d(a)
    normal = wp.normalize(wp.cross(ab, wp.vec3d(c) - wp.vec3d(a)))
    triangle.normal = wp.vec3(normal)
    triangle.inwards_ab = wp.cross(triangle.normal, triangle.ab)
    triangle.inwards_bc = wp.cross(triangle.normal, triangle.bc)
    triangle.inwards_ca = wp.cross(triangle.normal, triangle.ca)
    return triangle


@wp.func
def offset_from_edge(p: wp.vec3, edge: wp.vec3, inverse: float) -> wp.vec3:
    # The vector to p from the closest point of an edge that starts at the origin; `inverse` is one
    # over the edge's squared length.
    t = wp.dot(p, edge) * inverse
    t = wp.where(t > 0.0, t, 0.0)
    t = smaller(t, 1.0)
    return p - t * edge


@wp.func
def squared_distance_to_triangle(triangle: PreparedTriangle, p: wp.vec3) -> float:
    # Branch-free: the distance to the closest edge or, where p projects into the triangle, the
    # height above its plane. The height is measured from the closest edge: from farther away, the
    # rounding of the normal would count for too much.
    a = p - triangle.a
    b = p - triangle.b
    c = p - triangle.c
    offset = offset_from_edge(a, triangle.ab, triangle.inverse_ab)
    square = wp.dot(offset, offset)
    height = wp.dot(triangle.normal, offset)
    offset = offset_from_edge(b, triangle.bc, triangle.inverse_bc)
    other = wp.dot(offset, offset)
    height = wp.where(other < square, wp.dot(triangle.normal, offset), height)
    square = smaller(other, square)
    offset = offset_from_edge(c, triangle.ca, triangle.inverse_ca)
    other = wp.dot(offset, offset)
    height = wp.where(other < square, wp.dot(triangle.normal, offset), height)
    square = smaller(other, square)
    within = smaller(
        wp.dot(triangle.inwards_ab, a),
        smaller(wp.dot(triangle.inwards_bc, b), wp.dot(triangle.inwards_ca, c)),
    )
    return wp.where(within > 0.0, height * height, square)

"""Device code that finds the cuts that cross pieces of faces.

See `shapegan.pipeline.shell.intersections`.
`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

TINY = wp.constant(wp.float64(2.2250738585072014e-308))
"""The least length that vectors are divided by."""


@wp.struct
class Cuts:
    # Segments in the planes of the faces that they cut, the unit normal of the plane, and the unit
    # vector in it to the left of the segment.
    start: wp.array(dtype=wp.vec3d)
    end: wp.array(dtype=wp.vec3d)
    normal: wp.array(dtype=wp.vec3d)
    left: wp.array(dtype=wp.vec3d)


@wp.func
def dot(a: wp.vec3d, b: wp.vec3d) -> wp.float64:
    # The order in which numpy's `einsum` adds: shards made by it keep their bytes.
    return a[0] * b[0] + a[2] * b[2] + a[1] * b[1]


@wp.func
def side_of(p: wp.vec3d, start: wp.vec3d, left: wp.vec3d, width: wp.float64) -> wp.float64:
    # Signed distance of a point from a line in its plane, positive to the left; 0 up to a width.
    side = dot(p, left) - dot(start, left)
    return wp.where(wp.abs(side) <= width, wp.float64(0.0), side)


@wp.func
def inwards_from(start: wp.vec3d, end: wp.vec3d, normal: wp.vec3d) -> wp.vec3d:
    # The unit vector in a triangle's plane from an edge inwards.
    inwards = wp.cross(normal, end - start)
    square = inwards[0] * inwards[0] + inwards[1] * inwards[1] + inwards[2] * inwards[2]
    return inwards / wp.max(wp.sqrt(square), TINY)


@wp.kernel
def find_crossing(
    corners: wp.array2d(dtype=wp.vec3d),
    piece: wp.array(dtype=wp.int64),
    cuts: Cuts,
    cut: wp.array(dtype=wp.int64),
    width: wp.float64,
    tolerance: wp.float64,
    side: wp.array(dtype=wp.vec3d),
    crosses: wp.array(dtype=wp.bool),
) -> None:
    # For each pair of a piece and a cut, the sides of the cut on which the piece's corners lie, and
    # whether the cut crosses the piece: corners lie on both sides, and more of the cut than an end
    # lies in the piece and not along an edge.
    i = wp.tid()
    zero = wp.float64(0.0)
    one = wp.float64(1.0)
    of_piece = piece[i]
    of_cut = cut[i]
    start = cuts.start[of_cut]
    left = cuts.left[of_cut]
    sides = wp.vec3d()
    for k in range(3):
        sides[k] = side_of(corners[of_piece, k], start, left, width)
    side[i] = sides
    crosses[i] = False
    if wp.min(sides) >= zero or wp.max(sides) <= zero:
        return
    end = cuts.end[of_cut]
    normal = cuts.normal[of_cut]
    enters = zero
    leaves = one
    for k in range(3):
        corner = corners[of_piece, k]
        inwards = inwards_from(corner, corners[of_piece, (k + 1) % 3], normal)
        first = dot(start - corner, inwards)
        last = dot(end - corner, inwards)
        if first <= tolerance and last <= tolerance:
            return
        if first < zero:
            enters = wp.max(enters, first / (first - last))
        if last < zero:
            leaves = wp.min(leaves, first / (first - last))
    way = end - start
    length = wp.sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2])
    crosses[i] = (leaves - enters) * length > tolerance

"""The device code of how nodes of trees over triangles look from afar, leaves first.

`shapegan.pipeline.queries.winding_bvh` has the formulas; `shapegan.pipeline.queries` explains how
kernel files are written. All sums are in double precision.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import Box, Triangles
from shapegan.pipeline.queries.winding_kernels import FIVE, SEVEN, Node
from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

NO_AREA = wp.constant(wp.float64(1e-100))
"""Faces weigh at least this much when centres are found: there may be none with an area."""

SIX = wp.types.vector(length=6, dtype=wp.float64)
TEN = wp.types.vector(length=10, dtype=wp.float64)


@wp.struct
class Part:
    # A triangle, or a node of them, as it is from afar. Of a symmetric matrix there are xx, xy, xz,
    # yy, yz and zz, of a cube xxx, xxy, xxz, xyy, xyz, xzz, yyy, yyz, yzz and zzz. The radius is
    # that of a ball round the centre that holds all.
    area: wp.float64
    center: wp.vec3d
    dipole: wp.vec3d
    first: SIX
    second: TEN
    radius: wp.float64


@wp.func
def square_of(d: wp.vec3d) -> SIX:
    return SIX(d[0] * d[0], d[0] * d[1], d[0] * d[2], d[1] * d[1], d[1] * d[2], d[2] * d[2])


@wp.func
def pair(n: wp.vec3d, d: wp.vec3d) -> SIX:
    # The symmetric part of the product of two vectors.
    half = wp.float64(0.5)
    return SIX(
        n[0] * d[0],
        half * (n[0] * d[1] + n[1] * d[0]),
        half * (n[0] * d[2] + n[2] * d[0]),
        n[1] * d[1],
        half * (n[1] * d[2] + n[2] * d[1]),
        n[2] * d[2],
    )


@wp.func
def triple(n: wp.vec3d, m: SIX) -> TEN:
    # The symmetric part of the product of a vector and a symmetric matrix.
    third = wp.float64(1.0 / 3.0)
    two = wp.float64(2.0)
    return TEN(
        n[0] * m[0],
        third * (two * n[0] * m[1] + n[1] * m[0]),
        third * (two * n[0] * m[2] + n[2] * m[0]),
        third * (n[0] * m[3] + two * n[1] * m[1]),
        third * (n[0] * m[4] + n[1] * m[2] + n[2] * m[1]),
        third * (n[0] * m[5] + two * n[2] * m[2]),
        n[1] * m[3],
        third * (two * n[1] * m[4] + n[2] * m[3]),
        third * (n[1] * m[5] + two * n[2] * m[4]),
        n[2] * m[5],
    )


@wp.func
def triangle(tree: Triangles, t: int) -> Part:
    # Round its centroid, where the first moments are 0.
    a = wp.vec3d(tree.corners[t, 0])
    b = wp.vec3d(tree.corners[t, 1])
    c = wp.vec3d(tree.corners[t, 2])
    part = Part()
    part.center = (a + b + c) / wp.float64(3.0)
    a -= part.center
    b -= part.center
    c -= part.center
    part.dipole = wp.float64(0.5) * wp.cross(b - a, c - a)
    part.area = wp.max(wp.length(part.dipole), NO_AREA)
    square = square_of(a) + square_of(b) + square_of(c)
    part.second = triple(part.dipole, square / wp.float64(12.0))
    part.radius = wp.max(wp.length(a), wp.max(wp.length(b), wp.length(c)))
    return part


@wp.func
def place(part: Part) -> Part:
    # Where a part is, without its moments.
    bare = Part()
    bare.area = part.area
    bare.center = part.center
    return bare


@wp.func
def joined(one: Part, other: Part) -> Part:
    # Where two parts are, without their moments.
    whole = Part()
    whole.area = one.area + other.area
    whole.center = (one.area * one.center + other.area * other.center) / whole.area
    return whole


@wp.func
def gained(whole: Part, part: Part) -> Part:
    # Adds a part's moments, about the centre of the whole.
    d = part.center - whole.center
    whole.dipole += part.dipole
    whole.first += part.first + pair(part.dipole, d)
    whole.second += (
        part.second + wp.float64(2.0) * triple(d, part.first) + triple(part.dipole, square_of(d))
    )
    whole.radius = wp.max(whole.radius, wp.length(d) + part.radius)
    return whole


@wp.func
def enclosed(whole: Part, box: Box) -> Part:
    # Within balls round the parts' balls, and within the box.
    corner = wp.max(wp.vec3d(box.high) - whole.center, whole.center - wp.vec3d(box.low))
    whole.radius = wp.min(whole.radius, wp.length(corner))
    return whole


@wp.kernel
def make_leaves(tree: Triangles, parts: wp.array(dtype=Part)) -> None:
    leaf = wp.tid()
    start = tree.first[leaf]
    end = tree.first[leaf + 1]
    whole = place(triangle(tree, start))
    for t in range(start + 1, end):
        whole = joined(whole, triangle(tree, t))
    for t in range(start, end):
        whole = gained(whole, triangle(tree, t))
    parts[leaf] = enclosed(whole, tree.boxes[tree.leaves + leaf])


@wp.kernel
def join_pairs(tree: Triangles, parts: wp.array(dtype=Part), above: wp.array(dtype=Part)) -> None:
    i = wp.tid()
    one = parts[2 * i]
    other = parts[2 * i + 1]
    whole = gained(gained(joined(one, other), one), other)
    above[i] = enclosed(whole, tree.boxes[above.shape[0] + i])


@wp.kernel
def see_from_afar(
    parts: wp.array(dtype=Part),
    far: float,
    nodes: wp.array(dtype=Node),
) -> None:
    # What walks look at of a level: of the moments, what has no trace. Its first node has as number
    # how many there are in it.
    part = parts[wp.tid()]
    i = parts.shape[0] + wp.tid()
    m = part.first
    trace = (m[0] + m[3] + m[5]) / wp.float64(3.0)
    q = part.second
    three = wp.float64(3.0)
    five = wp.float64(5.0)
    x = (q[0] + q[3] + q[5]) / five
    y = (q[1] + q[6] + q[8]) / five
    z = (q[2] + q[7] + q[9]) / five
    node = Node()
    node.center = wp.vec3(part.center)
    reach = wp.float64(far) * part.radius
    node.reach = float(reach * reach)
    node.dipole = wp.vec3(part.dipole)
    node.first = FIVE(
        float(m[0] - trace), float(m[1]), float(m[2]), float(m[3] - trace), float(m[4])
    )
    node.second = SEVEN(
        float(q[0] - three * x),
        float(q[1] - y),
        float(q[2] - z),
        float(q[3] - x),
        float(q[4]),
        float(q[6] - three * y),
        float(q[7] - z),
    )
    nodes[i] = node

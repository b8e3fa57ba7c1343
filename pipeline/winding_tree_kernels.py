"""The device code that builds trees over triangles, leaves first.

`shapegan.pipeline.winding_tree` has the formulas; `shapegan.pipeline.kernels` says why it looks as
it does. All sums are in double precision.
"""

import warp as wp

from shapegan.pipeline.silence import start_warp
from shapegan.pipeline.winding_kernels import FIVE, SEVEN, Box, Node

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
    low: wp.vec3d
    high: wp.vec3d


@wp.kernel
def halve(
    centers: wp.array(dtype=wp.vec3),
    bounds: wp.array(dtype=int),
    leaves: int,
    order: wp.array(dtype=int),
) -> None:
    # A node of so many leaves, whose triangles are a stretch of `order`: puts those that are lower
    # along its longest side into its first half. Hoare's quickselect.
    node = wp.tid()
    start = bounds[leaves * node]
    end = bounds[leaves * (node + 1)]
    middle = bounds[leaves * node + leaves // 2]
    low = centers[order[start]]
    high = low
    for k in range(start, end):
        low = wp.min(low, centers[order[k]])
        high = wp.max(high, centers[order[k]])
    side = high - low
    axis = int(0)
    if side[1] > side[0]:
        axis = 1
    if side[2] > side[axis]:
        axis = 2
    left = int(start)
    right = int(end - 1)
    while left < right:
        pivot = centers[order[(left + right) // 2]][axis]
        a = int(left)
        b = int(right)
        while a <= b:
            while centers[order[a]][axis] < pivot:
                a += 1
            while centers[order[b]][axis] > pivot:
                b -= 1
            if a <= b:
                swapped = order[a]
                order[a] = order[b]
                order[b] = swapped
                a += 1
                b -= 1
        # What is from b + 1 to a - 1 is the pivot.
        if middle <= b:
            right = b
        elif middle >= a:
            left = a
        else:
            left = right


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
def triangle(a: wp.vec3d, b: wp.vec3d, c: wp.vec3d) -> Part:
    # Round its centroid, where the first moments are 0.
    part = Part()
    part.center = (a + b + c) / wp.float64(3.0)
    part.low = wp.min(a, wp.min(b, c))
    part.high = wp.max(a, wp.max(b, c))
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
    bare.low = part.low
    bare.high = part.high
    return bare


@wp.func
def joined(one: Part, other: Part) -> Part:
    # Where two parts are, without their moments.
    whole = Part()
    whole.area = one.area + other.area
    whole.center = (one.area * one.center + other.area * other.center) / whole.area
    whole.low = wp.min(one.low, other.low)
    whole.high = wp.max(one.high, other.high)
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
def enclosed(whole: Part) -> Part:
    # Within balls round the parts' balls, and within the box.
    corner = wp.max(whole.high - whole.center, whole.center - whole.low)
    whole.radius = wp.min(whole.radius, wp.length(corner))
    return whole


@wp.kernel
def make_leaves(
    corners: wp.array2d(dtype=wp.vec3d),
    bounds: wp.array(dtype=int),
    parts: wp.array(dtype=Part),
) -> None:
    leaf = wp.tid()
    start = bounds[leaf]
    end = bounds[leaf + 1]
    whole = place(triangle(corners[start, 0], corners[start, 1], corners[start, 2]))
    for t in range(start + 1, end):
        whole = joined(whole, triangle(corners[t, 0], corners[t, 1], corners[t, 2]))
    for t in range(start, end):
        whole = gained(whole, triangle(corners[t, 0], corners[t, 1], corners[t, 2]))
    parts[leaf] = enclosed(whole)


@wp.kernel
def join_pairs(parts: wp.array(dtype=Part), above: wp.array(dtype=Part)) -> None:
    i = wp.tid()
    one = parts[2 * i]
    other = parts[2 * i + 1]
    whole = gained(gained(joined(one, other), one), other)
    above[i] = enclosed(whole)


@wp.kernel
def see_from_afar(
    parts: wp.array(dtype=Part),
    far: float,
    nodes: wp.array(dtype=Node),
    boxes: wp.array(dtype=Box),
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
    box = Box()
    box.low = wp.vec3(part.low)
    box.high = wp.vec3(part.high)
    boxes[i] = box

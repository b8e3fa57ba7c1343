"""Device code that computes the multipoles of a BVH's nodes, leaves first, in double precision.

`shapegan.pipeline.queries.winding_bvh` has the formulas; `shapegan.pipeline.queries` explains how
kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import Box, Bvh
from shapegan.pipeline.queries.winding_kernels import Node, TracelessCube, TracelessMatrix
from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

MIN_AREA = wp.constant(wp.float64(1e-100))
"""The least weight of a face in the mean of centres, since all faces of a node may lack an area."""

SymmetricMatrix = wp.types.vector(length=6, dtype=wp.float64)
"""xx, xy, xz, yy, yz, zz of a symmetric 3 x 3 matrix."""

SymmetricCube = wp.types.vector(length=10, dtype=wp.float64)
"""xxx, xxy, xxz, xyy, xyz, xzz, yyy, yyz, yzz, zzz of a symmetric 3 x 3 x 3 tensor."""


@wp.struct
class Multipole:
    # The expansion of a triangle, or of all triangles below a node, about a centre. All of them lie
    # in the ball round the centre with the radius.
    area: wp.float64
    center: wp.vec3d
    dipole: wp.vec3d
    first_moment: SymmetricMatrix
    second_moment: SymmetricCube
    radius: wp.float64


@wp.func
def self_product(d: wp.vec3d) -> SymmetricMatrix:
    return SymmetricMatrix(
        d[0] * d[0], d[0] * d[1], d[0] * d[2], d[1] * d[1], d[1] * d[2], d[2] * d[2]
    )


@wp.func
def symmetric_product(n: wp.vec3d, d: wp.vec3d) -> SymmetricMatrix:
    # The symmetric part of the outer product of two vectors.
    half = wp.float64(0.5)
    return SymmetricMatrix(
        n[0] * d[0],
        half * (n[0] * d[1] + n[1] * d[0]),
        half * (n[0] * d[2] + n[2] * d[0]),
        n[1] * d[1],
        half * (n[1] * d[2] + n[2] * d[1]),
        n[2] * d[2],
    )


@wp.func
def symmetric_cube(n: wp.vec3d, m: SymmetricMatrix) -> SymmetricCube:
    # The symmetric part of the outer product of a vector and a symmetric matrix.
    third = wp.float64(1.0 / 3.0)
    two = wp.float64(2.0)
    return SymmetricCube(
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
def triangle_multipole(bvh: Bvh, t: int) -> Multipole:
    # About the centroid, where the first moment is 0.
    a = wp.vec3d(bvh.corners[t, 0])
    b = wp.vec3d(bvh.corners[t, 1])
    c = wp.vec3d(bvh.corners[t, 2])
    part = Multipole()
    part.center = (a + b + c) / wp.float64(3.0)
    a -= part.center
    b -= part.center
    c -= part.center
    part.dipole = wp.float64(0.5) * wp.cross(b - a, c - a)
    part.area = wp.max(wp.length(part.dipole), MIN_AREA)
    square = self_product(a) + self_product(b) + self_product(c)
    part.second_moment = symmetric_cube(part.dipole, square / wp.float64(12.0))
    part.radius = wp.max(wp.length(a), wp.max(wp.length(b), wp.length(c)))
    return part


@wp.func
def centered_like(part: Multipole) -> Multipole:
    # A multipole with the centre and area of another, but without its moments.
    bare = Multipole()
    bare.area = part.area
    bare.center = part.center
    return bare


@wp.func
def centered_between(one: Multipole, other: Multipole) -> Multipole:
    # A multipole about the common centre of two others, without their moments.
    whole = Multipole()
    whole.area = one.area + other.area
    whole.center = (one.area * one.center + other.area * other.center) / whole.area
    return whole


@wp.func
def with_moments_of(whole: Multipole, part: Multipole) -> Multipole:
    # Adds the moments of a part, moved to the centre of the whole.
    d = part.center - whole.center
    whole.dipole += part.dipole
    whole.first_moment += part.first_moment + symmetric_product(part.dipole, d)
    whole.second_moment += (
        part.second_moment
        + wp.float64(2.0) * symmetric_cube(d, part.first_moment)
        + symmetric_cube(part.dipole, self_product(d))
    )
    whole.radius = wp.max(whole.radius, wp.length(d) + part.radius)
    return whole


@wp.func
def bounded_by(whole: Multipole, box: Box) -> Multipole:
    # Shrinks the radius to the farthest corner of the node's box, if that is nearer.
    corner = wp.max(wp.vec3d(box.high) - whole.center, whole.center - wp.vec3d(box.low))
    whole.radius = wp.min(whole.radius, wp.length(corner))
    return whole


@wp.func
def leaf_multipole(bvh: Bvh, leaf: int) -> Multipole:
    start = bvh.leaf_start[leaf]
    end = bvh.leaf_start[leaf + 1]
    whole = centered_like(triangle_multipole(bvh, start))
    for t in range(start + 1, end):
        whole = centered_between(whole, triangle_multipole(bvh, t))
    for t in range(start, end):
        whole = with_moments_of(whole, triangle_multipole(bvh, t))
    return bounded_by(whole, bvh.boxes[bvh.leaves + leaf])


@wp.func
def merged_multipole(bvh: Bvh, parts: wp.array(dtype=Multipole), node: int) -> Multipole:
    # The multipole of a node from those of its children.
    one = parts[2 * node]
    other = parts[2 * node + 1]
    whole = with_moments_of(with_moments_of(centered_between(one, other), one), other)
    return bounded_by(whole, bvh.boxes[node])


@wp.kernel
def leaf_multipoles(bvh: Bvh, parts: wp.array(dtype=Multipole)) -> None:
    # `parts` holds the multipoles of all nodes; row 0 is unused.
    leaf = wp.tid()
    parts[bvh.leaves + leaf] = leaf_multipole(bvh, leaf)


@wp.kernel
def merge_multipoles(bvh: Bvh, level: int, parts: wp.array(dtype=Multipole)) -> None:
    # From the children of a level of `level` nodes to these nodes.
    node = level + wp.tid()
    parts[node] = merged_multipole(bvh, parts, node)


@wp.kernel
def all_multipoles(bvh: Bvh, parts: wp.array(dtype=Multipole)) -> None:
    # The same for all levels in one thread.
    for leaf in range(bvh.leaves):
        parts[bvh.leaves + leaf] = leaf_multipole(bvh, leaf)
    for k in range(1, bvh.leaves):
        node = bvh.leaves - k
        parts[node] = merged_multipole(bvh, parts, node)


@wp.kernel
def store_moments(
    parts: wp.array(dtype=Multipole),
    far: float,
    nodes: wp.array(dtype=Node),
) -> None:
    # Writes multipoles, their moments without traces, to the nodes for traversal.
    i = 1 + wp.tid()
    part = parts[i]
    m = part.first_moment
    trace = (m[0] + m[3] + m[5]) / wp.float64(3.0)
    q = part.second_moment
    three = wp.float64(3.0)
    five = wp.float64(5.0)
    x = (q[0] + q[3] + q[5]) / five
    y = (q[1] + q[6] + q[8]) / five
    z = (q[2] + q[7] + q[9]) / five
    node = Node()
    node.center = wp.vec3(part.center)
    far_distance = wp.float64(far) * part.radius
    node.far_square = float(far_distance * far_distance)
    node.dipole = wp.vec3(part.dipole)
    node.first_moment = TracelessMatrix(
        float(m[0] - trace), float(m[1]), float(m[2]), float(m[3] - trace), float(m[4])
    )
    node.second_moment = TracelessCube(
        float(q[0] - three * x),
        float(q[1] - y),
        float(q[2] - z),
        float(q[3] - x),
        float(q[4]),
        float(q[6] - three * y),
        float(q[7] - z),
    )
    nodes[i] = node

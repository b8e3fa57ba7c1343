"""The device code of what is nearest to points: searches, and closer looks at what they found.

`shapegan.pipeline.queries.nearest` says which does what; `shapegan.pipeline.queries` explains how
kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import LANES, Box, Triangles, smaller
from shapegan.pipeline.warp_runtime import start_warp

# Loops over lanes stay loops, so that the compiler makes vector instructions of them.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

start_warp()

NOWHERE = wp.constant(1.0e18)
"""The distance of nothing; its square is a float yet."""

EACH = wp.types.vector(length=LANES, dtype=float)
WHICH = wp.types.vector(length=LANES, dtype=int)


@wp.struct
class NearestPoints:
    # The nearest point of triangles, for each of N points: whose it is and the weights of its first
    # two corners, or -1 and `NOWHERE` where there is none.
    distance: wp.array(dtype=float)
    closest: wp.array(dtype=wp.vec3)
    face: wp.array(dtype=int)
    weights: wp.array(dtype=wp.vec2)


@wp.func
def closest_in(a: wp.vec3d, b: wp.vec3d, c: wp.vec3d, q: wp.vec3d) -> wp.vec3d:
    # The point of a triangle that is closest to q, as weights of its corners; in double precision,
    # since long thin triangles leave nothing of a float's (Ericson 2005, "Real-time collision
    # detection", section 5.1.5: by the region of the corner, edge or inside that it lies in).
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
        # Without an area, these are rounding errors, and the longest edge is all there is.
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
    w = closest_in(wp.vec3d(a), wp.vec3d(b), wp.vec3d(c), wp.vec3d(p))
    return wp.vec3(w[0] * wp.vec3d(a) + w[1] * wp.vec3d(b) + w[2] * wp.vec3d(c))


@wp.func
def beyond(low: float, high: float, x: float) -> float:
    over = wp.where(x > high, x - high, 0.0)
    return wp.where(x < low, low - x, over)


@wp.func
def square_to_box(box: Box, p: wp.vec3) -> float:
    # The squared distance.
    x = beyond(box.low[0], box.high[0], p[0])
    y = beyond(box.low[1], box.high[1], p[1])
    z = beyond(box.low[2], box.high[2], p[2])
    return x * x + y * y + z * z


@wp.struct
class Facet:
    # A triangle as many points look at it: edges and the squares of their lengths, inverted; in its
    # plane, what is at right angles to the edges and points inwards; and its normal.
    a: wp.vec3
    b: wp.vec3
    c: wp.vec3
    ab: wp.vec3
    bc: wp.vec3
    ca: wp.vec3
    weigh_ab: float
    weigh_bc: float
    weigh_ca: float
    from_ab: wp.vec3
    from_bc: wp.vec3
    from_ca: wp.vec3
    normal: wp.vec3


@wp.func
def inverse_square(v: wp.vec3) -> float:
    return 1.0 / wp.max(wp.dot(v, v), 1.0e-30)


@wp.func
def facet(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> Facet:
    # A thin triangle's normal needs double precision. Without an area there is none, and no point
    # lies over the triangle.
    view = Facet()
    view.a = a
    view.b = b
    view.c = c
    view.ab = b - a
    view.bc = c - b
    view.ca = a - c
    view.weigh_ab = inverse_square(view.ab)
    view.weigh_bc = inverse_square(view.bc)
    view.weigh_ca = inverse_square(view.ca)
    ab = wp.vec3d(b) - wp.vec3d(a)
    normal = wp.normalize(wp.cross(ab, wp.vec3d(c) - wp.vec3d(a)))
    view.normal = wp.vec3(normal)
    view.from_ab = wp.cross(view.normal, view.ab)
    view.from_bc = wp.cross(view.normal, view.bc)
    view.from_ca = wp.cross(view.normal, view.ca)
    return view


@wp.func
def from_edge(p: wp.vec3, edge: wp.vec3, weigh: float) -> wp.vec3:
    # To p from the closest point of an edge that begins at the origin.
    t = wp.dot(p, edge) * weigh
    t = wp.where(t > 0.0, t, 0.0)
    t = smaller(t, 1.0)
    return p - t * edge


@wp.func
def square_to(view: Facet, p: wp.vec3) -> float:
    # The squared distance. Without a branch: from the closest edge, and where p lies over the
    # triangle, what of that is along the normal; from farther away, a float's normal is too rough.
    a = p - view.a
    b = p - view.b
    c = p - view.c
    way = from_edge(a, view.ab, view.weigh_ab)
    square = wp.dot(way, way)
    height = wp.dot(view.normal, way)
    way = from_edge(b, view.bc, view.weigh_bc)
    other = wp.dot(way, way)
    height = wp.where(other < square, wp.dot(view.normal, way), height)
    square = smaller(other, square)
    way = from_edge(c, view.ca, view.weigh_ca)
    other = wp.dot(way, way)
    height = wp.where(other < square, wp.dot(view.normal, way), height)
    square = smaller(other, square)
    within = smaller(
        wp.dot(view.from_ab, a), smaller(wp.dot(view.from_bc, b), wp.dot(view.from_ca, c))
    )
    return wp.where(within > 0.0, height * height, square)


@wp.kernel
def search_together(
    tree: Triangles,
    points: wp.array(dtype=wp.vec3),
    reach: wp.array(dtype=float),
    block: int,
    face: wp.array(dtype=int),
) -> None:
    # Which triangle is nearest to each point, of those nearer than `reach`; -1 for none. `LANES`
    # neighbours at a time, and a thread does a block of those: what is nearest to one is near to
    # the next, and so bounds its search.
    px = EACH()
    py = EACH()
    pz = EACH()
    most = EACH()
    least = EACH()
    found = WHICH()
    near = wp.vec3(NOWHERE, 0.0, 0.0)
    first = wp.tid() * block * LANES
    end = wp.min(first + block * LANES, points.shape[0])
    for start in range(first, end, LANES):
        # 1. What is farther than the point that was found last needs no look, nor what is out of
        #    reach. A bound this tight may miss by rounding: then the search is repeated without.
        middle = wp.vec3()
        for k in range(LANES):
            i = wp.min(start + k, points.shape[0] - 1)
            p = points[i]
            middle += p / float(LANES)
            px[k] = p[0]
            py[k] = p[1]
            pz[k] = p[2]
            most[k] = wp.where(reach[i] > 0.0, reach[i] * reach[i], 0.0)
            bound = 1.00001 * wp.length(near - p) + 1.0e-6
            least[k] = smaller(bound * bound, most[k])
            found[k] = -1
        missed = int(1)
        while missed > 0:
            # 2. Down first into the child that is nearer to the middle. The trail has a bit for
            #    each level: whether that was the right one.
            node = int(1)
            depth = int(0)
            trail = int(0)
            while True:
                box = tree.boxes[node]
                within = int(0)
                for k in range(LANES):
                    gap = square_to_box(box, wp.vec3(px[k], py[k], pz[k]))
                    within += wp.where(gap < least[k], 1, 0)
                if within > 0 and node < tree.leaves:
                    left = square_to_box(tree.boxes[2 * node], middle)
                    right = square_to_box(tree.boxes[2 * node + 1], middle)
                    turn = wp.where(right < left, 1, 0)
                    node = 2 * node + turn
                    depth += 1
                    trail = (trail & ~(1 << depth)) | (turn << depth)
                    continue
                if within > 0:
                    leaf = node - tree.leaves
                    for t in range(tree.first[leaf], tree.first[leaf + 1]):
                        view = facet(tree.corners[t, 0], tree.corners[t, 1], tree.corners[t, 2])
                        for k in range(LANES):
                            square = square_to(view, wp.vec3(px[k], py[k], pz[k]))
                            closer = square < least[k]
                            least[k] = wp.where(closer, square, least[k])
                            found[k] = wp.where(closer, t, found[k])
                # Up while this was the second child, then on to it.
                while node > 1 and node % 2 != (trail >> depth) % 2:
                    node = node // 2
                    depth -= 1
                if node == 1:
                    break
                node = wp.where(node % 2 == 0, node + 1, node - 1)
            missed = int(0)
            for k in range(LANES):
                if found[k] < 0 and least[k] < most[k]:
                    least[k] = most[k]
                    missed += 1

        # 3. Write down what was found.
        for k in range(LANES):
            if start + k < points.shape[0]:
                face[start + k] = -1
                if found[k] >= 0:
                    face[start + k] = tree.source[found[k]]
        t = found[LANES - 1]
        if t >= 0:
            last = wp.vec3(px[LANES - 1], py[LANES - 1], pz[LANES - 1])
            near = closest_point(tree.corners[t, 0], tree.corners[t, 1], tree.corners[t, 2], last)


@wp.kernel
def search(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    reach: wp.array(dtype=float),
    face: wp.array(dtype=int),
) -> None:
    # As above, each point by a thread of its own.
    i = wp.tid()
    face[i] = -1
    if reach[i] > 0.0:
        found = wp.mesh_query_point_no_sign(mesh, points[i], reach[i])
        if found.result:
            face[i] = found.face


@wp.kernel
def look_closer(
    vertices: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    points: wp.array(dtype=wp.vec3),
    nearest: NearestPoints,
) -> None:
    # Where on the triangles that were found the nearest points are.
    i = wp.tid()
    nearest.distance[i] = NOWHERE
    nearest.closest[i] = wp.vec3()
    nearest.weights[i] = wp.vec2()
    t = nearest.face[i]
    if t >= 0:
        a = wp.vec3d(vertices[faces[t, 0]])
        b = wp.vec3d(vertices[faces[t, 1]])
        c = wp.vec3d(vertices[faces[t, 2]])
        p = wp.vec3d(points[i])
        w = closest_in(a, b, c, p)
        closest = w[0] * a + w[1] * b + w[2] * c
        nearest.distance[i] = float(wp.length(closest - p))
        nearest.closest[i] = wp.vec3(closest)
        nearest.weights[i] = wp.vec2(float(w[0]), float(w[1]))


@wp.kernel
def put(rows: wp.array(dtype=int), others: NearestPoints, nearest: NearestPoints) -> None:
    # Replaces rows by others.
    i = wp.tid()
    row = rows[i]
    nearest.distance[row] = others.distance[i]
    nearest.closest[row] = others.closest[i]
    nearest.weights[row] = others.weights[i]
    nearest.face[row] = others.face[i]


@wp.kernel
def put_nearer(others: NearestPoints, nearest: NearestPoints) -> None:
    # Replaces what is farther than others, whose faces have no number.
    i = wp.tid()
    if others.distance[i] < nearest.distance[i]:
        nearest.distance[i] = others.distance[i]
        nearest.closest[i] = others.closest[i]
        nearest.weights[i] = others.weights[i]
        nearest.face[i] = -1

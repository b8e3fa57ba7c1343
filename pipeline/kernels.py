"""The device code: Warp kernels that shapegan launches on the CPU or on CUDA.

Warp compiles what is below to machine code at its first use and keeps it on disk. It reads the
annotations itself, and its language is not quite Python's (numbers that change in a loop start as
`float(0.0)`), so type checker and linter leave this file alone.
"""

import warp as wp

from shapegan.pipeline.silence import start_warp

# Nothing here is differentiated; adjoint code would treble the time to compile.
wp.set_module_options({"enable_backward": False})

start_warp()


@wp.kernel
def see_sky(
    mesh: wp.uint64,
    position: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    rays: int,
    offset: float,
    sky: wp.array2d(dtype=float),
) -> None:
    i, side = wp.tid()
    n = normal[i]
    if side == 1:
        n = -n
    across = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(n[0]) > 0.7:
        across = wp.vec3(0.0, 1.0, 0.0)
    u = wp.normalize(wp.cross(n, across))
    v = wp.cross(n, u)
    start = position[i] + offset * n
    # A Fibonacci spiral on the disc, lifted to the hemisphere, turned by the golden ratio from
    # sample to sample: cosine-weighted directions without a random number.
    turn = float(i) * 0.61803398875
    turn = turn - wp.floor(turn)
    seen = float(0.0)
    for k in range(rays):
        square = (float(k) + 0.5) / float(rays)
        angle = 6.28318530718 * (turn + 0.38196601125 * float(k))
        radius = wp.sqrt(square)
        direction = (
            radius * wp.cos(angle) * u + radius * wp.sin(angle) * v + wp.sqrt(1.0 - square) * n
        )
        if not wp.mesh_query_ray_anyhit(mesh, start, direction, 10.0):
            seen += 1.0
    sky[i, side] = seen / float(rays)


@wp.kernel
def ray_lengths(
    mesh: wp.uint64,
    position: wp.array(dtype=wp.vec3),
    direction: wp.array(dtype=wp.vec3),
    offset: float,
    length: wp.array(dtype=float),
) -> None:
    i = wp.tid()
    hit = wp.mesh_query_ray(mesh, position[i] + offset * direction[i], direction[i], 4.0)
    length[i] = wp.where(hit.result, hit.t + offset, 4.0)


@wp.func
def closest_in(mesh: wp.uint64, face: int, p: wp.vec3) -> wp.vec3d:
    # The point of a face that is closest to p, as weights of its corners; in double precision,
    # since long thin faces leave nothing of a float's (Ericson 2005, "Real-time collision
    # detection", section 5.1.5: by the region of the corner, edge or inside that it lies in).
    a = wp.vec3d(wp.mesh_get_point(mesh, 3 * face))
    b = wp.vec3d(wp.mesh_get_point(mesh, 3 * face + 1))
    c = wp.vec3d(wp.mesh_get_point(mesh, 3 * face + 2))
    q = wp.vec3d(p)
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
    return wp.vec3d(wa / total, wb / total, wc / total)


@wp.func
def nearest_to(mesh: wp.uint64, p: wp.vec3, near: wp.vec3) -> wp.MeshQueryPoint:
    # The point of a mesh that is nearest to p; `near` lies on it, too, and bounds the search. A
    # search that is bounded this tightly may miss by rounding, and is then repeated without.
    found = wp.mesh_query_point_no_sign(mesh, p, 1.00001 * wp.length(near - p) + 1.0e-6)
    if not found.result:
        found = wp.mesh_query_point_no_sign(mesh, p, 1.0e6)
    return found


@wp.kernel
def unsigned_distances(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    block: int,
    distance: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
) -> None:
    # A thread does a block of neighbours: what is nearest to one is near to the next, and so
    # bounds its search.
    start = wp.tid() * block
    near = wp.vec3(1.0e6, 0.0, 0.0)
    for i in range(start, wp.min(start + block, points.shape[0])):
        found = nearest_to(mesh, points[i], near)
        near = wp.mesh_eval_position(mesh, found.face, found.u, found.v)
        closest[i] = near
        distance[i] = wp.length(near - points[i])


@wp.kernel
def are_near(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    reach: float,
    near: wp.array(dtype=wp.bool),
) -> None:
    # The search is a little wider, since what is just within reach may be missed by rounding.
    i = wp.tid()
    found = wp.mesh_query_point_no_sign(mesh, points[i], 1.001 * reach)
    near[i] = False
    if found.result:
        closest = wp.mesh_eval_position(mesh, found.face, found.u, found.v)
        near[i] = wp.length(closest - points[i]) <= reach


@wp.struct
class Nearest:
    # The nearest point of a surface, for each of N points.
    distance: wp.array(dtype=float)
    clearance: wp.array(dtype=float)
    closest: wp.array(dtype=wp.vec3)
    face: wp.array(dtype=int)
    weights: wp.array(dtype=wp.vec2)


@wp.func
def found_nearest(
    answer: Nearest, i: int, mesh: wp.uint64, found: wp.MeshQueryPoint, row: int, p: wp.vec3
) -> None:
    weights = closest_in(mesh, found.face, p)
    u = float(weights[0])
    v = float(weights[1])
    answer.closest[i] = wp.mesh_eval_position(mesh, found.face, u, v)
    answer.distance[i] = wp.length(answer.closest[i] - p)
    answer.face[i] = row
    answer.weights[i] = wp.vec2(u, v)


@wp.kernel
def find_nearest(
    points: wp.array(dtype=wp.vec3),
    block: int,
    solid: wp.uint64,
    outer: wp.uint64,
    hidden: wp.array(dtype=wp.bool),
    outer_rows: wp.array(dtype=int),
    answer: Nearest,
) -> None:
    start = wp.tid() * block
    near = wp.vec3(1.0e6, 0.0, 0.0)
    near_outer = wp.vec3(1.0e6, 0.0, 0.0)
    for i in range(start, wp.min(start + block, points.shape[0])):
        p = points[i]
        found = nearest_to(solid, p, near)
        near = wp.mesh_eval_position(solid, found.face, found.u, found.v)
        answer.clearance[i] = wp.length(near - p)
        if hidden[found.face]:
            # Hidden faces count for the winding number, but not for the distance.
            found = nearest_to(outer, p, near_outer)
            found_nearest(answer, i, outer, found, outer_rows[found.face], p)
            near_outer = answer.closest[i]
        else:
            found_nearest(answer, i, solid, found, found.face, p)


@wp.kernel
def find_nearer(points: wp.array(dtype=wp.vec3), mesh: wp.uint64, answer: Nearest) -> None:
    # Where another mesh is nearer, its point counts; it has no row among the solid's faces.
    i = wp.tid()
    found = wp.mesh_query_point_no_sign(mesh, points[i], answer.distance[i])
    if found.result:
        found_nearest(answer, i, mesh, found, -1, points[i])


@wp.func
def lift(mesh: wp.uint64, height: wp.array(dtype=float), face: int, u: float, v: float) -> float:
    a = height[wp.mesh_get_index(mesh, 3 * face)]
    b = height[wp.mesh_get_index(mesh, 3 * face + 1)]
    c = height[wp.mesh_get_index(mesh, 3 * face + 2)]
    return u * a + v * b + (1.0 - u - v) * c


@wp.kernel
def sign(
    points: wp.array(dtype=wp.vec3),
    block: int,
    answer: Nearest,
    winding: wp.array(dtype=float),
    solid: wp.uint64,
    thick: wp.uint64,
    swell: wp.array(dtype=float),
    most: float,
    sdf: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
) -> None:
    start = wp.tid() * block
    base = wp.vec3(1.0e6, 0.0, 0.0)
    for i in range(start, wp.min(start + block, points.shape[0])):
        p = points[i]
        distance = answer.distance[i]
        nearest = answer.closest[i]

        # 1. Inside, thin walls that swell lie deeper.
        if winding[i] > 0.5:
            height = float(0.0)
            if answer.face[i] >= 0 and most > 0.0:
                weights = answer.weights[i]
                height = lift(solid, swell, answer.face[i], weights[0], weights[1])
            nearest += height * wp.normalize(nearest - p)
            distance = -distance - height

        # 2. Sheets and thin walls: what lies within their swelling is inside.
        if thick != wp.uint64(0) and distance + most > 0.0:
            bound = wp.min(distance + most, 1.00001 * wp.length(base - p) + 1.0e-6)
            found = wp.mesh_query_point_no_sign(thick, p, bound)
            if found.result:
                base = wp.mesh_eval_position(thick, found.face, found.u, found.v)
                height = lift(thick, swell, found.face, found.u, found.v)
                gap = wp.length(p - base)
                if gap - height < distance:
                    distance = gap - height
                    direction = wp.normalize(p - base)
                    if gap < 1.0e-7:
                        direction = wp.mesh_eval_face_normal(thick, found.face)
                    nearest = base + height * direction
        sdf[i] = distance
        closest[i] = nearest

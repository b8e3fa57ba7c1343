"""The device code that finds where faces go through each other.

`shapegan.pipeline.queries` explains how
kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()


@wp.struct
class Cut:
    # Where one face cuts another: a segment in the plane of the face that is cut.
    found: bool
    start: wp.vec3d
    end: wp.vec3d


@wp.func
def corner(mesh: wp.uint64, face: int, k: int) -> wp.vec3d:
    return wp.vec3d(wp.mesh_get_point(mesh, 3 * face + k))


@wp.func
def height(above: wp.vec3d, p: wp.vec3d, slack: wp.float64) -> wp.float64:
    h = wp.dot(above, p)
    return wp.where(wp.abs(h) <= slack, wp.float64(0.0), h)


@wp.func
def clipped(cut: Cut, b: wp.vec3d, c: wp.vec3d, normal: wp.vec3d, slack: wp.float64) -> Cut:
    # What of a cut lies in the triangle of the origin, b and c; nothing of what runs along an edge.
    first = wp.float64(0.0)
    last = wp.float64(1.0)
    zero = wp.float64(0.0)
    for k in range(3):
        foot = wp.vec3d()
        along = b
        if k == 1:
            foot = b
            along = c - b
        elif k == 2:
            foot = c
            along = -c
        inwards = wp.normalize(wp.cross(normal, along))
        start = wp.dot(inwards, cut.start - foot)
        end = wp.dot(inwards, cut.end - foot)
        if start <= slack and end <= slack:
            cut.found = False
        elif start < zero:
            first = wp.max(first, start / (start - end))
        elif end < zero:
            last = wp.min(last, start / (start - end))
    whole = cut.end - cut.start
    if (last - first) * wp.length(whole) <= slack:
        cut.found = False
    cut.end = cut.start + last * whole
    cut.start = cut.start + first * whole
    return cut


@wp.struct
class Whole:
    # A face that may be cut. Relative to its first corner, and in double precision: vertices are
    # rounded to floats, and what a modeller put into one plane has to be told from what crosses it.
    a: wp.vec3d
    b: wp.vec3d
    c: wp.vec3d
    normal: wp.vec3d


@wp.func
def whole(mesh: wp.uint64, face: int) -> Whole:
    found = Whole()
    found.a = corner(mesh, face, 0)
    found.b = corner(mesh, face, 1) - found.a
    found.c = corner(mesh, face, 2) - found.a
    found.normal = wp.normalize(wp.cross(found.b, found.c))
    return found


@wp.func
def cut_by(mesh: wp.uint64, face: Whole, other: int, slack: wp.float64) -> Cut:
    cut = Cut()
    cut.found = False
    a = face.a
    normal = face.normal
    p = corner(mesh, other, 0) - a
    q = corner(mesh, other, 1) - a
    r = corner(mesh, other, 2) - a
    hp = height(normal, p, slack)
    hq = height(normal, q, slack)
    hr = height(normal, r, slack)
    zero = wp.float64(0.0)
    if wp.min(hp, wp.min(hq, hr)) > zero or wp.max(hp, wp.max(hq, hr)) < zero:
        return cut
    ends = int(0)
    for _k in range(3):
        at = p
        if hp != zero:
            at = p + (q - p) * (hp / (hp - hq))
        if hp == zero or hp * hq < zero:
            if ends == 0:
                cut.start = at
            else:
                cut.end = at
            ends += 1
        # On to the next edge.
        at = p
        p = q
        q = r
        r = at
        h = hp
        hp = hq
        hq = hr
        hr = h
    cut.found = ends == 2
    if cut.found:
        cut = clipped(cut, face.b, face.c, normal, slack)
    cut.start += a
    cut.end += a
    return cut


@wp.kernel
def find_cuts(
    mesh: wp.uint64,
    slack: float,
    faces: wp.array(dtype=int),
    place: wp.array(dtype=int),
    start: wp.array(dtype=wp.vec3d),
    end: wp.array(dtype=wp.vec3d),
    count: wp.array(dtype=int),
) -> None:
    # How many other faces cut each of some, and from `place` on, where, if there is room.
    i = wp.tid()
    face = faces[i]
    a = wp.mesh_get_point(mesh, 3 * face)
    b = wp.mesh_get_point(mesh, 3 * face + 1)
    c = wp.mesh_get_point(mesh, 3 * face + 2)
    margin = wp.vec3(slack, slack, slack)
    low = wp.min(a, wp.min(b, c)) - margin
    high = wp.max(a, wp.max(b, c)) + margin
    query = wp.mesh_query_aabb(mesh, low, high)
    this = whole(mesh, face)
    other = int(0)
    found = int(0)
    while wp.mesh_query_aabb_next(query, other):
        if other != face:
            cut = cut_by(mesh, this, other, wp.float64(slack))
            if cut.found:
                if start.shape[0] > 0:
                    start[place[i] + found] = cut.start
                    end[place[i] + found] = cut.end
                found += 1
    count[i] = found

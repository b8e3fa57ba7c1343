"""Device code that finds where faces intersect each other.

Each other face is intersected with the plane of a face, and the segment is clipped to that face.
`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()


@wp.struct
class Segment:
    # The intersection of two faces: a segment in the plane of the face that is intersected.
    found: bool
    start: wp.vec3d
    end: wp.vec3d


@wp.func
def corner(mesh: wp.uint64, face: int, k: int) -> wp.vec3d:
    return wp.vec3d(wp.mesh_get_point(mesh, 3 * face + k))


@wp.func
def height(normal: wp.vec3d, p: wp.vec3d, tolerance: wp.float64) -> wp.float64:
    # Signed distance of a point from a plane through the origin; 0 within the tolerance.
    h = wp.dot(normal, p)
    return wp.where(wp.abs(h) <= tolerance, wp.float64(0.0), h)


@wp.func
def clipped(
    segment: Segment, b: wp.vec3d, c: wp.vec3d, normal: wp.vec3d, tolerance: wp.float64
) -> Segment:
    # The segment clipped to the triangle of the origin, b and c; not found if it lies on an edge.
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
        start = wp.dot(inwards, segment.start - foot)
        end = wp.dot(inwards, segment.end - foot)
        if start <= tolerance and end <= tolerance:
            segment.found = False
        elif start < zero:
            first = wp.max(first, start / (start - end))
        elif end < zero:
            last = wp.min(last, start / (start - end))
    direction = segment.end - segment.start
    if (last - first) * wp.length(direction) <= tolerance:
        segment.found = False
    segment.end = segment.start + last * direction
    segment.start = segment.start + first * direction
    return segment


@wp.struct
class Face:
    # A face that may be intersected. Its other corners are relative to the first and in double
    # precision: vertices are rounded to floats, and faces that were modelled in one plane must not
    # count as crossing it.
    a: wp.vec3d
    b: wp.vec3d
    c: wp.vec3d
    normal: wp.vec3d


@wp.func
def load_face(mesh: wp.uint64, index: int) -> Face:
    face = Face()
    face.a = corner(mesh, index, 0)
    face.b = corner(mesh, index, 1) - face.a
    face.c = corner(mesh, index, 2) - face.a
    face.normal = wp.normalize(wp.cross(face.b, face.c))
    return face


@wp.func
def intersection(mesh: wp.uint64, face: Face, other: int, tolerance: wp.float64) -> Segment:
    # The part of the face that another face intersects.
    segment = Segment()
    segment.found = False
    a = face.a
    normal = face.normal
    p = corner(mesh, other, 0) - a
    q = corner(mesh, other, 1) - a
    r = corner(mesh, other, 2) - a
    hp = height(normal, p, tolerance)
    hq = height(normal, q, tolerance)
    hr = height(normal, r, tolerance)
    zero = wp.float64(0.0)
    if wp.min(hp, wp.min(hq, hr)) > zero or wp.max(hp, wp.max(hq, hr)) < zero:
        return segment
    ends = int(0)
    for _k in range(3):
        at = p
        if hp != zero:
            at = p + (q - p) * (hp / (hp - hq))
        if hp == zero or hp * hq < zero:
            if ends == 0:
                segment.start = at
            else:
                segment.end = at
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
    segment.found = ends == 2
    if segment.found:
        segment = clipped(segment, face.b, face.c, normal, tolerance)
    segment.start += a
    segment.end += a
    return segment


@wp.kernel
def find_intersections(
    mesh: wp.uint64,
    tolerance: float,
    faces: wp.array(dtype=int),
    first: wp.array(dtype=int),
    start: wp.array(dtype=wp.vec3d),
    end: wp.array(dtype=wp.vec3d),
    count: wp.array(dtype=int),
) -> None:
    # Count the other faces that intersect each face. Store the segments from row `first` on, unless
    # the arrays are empty.
    i = wp.tid()
    face = faces[i]
    a = wp.mesh_get_point(mesh, 3 * face)
    b = wp.mesh_get_point(mesh, 3 * face + 1)
    c = wp.mesh_get_point(mesh, 3 * face + 2)
    margin = wp.vec3(tolerance, tolerance, tolerance)
    low = wp.min(a, wp.min(b, c)) - margin
    high = wp.max(a, wp.max(b, c)) + margin
    query = wp.mesh_query_aabb(mesh, low, high)
    this = load_face(mesh, face)
    other = int(0)
    found = int(0)
    while wp.mesh_query_aabb_next(query, other):
        if other != face:
            segment = intersection(mesh, this, other, wp.float64(tolerance))
            if segment.found:
                if start.shape[0] > 0:
                    start[first[i] + found] = segment.start
                    end[first[i] + found] = segment.end
                found += 1
    count[i] = found

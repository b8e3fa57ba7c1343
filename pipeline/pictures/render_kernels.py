"""Device code of pictures: ray casting, ambient occlusion, shading.

See `shapegan.pipeline.pictures.render` and `shapegan.pipeline.pictures.shading`.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, UP018

import warp as wp

from shapegan.pipeline.queries.hemisphere_functions import GOLDEN_RATIO, hemisphere_direction
from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

MAX_NEIGHBOURS = wp.constant(64)
"""Faces round a vertex that count for its normal. Of more, as in a fan, every n-th counts."""


@wp.struct
class View:
    # The picture's rays start at the eye and have the directions forward + x right + y up, with x
    # and y in [-1, 1].
    eye: wp.vec3
    right: wp.vec3
    up: wp.vec3
    forward: wp.vec3


@wp.struct
class Scene:
    # The mesh and the floor, which lies at the bottom of the box from low to high. Rays start
    # `offset` off the surface; those to the sky are up to `occlusion_distance` long. `lamp_spread`
    # is the squared sine of the lamp's angular radius.
    mesh: wp.uint64
    normals: wp.array2d(dtype=wp.vec3)
    low: wp.vec3
    high: wp.vec3
    floor: bool
    occlusion_distance: float
    offset: float
    to_lamp: wp.vec3
    lamp_spread: float


@wp.kernel
def corner_normals(
    faces: wp.array2d(dtype=int),
    face_normal: wp.array(dtype=wp.vec3),
    first: wp.array(dtype=int),
    around: wp.array(dtype=int),
    cosine: float,
    normals: wp.array2d(dtype=wp.vec3),
) -> None:
    # The mean normal of the faces round a corner that continue its own face smoothly, weighted by
    # area, which is half the length of face_normal. Their windings do not matter.
    f, k = wp.tid()
    own = wp.normalize(face_normal[f])
    vertex = faces[f, k]
    start = first[vertex]
    count = first[vertex + 1] - start
    step = 1 + count / MAX_NEIGHBOURS
    total = face_normal[f]
    for i in range(0, count, step):
        other = around[start + i]
        if other != f:
            n = face_normal[other]
            along = wp.dot(wp.normalize(n), own)
            if wp.abs(along) > cosine:
                total += wp.sign(along) * n
    normals[f, k] = wp.normalize(total)


@wp.func
def fraction(value: float) -> float:
    return value - wp.floor(value)


@wp.func
def sky_visibility(scene: Scene, position: wp.vec3, n: wp.vec3, rays: int, shift: float) -> float:
    # The share of the sky that is visible from a surface. Rays have different lengths, so near
    # surfaces darken more than far ones.
    visible = float(0.0)
    for k in range(rays):
        square = (float(k) + fraction(shift * 7.0)) / float(rays)
        length = fraction(shift * 11.0 + GOLDEN_RATIO * float(k))
        direction = hemisphere_direction(n, square, shift + GOLDEN_RATIO * float(k))
        start = position + scene.offset * n
        if not wp.mesh_query_ray_anyhit(
            scene.mesh, start, direction, scene.occlusion_distance * length
        ):
            visible += 1.0
    return visible / float(rays)


@wp.func
def lamp_visibility(scene: Scene, position: wp.vec3, n: wp.vec3, shift: float) -> float:
    # 1 if a point of the lamp, which is a disc, is visible, else 0.
    direction = hemisphere_direction(
        scene.to_lamp, scene.lamp_spread * fraction(shift * 5.0), shift
    )
    if wp.dot(direction, n) <= 0.0:
        return 0.0
    if wp.mesh_query_ray_anyhit(scene.mesh, position + scene.offset * n, direction, 1.0e6):
        return 0.0
    return 1.0


@wp.func
def neighbours_agree(
    depth: wp.array2d(dtype=float), normals: wp.array2d(dtype=wp.vec3), i: int, j: int
) -> bool:
    # True if the rays of the four neighbours of a sample hit the same smooth surface, or all hit
    # nothing.
    left = depth[i, wp.max(j - 1, 0)]
    right = depth[i, wp.min(j + 1, depth.shape[1] - 1)]
    above = depth[wp.max(i - 1, 0), j]
    below = depth[wp.min(i + 1, depth.shape[0] - 1), j]
    low = wp.min(wp.min(left, right), wp.min(above, below))
    high = wp.max(wp.max(left, right), wp.max(above, below))
    if low == 0.0 and high == 0.0:
        return True
    # At the border a neighbour is the sample itself, which is not traced yet and has depth 0.
    if low * high <= 0.0 or wp.abs(left + right - above - below) > 2.0e-3:
        return False
    n = normals[i, j - 1]
    least = wp.min(wp.dot(n, normals[i - 1, j]), wp.dot(n, normals[i + 1, j]))
    return wp.min(least, wp.dot(n, normals[i, j + 1])) > 0.98


@wp.kernel
def trace(
    scene: Scene,
    view: View,
    odd: int,
    rays: int,
    sparse: int,
    depth: wp.array2d(dtype=float),
    normals: wp.array2d(dtype=wp.vec3),
    shade: wp.array2d(dtype=wp.vec2),
) -> None:
    # depth is 0 where a ray hits nothing, and negative on the floor. shade holds the visibility of
    # sky and lamp for one sample in sparse x sparse and is negative for the others; on the floor,
    # for one in four of those, with four times the rays.
    # The samples form a chessboard. One colour is traced first (odd = 0); then those of the other
    # are interpolated where their neighbours agree.
    i, j = wp.tid()
    if (i + j) % 2 != odd:
        return
    shade[i, j] = wp.vec2(-1.0, -1.0)
    if odd == 1 and neighbours_agree(depth, normals, i, j):
        if depth[i, wp.max(j - 1, 0)] != 0.0:
            n = normals[i, j - 1] + normals[i, j + 1] + normals[i - 1, j] + normals[i + 1, j]
            d = depth[i, j - 1] + depth[i, j + 1] + depth[i - 1, j] + depth[i + 1, j]
            normals[i, j] = wp.normalize(n)
            depth[i, j] = 0.25 * d
        return
    probed = i % sparse == 0 and j % sparse == 0
    y = 1.0 - 2.0 * (float(i) + 0.5) / float(depth.shape[0])
    x = 2.0 * (float(j) + 0.5) / float(depth.shape[1]) - 1.0
    direction = wp.normalize(view.forward + x * view.right + y * view.up)
    # Roberts' R2 sequence over the picture: neighbouring samples send rays in different directions,
    # and the filter averages them.
    shift = fraction(0.7548776662 * float(i) + 0.5698402910 * float(j))
    hit = wp.mesh_query_ray(scene.mesh, view.eye, direction, 1.0e6)
    if hit.result:
        n = hit.u * scene.normals[hit.face, 0] + hit.v * scene.normals[hit.face, 1]
        n = wp.normalize(n + (1.0 - hit.u - hit.v) * scene.normals[hit.face, 2])
        flat = hit.normal
        if wp.dot(flat, n) < 0.0:
            n = -n
        if wp.dot(flat, direction) > 0.0:
            flat = -flat
            n = -n
        at = view.eye + hit.t * direction
        depth[i, j] = hit.t
        normals[i, j] = n
        if probed:
            sky = sky_visibility(scene, at, flat, rays, shift)
            shade[i, j] = wp.vec2(sky, lamp_visibility(scene, at, flat, shift))
        return
    if not scene.floor or direction[1] >= 0.0:
        return
    t = (scene.low[1] - view.eye[1]) / direction[1]
    at = view.eye + t * direction
    aside = wp.max(wp.max(scene.low[0] - at[0], at[0] - scene.high[0]), 0.0)
    behind = wp.max(wp.max(scene.low[2] - at[2], at[2] - scene.high[2]), 0.0)
    if t > 0.0 and wp.max(aside, behind) < scene.occlusion_distance:
        up = wp.vec3(0.0, 1.0, 0.0)
        depth[i, j] = -t
        normals[i, j] = up
        if i % (2 * sparse) == 0 and j % (2 * sparse) == 0:
            shade[i, j] = wp.vec2(sky_visibility(scene, at, up, 4 * rays, shift), 1.0)


@wp.kernel
def smooth(
    depth: wp.array2d(dtype=float),
    normals: wp.array2d(dtype=wp.vec3),
    shade: wp.array2d(dtype=wp.vec2),
    radius: int,
    sparse: int,
    tolerance: float,
    smoothed: wp.array2d(dtype=wp.vec2),
) -> None:
    # The mean visibility of the neighbours on the same surface that sent rays. The floor has no
    # detail to lose, so its radius is twice as large.
    i, j = wp.tid()
    here = depth[i, j]
    if here == 0.0:
        return
    if here < 0.0:
        radius = 2 * radius
        sparse = 2 * sparse
    total = wp.vec2(0.0, 0.0)
    weight = float(0.0)
    # Only every sparse-th row and column sent rays.
    top = (wp.max(i - radius, 0) + sparse - 1) / sparse * sparse
    left = (wp.max(j - radius, 0) + sparse - 1) / sparse * sparse
    for row in range(top, wp.min(i + radius + 1, depth.shape[0]), sparse):
        for column in range(left, wp.min(j + radius + 1, depth.shape[1]), sparse):
            near = wp.abs(depth[row, column] - here) < tolerance
            known = shade[row, column][0] >= 0.0
            if near and known and wp.dot(normals[row, column], normals[i, j]) > 0.9:
                total += shade[row, column]
                weight += 1.0
    smoothed[i, j] = wp.vec2(1.0, 1.0)
    if weight > 0.0:
        smoothed[i, j] = total / weight


@wp.struct
class Lights:
    # Light sources in linear light, and the albedo of the mesh.
    albedo: wp.vec3
    sky: wp.vec3
    ground: wp.vec3
    to_lamp: wp.vec3
    lamp: float
    to_fill: wp.vec3
    fill: float


@wp.func
def lit_color(n: wp.vec3, light: wp.vec2, lights: Lights) -> wp.vec3:
    # The sky lights faces that point up, the ground those that point down. A weak fill light from
    # the camera's right makes sides look different.
    up = 0.5 * (n[1] + 1.0)
    fill = lights.fill * wp.max(wp.dot(n, lights.to_fill), 0.0)
    key = lights.lamp * light[1] * wp.max(wp.dot(n, lights.to_lamp), 0.0)
    ambient = up * lights.sky + (1.0 - up) * lights.ground + wp.vec3(fill, fill, fill)
    return wp.cw_mul(lights.albedo, light[0] * ambient + wp.vec3(key, key, key))


@wp.kernel
def shade(
    depth: wp.array2d(dtype=float),
    normals: wp.array2d(dtype=wp.vec3),
    light: wp.array2d(dtype=wp.vec2),
    lights: Lights,
    samples: int,
    rgba: wp.array2d(dtype=wp.vec4),
) -> None:
    # Each pixel's linear colour times alpha, and alpha: means over its samples. On the floor, alpha
    # is the darkness of the shadow.
    i, j = wp.tid()
    total = wp.vec4(0.0, 0.0, 0.0, 0.0)
    for k in range(samples * samples):
        row = i * samples + k / samples
        column = j * samples + k % samples
        if depth[row, column] > 0.0:
            c = lit_color(normals[row, column], light[row, column], lights)
            total += wp.vec4(c[0], c[1], c[2], 1.0)
        elif depth[row, column] < 0.0:
            total[3] += wp.pow(1.0 - light[row, column][0], 1.5)
    rgba[i, j] = total / float(samples * samples)

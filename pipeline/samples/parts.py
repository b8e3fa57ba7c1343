"""Parts of designs: primitives placed by their end points, centres and rotations.

Lengths are roughly metres, y is up and the front faces -z, as in ShapeNet. Angles are in degrees.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from shapegan.pipeline.samples.primitives import Array, Pose, Primitive, Prism, Rod, Turned

Point: TypeAlias = ArrayLike
"""Coordinates (3,)."""
Outline: TypeAlias = ArrayLike
"""Corners (P, 2)."""
Parts: TypeAlias = list[Primitive]


def rotation(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Array:
    """Matrix (3, 3) that rotates around the z axis, then the x axis, then the y axis."""
    (cx, sx), (cy, sy), (cz, sz) = (
        (np.cos(angle), np.sin(angle)) for angle in np.radians([x, y, z])
    )
    around_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turned: Array = around_y @ around_x @ around_z
    return turned


def frame_along(start: Point, end: Point) -> tuple[Pose, float]:
    """Frame at the start whose y axis points to the end, and the distance between them."""
    way = np.subtract(end, start).astype(np.float64)
    length = float(np.linalg.norm(way))
    up = way / length
    side = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    axes = np.stack([side, up, np.cross(side, up)], axis=1)
    return Pose(axes, np.array(start, np.float64)), length


def box(center: Point, size: Point, rounding: float = 0.0, turn: Array | None = None) -> Prism:
    """Box with edges rounded by `rounding`, rotated around its centre by `turn` (3, 3)."""
    core = np.array(size, np.float64) - 2 * rounding
    x, z = core[0] / 2, core[2] / 2
    outline = np.array([[-x, -z], [x, -z], [x, z], [-x, z]])
    return plate(outline, core[1], center, rounding, turn)


def plate(
    outline: Outline,
    height: float,
    center: Point,
    rounding: float = 0.0,
    turn: Array | None = None,
) -> Prism:
    """Convex outline (P, 2) in the x, z plane, extruded by a height; `rounding` is added to it."""
    pose = Pose(rotation() if turn is None else turn, np.array(center, np.float64))
    return Prism(pose, np.array(outline, np.float64), float(height), float(rounding))


def beam(start: Point, end: Point, width: float, depth: float | None = None) -> Prism:
    """Bar with a square or rectangular section from point to point."""
    pose, length = frame_along(start, end)
    x, z = width / 2, (width if depth is None else depth) / 2
    center = pose.from_local(np.array([[0, length / 2, 0]]))[0]
    return plate([[-x, -z], [x, -z], [x, z], [-x, z]], length, center, turn=pose.rotation)


def post(start: Point, end: Point, radius: float, end_radius: float | None = None) -> Turned:
    """Round bar with flat ends; tapered if the radii differ."""
    pose, length = frame_along(start, end)
    last = radius if end_radius is None else end_radius
    return Turned(pose, np.array([[0, 0], [radius, 0], [last, length], [0, length]], np.float64))


def rod(start: Point, end: Point, radius: float, end_radius: float | None = None) -> Rod:
    """Round bar with round ends; tapered if the radii differ."""
    pose, length = frame_along(start, end)
    return Rod(pose, length, float(radius), float(radius if end_radius is None else end_radius))


def tube(points: Iterable[Point], radius: float) -> Parts:
    """Pipe along a path: one rod per segment."""
    return [rod(a, b, radius) for a, b in pairwise(points)]


def rounded_path(points: Sequence[Point], radius: float, steps: int = 3) -> list[Array]:
    """Round the corners of a path with quadratic curves that begin `radius` before each."""
    path = [np.array(p, np.float64) for p in points]
    found = [path[0]]
    for before, corner, after in zip(path, path[1:], path[2:], strict=False):
        into, out = (
            corner + (other - corner) * min(radius / float(np.linalg.norm(other - corner)), 0.45)
            for other in (before, after)
        )
        for t in np.linspace(0, 1, steps + 1):
            found.append((1 - t) ** 2 * into + 2 * t * (1 - t) * corner + t**2 * out)
    return [*found, path[-1]]


def lathe(profile: Outline, origin: Point, up: Point = (0.0, 1.0, 0.0)) -> Turned:
    """Solid of revolution: a profile (P, 2) of (radius, height) around an axis."""
    pose, _ = frame_along(origin, np.add(origin, up))
    return Turned(pose, np.array(profile, np.float64))


def disc(center: Point, radius: float, height: float, up: Point = (0.0, 1.0, 0.0)) -> Turned:
    """Flat cylinder, placed by its centre."""
    half = height / 2
    return lathe([[0, -half], [radius, -half], [radius, half], [0, half]], center, up)


def pad(center: Point, radius: float, height: float, up: Point = (0.0, 1.0, 0.0)) -> Turned:
    """Disc with a rounded rim."""
    half = height / 2
    rim = np.add(circle(half, 13)[:7], [radius - half, 0.0])
    return lathe(np.concatenate([[[0, -half]], rim, [[0, half]]]), center, up)


def arc(center: Point, profile: Outline, angle: float, turn: Array | None = None) -> Turned:
    """Convex profile (P, 2) of (radius, height) swept by an angle around y, centred at +z."""
    pose = Pose(rotation() if turn is None else turn, np.array(center, np.float64))
    return Turned(pose, np.array(profile, np.float64), float(np.radians(angle)))


def circle(radius: float, count: int) -> Array:
    """Points (count, 2) on a circle; the first and the last are both at -90 degrees."""
    angle = np.linspace(-np.pi / 2, 1.5 * np.pi, count)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def oval(width: float, depth: float, count: int = 48, power: float = 2.0) -> Array:
    """Outline (count, 2) of a superellipse: an ellipse at power 2, closer to a box above."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    shape = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    curved: Array = np.sign(shape) * np.abs(shape) ** (2 / power) * [width / 2, depth / 2]
    return curved


def mirrored(first: Iterable[Point]) -> list[tuple[Array, Array]]:
    """Points of a path and their mirror images in x = 0, as pairs (left, right)."""
    right = [np.array(p, np.float64) for p in first]
    return [(p * [-1, 1, 1], p) for p in right]


def both_sides(points: Sequence[Point]) -> list[list[Array]]:
    """A path and its mirror image in x = 0."""
    pairs = mirrored(points)
    return [[left for left, _ in pairs], [right for _, right in pairs]]

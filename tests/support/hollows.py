"""Hollow bodies of two skins, joined or not, and the closed meshes they stand for."""

import igl
import numpy as np
from support import shapes
from support.shapes import Array, Mesh


def lathe(profile, sections: int = 24) -> Mesh:
    """Turn a profile (K, 2) of radius and height around z; the front is to its right."""
    profile = np.asarray(profile, float)
    turn = np.arange(sections) * 2 * np.pi / sections
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    rings = profile[:, None, [0, 0, 1]] * np.pad(circle, ((0, 0), (0, 1)), constant_values=1)
    low = np.arange((len(profile) - 1) * sections)
    onward = low - low % sections + (low + 1) % sections
    up, up_onward = low + sections, onward + sections
    faces = np.concatenate(
        [np.stack(f, 1) for f in ((low, onward, up_onward), (low, up_onward, up))]
    )
    vertices, same = np.unique(rings.reshape(-1, 3).round(9), axis=0, return_inverse=True)
    faces = same.ravel()[faces]
    whole = (np.sort(faces, axis=1)[:, 1:] != np.sort(faces, axis=1)[:, :-1]).all(axis=1)
    return vertices, faces[whole].astype(np.int32)


def arc(radius: float, mouth: float, count: int) -> Array:
    """Profile (count, 2) of a ball from its lowest point up to a mouth of a given radius."""
    angle = np.linspace(0, np.pi - np.arcsin(mouth / radius), count)
    profile = radius * np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    return np.where(np.abs(profile) < 1e-12, 0, profile)


def flask(
    mouth: float, wall: float, count: int = 16, sections: int = 24
) -> tuple[list[Mesh], Mesh]:
    """Outer skin, inner skin and rim of a hollow ball with a mouth; and all three joined.

    The rim is 0.003 smaller at both sides, so that it is not joined to the skins.
    """
    outer, inner = arc(1.0, mouth, count), arc(1.0 - wall, mouth, count)[::-1]
    step = inner[0] - outer[-1]
    gap = 0.003 * step / np.linalg.norm(step)
    rim = np.stack([outer[-1] + gap, inner[0] - gap])
    parts = [lathe(profile, sections) for profile in (outer, inner, rim)]
    return parts, lathe(np.concatenate([outer, inner]), sections)


def room(window: float, wall: float) -> Mesh:
    """Two boxes, one in another and inside out, with a square window at -x; nothing joins them."""
    parts = []
    for size, inwards in ((1.0, False), (1.0 - wall, True)):
        for axis, sign in ((0, -1), (0, 1), (1, -1), (1, 1), (2, -1), (2, 1)):
            hole = window / 2 if (axis, sign) == (0, -1) else 0.0
            parts.append(_side(size, hole, axis, sign, inwards))
    return shapes.join(*parts)


def _side(size: float, hole: float, axis: int, sign: int, inwards: bool) -> Mesh:
    """Square side of a box with a square hole: four rectangles, with seams that do not match."""
    frame = [(-size, -size, size, -hole), (-size, hole, size, size)]
    frame += [(-size, -hole, -hole, hole), (hole, -hole, size, hole)]
    rectangles = frame if hole else [(-size, -size, size, size)]
    flat = np.array([[(x, y), (s, y), (s, t), (x, t)] for x, y, s, t in rectangles]).reshape(-1, 2)
    vertices = np.empty((len(flat), 3))
    vertices[:, [(axis + 1) % 3, (axis + 2) % 3]] = flat
    vertices[:, axis] = sign * size
    faces = np.array([[0, 1, 2], [0, 2, 3]]) + 4 * np.arange(len(rectangles))[:, None, None]
    faces = faces.reshape(-1, 3)
    return vertices, (faces if (sign > 0) != inwards else faces[:, ::-1]).astype(np.int32)


def is_in_room(points: Array, window: float, wall: float) -> np.ndarray:
    """True for points (N, 3) in the walls of `room`."""
    in_wall = (np.abs(points) < 1).all(axis=1) & ~(np.abs(points) < 1 - wall).all(axis=1)
    in_window = (np.abs(points[:, 1:]) < window / 2).all(axis=1) & (points[:, 0] < 0)
    return in_wall & ~in_window


def elbow(radius: float, wall: float, sections: int = 20, count: int = 12) -> tuple[Mesh, Mesh]:
    """A pipe round a quarter of a circle, as two skins without rims, and closed."""
    turn, around = np.linspace(0, np.pi / 2, count), np.arange(sections) * 2 * np.pi / sections
    axis = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)[:, None]
    skins = [
        (0.7 * axis + r * (np.cos(around)[:, None] * axis + np.sin(around)[:, None] * [0, 0, 1.0]))
        for r in (radius, radius - wall)
    ]
    low = np.arange((count - 1) * sections)
    onward = low - low % sections + (low + 1) % sections
    up, up_onward = low + sections, onward + sections
    tube = np.concatenate(
        [np.stack(f, 1) for f in ((low, up_onward, onward), (low, up, up_onward))]
    )
    skin = count * sections
    vertices = np.concatenate(skins).reshape(-1, 3)
    here = np.arange(sections)
    there = (here + 1) % sections
    halves = (here, there, skin + there), (here, skin + there, skin + here)
    start = np.concatenate([np.stack(half, axis=1) for half in halves])
    faces = np.concatenate([tube, tube[:, ::-1] + skin])
    closed = np.concatenate([faces, start, start[:, ::-1] + skin - sections])
    if shapes.volume(vertices, closed) < 0:
        faces, closed = faces[:, ::-1], closed[:, ::-1]
    return (vertices, faces.astype(np.int32)), (vertices, closed.astype(np.int32))


def hollow_ball(radius: float = 1.0, cavity: float = 0.7) -> Mesh:
    return shapes.join(shapes.icosphere(radius), shapes.inside_out(shapes.icosphere(cavity)))


def is_inside(mesh: Mesh, points: Array) -> np.ndarray:
    """True for points (N, 3) inside a closed mesh, by libigl's winding numbers."""
    inside: np.ndarray = igl.winding_number(mesh[0], mesh[1].astype(np.int64), points) > 0.5
    return inside

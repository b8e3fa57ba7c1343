"""Analytic solids: their signed distances by formula, and fine meshes of them."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

Array = NDArray[np.float64]
Solid = Callable[[Array], Array]
"""Points (N, 3) -> signed distances (N,)."""


def solids() -> Iterator[tuple[str, TriangleMesh, list[Solid]]]:
    """Name, mesh in the cube frame, and the solids whose union it is."""
    half = np.pi / 2
    pill = _arc(0.4, -half, half)
    pill[:, 1] += np.where(pill[:, 1] < 0, -0.6, 0.6)
    ring = _arc(0.3, 0, 2 * np.pi)[:-1] + np.array([0.7, 0])
    can = np.array([[0, -1], [0.6, -1], [0.6, 1], [0, 1]], float)
    ball = revolve(_arc(1, -half, half))
    yield "sphere", ball, [sphere(1)]
    yield "box", _box_mesh((2, 1.2, 0.6)), [box((2, 1.2, 0.6))]
    yield "plate", _box_mesh((2, 1.6, 0.08)), [box((2, 1.6, 0.08))]
    yield "torus", revolve(ring), [torus(0.7, 0.3)]
    yield "cylinder", revolve(can), [cylinder(0.6, 2)]
    yield "capsule", revolve(pill), [capsule(0.4, 1.2)]
    small, bar = TriangleMesh(ball.vertices * 0.6, ball.faces), (2.0, 0.3, 0.3)
    yield "ball and bar", _joined(small, _box_mesh(bar)), [sphere(0.6), box(bar)]
    low = revolve(can * np.array([0.9, 0.8]))
    yield "torus and can", _joined(revolve(ring), low), [torus(0.7, 0.3), cylinder(0.54, 1.6)]
    yield "table", *_table()


def sphere(radius: float) -> Solid:
    """A ball around 0."""
    return lambda p: np.linalg.norm(p, axis=1) - radius


def box(size: tuple[float, float, float], center: tuple[float, float, float] = (0, 0, 0)) -> Solid:
    """An axis-aligned box."""

    def distance(p: Array) -> Array:
        q = np.abs(p - np.array(center)) - np.array(size) / 2
        return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)

    return distance


def torus(ring: float, tube: float) -> Solid:
    """A ring around the z axis."""
    return lambda p: np.hypot(np.hypot(p[:, 0], p[:, 1]) - ring, p[:, 2]) - tube


def cylinder(radius: float, height: float) -> Solid:
    """A solid cylinder along the z axis, centred."""

    def distance(p: Array) -> Array:
        q = np.stack([np.hypot(p[:, 0], p[:, 1]) - radius, np.abs(p[:, 2]) - height / 2], axis=1)
        return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)

    return distance


def capsule(radius: float, height: float) -> Solid:
    """All that is within the radius of a piece of the z axis, centred, `height` long."""

    def distance(p: Array) -> Array:
        z = np.maximum(np.abs(p[:, 2]) - height / 2, 0)
        return np.sqrt(p[:, 0] ** 2 + p[:, 1] ** 2 + z**2) - radius

    return distance


def revolve(profile: Array, segments: int = 384) -> TriangleMesh:
    """Turns a profile (P, 2) of (radius, z) around the z axis.

    Args:
        profile: counter-clockwise round the solid, the radius to the right. It closes on itself,
            or starts and ends on the axis.
        segments: round the axis.
    """
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    turn = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rings = np.empty((len(profile), segments, 3))
    rings[..., :2] = profile[:, None, :1] * turn
    rings[..., 2] = profile[:, 1:]
    low = np.arange(len(profile) * segments).reshape(len(profile), segments)
    high = np.roll(low, -1, axis=0)
    corners = low, np.roll(low, -1, axis=1), np.roll(high, -1, axis=1), high
    a, b, c, d = (corner.ravel() for corner in corners)
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return merged(rings.reshape(-1, 3), faces)


def _arc(radius: float, start: float, end: float, count: int = 192) -> Array:
    angle = np.linspace(start, end, count)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _box_mesh(
    size: tuple[float, float, float], center: tuple[float, float, float] = (0, 0, 0)
) -> TriangleMesh:
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [[q[0], q[i], q[i + 1]] for q in quads for i in (1, 2)]
    return TriangleMesh(corners * size + center, np.array(faces, np.int32))


def _joined(*meshes: TriangleMesh) -> TriangleMesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return TriangleMesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=False)]).astype(
            np.int32
        ),
    )


def _table() -> tuple[TriangleMesh, list[Solid]]:
    parts: list[tuple[tuple[float, float, float], tuple[float, float, float]]]
    parts = [((2, 1.4, 0.1), (0, 0, 0.5))]
    parts += [((0.1, 0.1, 1.1), (0.9 * x, 0.6 * y, 0)) for x in (-1, 1) for y in (-1, 1)]
    return _joined(*(_box_mesh(*part) for part in parts)), [box(*part) for part in parts]


def merged(vertices: Array, faces: NDArray[np.integer]) -> TriangleMesh:
    """Joins vertices by position (to 1e-6) and drops faces that are left without three corners."""
    _, first, same = np.unique(
        np.rint(vertices * 1e6), axis=0, return_index=True, return_inverse=True
    )
    joined = same.ravel()[faces]
    a, b, c = joined.T
    return TriangleMesh(vertices[first], joined[(a != b) & (b != c) & (c != a)].astype(np.int32))

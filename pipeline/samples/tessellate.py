"""Analytic primitives -> triangles, within a tolerance.

Each primitive becomes one closed component, wound outwards, or an open one if it is a sheet. All
vertices lie on the primitive; flat sides have few triangles.
"""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.samples.primitives import Array, Primitive, Prism, Rod, Turned

_SAME = 1e-9
"""Vertices closer than this are merged."""


def tessellate(primitive: Primitive, tolerance: float) -> TriangleMesh:
    """Mesh a primitive.

    Args:
        primitive: the primitive, placed by its pose.
        tolerance: maximal distance of the mesh from the primitive, in its units.
    """
    if isinstance(primitive, Prism):
        vertices, faces = _prism(primitive, tolerance)
    elif isinstance(primitive, Turned):
        vertices, faces = _turned(primitive, tolerance)
    else:
        vertices, faces = _rod(primitive, tolerance)
    vertices, faces = _merged(vertices, faces)
    if not primitive.is_sheet and _volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
    return TriangleMesh(primitive.pose.from_local(vertices), faces.astype(np.int32))


def arc_steps(radius: float, angle: float, tolerance: float) -> int:
    """Number of chords that approximate an arc within a tolerance."""
    if radius <= tolerance:
        return max(1, int(np.ceil(angle / (np.pi / 3))))
    return max(1, int(np.ceil(angle / (2 * np.arccos(1 - tolerance / radius)))))


def _prism(prism: Prism, tolerance: float) -> tuple[Array, NDArray[np.intp]]:
    """Rings of vertices around the outline, from the bottom up, and two caps."""
    outline = prism.outline
    if prism.is_sheet:
        flat = np.insert(outline, 1, 0, axis=1)
        return flat, _fan(np.arange(len(outline)))
    if _shoelace(outline) < 0:
        outline = outline[::-1]
    # 1. At a corner the outward direction turns from the normal of one side to that of the next.
    edge = np.roll(outline, -1, axis=0) - outline
    normal = np.arctan2(-edge[:, 0], edge[:, 1])
    before = np.roll(normal, 1)
    swing = (normal - before) % (2 * np.pi)
    steps = arc_steps(prism.rounding, float(swing.max()), tolerance / 2) if prism.rounding else 0
    rise = arc_steps(prism.rounding, np.pi / 2, tolerance / 2) if prism.rounding else 0
    share = np.linspace(0, 1, steps + 1)
    direction = (before[:, None] + swing[:, None] * share).ravel()
    corner = np.repeat(outline, steps + 1, axis=0)

    # 2. One ring per latitude: those of the lower half round the bottom, the others the top.
    lower = np.linspace(-np.pi / 2, 0, rise + 1)
    latitude = np.concatenate([lower, -lower[::-1]])
    middle = np.repeat([-prism.height / 2, prism.height / 2], rise + 1)
    rings = np.empty((len(latitude), len(direction), 3))
    out = prism.rounding * np.cos(latitude)[:, None]
    rings[..., 0] = corner[:, 0] + out * np.cos(direction)
    rings[..., 1] = (middle + prism.rounding * np.sin(latitude))[:, None]
    rings[..., 2] = corner[:, 1] + out * np.sin(direction)
    number = np.arange(rings[..., 0].size).reshape(rings.shape[:2])

    # 3. Sides, and caps over the corners of the first and last ring.
    sides = _quads(number[:-1], np.roll(number, -1, axis=1)[:-1], number[1:])
    cap = number[:, :: steps + 1]
    faces = np.concatenate([sides, _fan(cap[0])[:, ::-1], _fan(cap[-1])])
    return rings.reshape(-1, 3), faces


def _turned(turned: Turned, tolerance: float) -> tuple[Array, NDArray[np.intp]]:
    steps = max(arc_steps(float(turned.profile[:, 0].max()), turned.angle, tolerance), 3)
    number, vertices = _rings(turned.profile, steps, turned.angle, turned.whole)
    ahead = np.roll(number, -1, axis=0)
    if turned.is_sheet:
        number, ahead = number[:1], ahead[:1]
    if turned.whole:
        return vertices, _quads(number, np.roll(number, -1, axis=1), ahead)
    sides = _quads(number[:, :-1], number[:, 1:], ahead[:, :-1])
    if turned.is_sheet:
        return vertices, sides
    return vertices, np.concatenate([sides, _fan(number[:, 0]), _fan(number[:, -1])[:, ::-1]])


def _rod(rod: Rod, tolerance: float) -> tuple[Array, NDArray[np.intp]]:
    touch = np.arcsin((rod.start - rod.end) / rod.length)
    profile = []
    for radius, center, first, last in (
        (rod.start, 0.0, -np.pi / 2, touch),
        (rod.end, rod.length, touch, np.pi / 2),
    ):
        steps = arc_steps(radius, last - first, tolerance / 2)
        latitude = np.linspace(first, last, steps + 1)
        ring = [radius * np.cos(latitude), center + radius * np.sin(latitude)]
        profile.append(np.stack(ring, axis=1))
    steps = max(arc_steps(max(rod.start, rod.end), 2 * np.pi, tolerance / 2), 3)
    number, vertices = _rings(np.concatenate(profile), steps, 2 * np.pi, whole=True)
    return vertices, _quads(number[:-1], np.roll(number, -1, axis=1)[:-1], number[1:])


def _rings(profile: Array, steps: int, angle: float, whole: bool) -> tuple[NDArray[np.intp], Array]:
    """Copies of a profile (P, 2) around the y axis: indices (P, S) and vertices (P * S, 3)."""
    if whole:
        turn = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    else:
        turn = np.linspace(-angle / 2, angle / 2, steps + 1)
    vertices = np.empty((len(profile), len(turn), 3))
    vertices[..., 0] = profile[:, :1] * np.sin(turn)
    vertices[..., 1] = profile[:, 1:]
    vertices[..., 2] = profile[:, :1] * np.cos(turn)
    return np.arange(vertices[..., 0].size).reshape(vertices.shape[:2]), vertices.reshape(-1, 3)


def _quads(
    corner: NDArray[np.intp], beside: NDArray[np.intp], above: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Two triangles for each corner, the one beside it, the one above it and the fourth."""
    shift = beside - corner
    a, b, c, d = (x.ravel() for x in (corner, beside, above + shift, above))
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def _fan(corners: NDArray[np.intp]) -> NDArray[np.intp]:
    """Triangles (P - 2, 3) of a convex polygon."""
    first = np.full(len(corners) - 2, corners[0])
    return np.stack([first, corners[1:-1], corners[2:]], axis=1)


def _merged(vertices: Array, faces: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
    """Merge vertices at the same position, and remove faces that lose a corner by that."""
    _, first, same = np.unique(
        np.rint(vertices / _SAME), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    faces = rank[same.ravel()][faces]
    a, b, c = faces.T
    return vertices[first[order]], faces[(a != b) & (b != c) & (c != a)]


def _shoelace(outline: Array) -> float:
    ahead = np.roll(outline, -1, axis=0)
    return float(outline[:, 0] @ ahead[:, 1] - outline[:, 1] @ ahead[:, 0])


def _volume(vertices: Array, faces: NDArray[np.intp]) -> float:
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)))

"""Defects of real meshes, added to closed ones on purpose.

Each function takes a mesh and a random generator and returns a new mesh with the same bounding box.
The intact mesh is known, and so is the field that a robust signed distance must reproduce.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from shapegan.pipeline.arrays import lengths
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.triangles import areas, cross_products

Array: TypeAlias = NDArray[np.float64]

_FIRST_PROBES = 64
"""Points of an inner copy that are tested first, because most copies fail there."""
_PROBES = 512
"""Points of an inner copy that must lie inside its component."""
_CENTERS = 8
"""Limit of the points inside a component towards which it is shrunk, until the copy fits."""
_HALVINGS = 4
"""Number of times a copy that does not fit is halved before it is given up."""
_DEPTHS = 0.5 ** np.arange(2, 12)
"""Depths below faces at which inside points are searched, as shares of the longest side."""
_PAIRS = 2**14
"""Pairs of point and triangle per batch of winding numbers."""


def flip_faces(mesh: TriangleMesh, rng: np.random.Generator, share: float = 0.5) -> TriangleMesh:
    """Reverse the winding of a random share of the faces."""
    chosen = _pick(len(mesh.faces), share, rng)
    faces = mesh.faces.copy()
    faces[chosen] = faces[chosen, ::-1]
    return TriangleMesh(mesh.vertices, faces)


def delete_area(mesh: TriangleMesh, rng: np.random.Generator, share: float = 0.03) -> TriangleMesh:
    """Delete faces in random order, at most a share of the area.

    A face larger than what may still be deleted is skipped, so a mesh of few large faces may lose
    nothing. Faces that define the bounding box stay.
    """
    area = areas(mesh.vertices[mesh.faces])
    remaining = share * area.sum()
    outermost = _outermost(mesh)
    keep = np.ones(len(mesh.faces), bool)
    for face in rng.permutation(len(mesh.faces)):
        if area[face] <= remaining and face not in outermost:
            keep[face] = False
            remaining -= area[face]
    return TriangleMesh(mesh.vertices, mesh.faces[keep])


def double_walls(mesh: TriangleMesh, rng: np.random.Generator, share: float = 0.2) -> TriangleMesh:
    """Repeat a random share of the faces with reversed winding."""
    again = mesh.faces[_pick(len(mesh.faces), share, rng)][:, ::-1]
    return TriangleMesh(mesh.vertices, np.concatenate([mesh.faces, again]))


def inner_copy(
    mesh: TriangleMesh, rng: np.random.Generator, scale: float = 0.5, share: float = 1.0
) -> TriangleMesh:
    """Add a smaller copy of each connected component, or of a random share, hidden inside it.

    A component is shrunk by `scale` towards a point inside it. That works for all components that
    are star-shaped about the point, including thin plates and bars. A copy that would stick out is
    halved up to four times, so only bent ribbons thinner than 1/16 of their size get no copy.
    Neither do components with wide openings or with inward winding.
    """
    label = face_components(mesh)
    copies = []
    for component in _pick(label.max(initial=-1) + 1, share, rng):
        triangles = mesh.vertices[mesh.faces[label == component]]
        copy = _hidden_copy(triangles, rng, scale)
        if copy is not None:
            copies.append(copy)
    if not copies:
        return mesh
    vertices = np.concatenate(copies).reshape(-1, 3)
    vertices, corner = np.unique(vertices, axis=0, return_inverse=True)
    inner = corner.reshape(-1, 3).astype(np.int32)
    return join([mesh, TriangleMesh(vertices, inner)])


def cut_holes(
    mesh: TriangleMesh, rng: np.random.Generator, count: int, size: float = 0.02
) -> TriangleMesh:
    """Cut a small triangular hole into `count` faces, drawn with probability by area.

    The longest side of a hole is at most `size` times that of the mesh's bounding box, and at most
    half that of its face.
    """
    area = areas(mesh.vertices[mesh.faces])
    count = min(count, int((area > 0).sum()))
    chosen = np.sort(rng.choice(len(area), count, replace=False, p=area / area.sum()))
    outer = mesh.vertices[mesh.faces[chosen]]
    edge = np.linalg.norm(outer - np.roll(outer, 1, axis=1), axis=2).max(axis=1)
    shrink = np.minimum(size * np.ptp(mesh.vertices, axis=0).max() / edge, 0.5)[:, None, None]
    middle = outer.mean(axis=1, keepdims=True)
    inner = (middle + shrink * (outer - middle)).reshape(-1, 3)

    corner = mesh.faces[chosen]
    rim = len(mesh.vertices) + np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    ahead, rim_ahead = np.roll(corner, -1, axis=1), np.roll(rim, -1, axis=1)
    frame = [
        np.stack([corner, ahead, rim_ahead], axis=2),
        np.stack([corner, rim_ahead, rim], axis=2),
    ]
    faces = [np.delete(mesh.faces, chosen, axis=0), *(part.reshape(-1, 3) for part in frame)]
    return TriangleMesh(np.concatenate([mesh.vertices, inner]), np.concatenate(faces))


def tear_seams(mesh: TriangleMesh, rng: np.random.Generator, share: float = 0.3) -> TriangleMesh:
    """Give a random share of the faces three vertices that no other face shares."""
    chosen = _pick(len(mesh.faces), share, rng)
    faces = mesh.faces.copy()
    unshared = len(mesh.vertices) + np.arange(3 * len(chosen), dtype=np.int32)
    faces[chosen] = unshared.reshape(-1, 3)
    torn = mesh.vertices[mesh.faces[chosen]].reshape(-1, 3)
    return TriangleMesh(np.concatenate([mesh.vertices, torn]), faces)


def polygon_soup(mesh: TriangleMesh) -> TriangleMesh:
    """Give every face three vertices that no other face shares."""
    return TriangleMesh(
        mesh.vertices[mesh.faces].reshape(-1, 3),
        np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3),
    )


def add_all_defects(mesh: TriangleMesh, rng: np.random.Generator) -> TriangleMesh:
    """Add inner copies, holes, doubled walls and flipped faces, and make it a polygon soup."""
    for step in (inner_copy, delete_area, double_walls, flip_faces):
        mesh = step(mesh, rng)
    return polygon_soup(mesh)


Defect: TypeAlias = Callable[[TriangleMesh, np.random.Generator], TriangleMesh]

DEFECTS: dict[str, Defect] = {
    "flipped": flip_faces,
    "holes": delete_area,
    "doubled": double_walls,
    "inner": inner_copy,
    "soup": lambda mesh, _: polygon_soup(mesh),
    "all": add_all_defects,
}
"""Name of a defect in benchmarks and tests -> function that adds it."""


def join(meshes: list[TriangleMesh]) -> TriangleMesh:
    """Join meshes into one, in order, without merging vertices."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    shifted = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
    return TriangleMesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(shifted).astype(np.int32),
    )


def face_components(mesh: TriangleMesh) -> NDArray[np.intp]:
    """Number of each face's connected component: (F,).

    Faces are connected if they have corners at the same position, of the same vertex or not.
    """
    _, position = np.unique(mesh.vertices, axis=0, return_inverse=True)
    corner = position.ravel()[mesh.faces]
    rows, columns = corner[:, [0, 1]].ravel(), corner[:, [1, 2]].ravel()
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(position),) * 2)
    label = connected_components(graph, directed=False)[1][corner[:, 0]]
    return np.unique(label, return_inverse=True)[1].ravel()


def winding_numbers(points: Array, triangles: Array) -> Array:
    """Winding number of triangles at each point: 1 inside a closed mesh that is wound outwards.

    Direct sum of the solid angles of all triangles (Van Oosterom and Strackee 1983) over 4 pi.

    Args:
        points: (N, 3).
        triangles: (F, 3, 3).

    Returns:
        (N,).
    """
    corners = [np.ascontiguousarray(triangles[:, k].T) for k in range(3)]
    step = max(1, _PAIRS // max(len(triangles), 1))
    numbers = np.empty(len(points))
    for start in range(0, len(points), step):
        part = points[start : start + step, :, None]
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (
            (x - part[:, 0], y - part[:, 1], z - part[:, 2]) for x, y, z in corners
        )
        la = np.sqrt(ax * ax + ay * ay + az * az)
        lb = np.sqrt(bx * bx + by * by + bz * bz)
        lc = np.sqrt(cx * cx + cy * cy + cz * cz)
        ab = ax * bx + ay * by + az * bz
        bc = bx * cx + by * cy + bz * cz
        ca = cx * ax + cy * ay + cz * az
        volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
        angle = 2 * np.arctan2(volume, la * lb * lc + ab * lc + bc * la + ca * lb)
        numbers[start : start + step] = angle.sum(axis=1) / (4 * np.pi)
    return numbers


def _pick(count: int, share: float, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.choice(count, round(share * count), replace=False))


def _outermost(mesh: TriangleMesh) -> set[int]:
    """Up to six faces that define the bounding box."""
    triangles = mesh.vertices[mesh.faces]
    if not len(triangles):
        return set()
    low, high = triangles.min(axis=1).argmin(axis=0), triangles.max(axis=1).argmax(axis=0)
    return {int(face) for face in (*low, *high)}


def _hidden_copy(triangles: Array, rng: np.random.Generator, scale: float) -> Array | None:
    """Largest of the tried copies (F, 3, 3) that lies inside a component, or None."""
    centers = _points_inside(triangles, rng)
    probes = _probes(triangles, rng)
    for factor in scale * 0.5 ** np.arange(_HALVINGS + 1):
        for center in centers:
            if _all_inside(center + factor * (probes - center), triangles):
                shrunk: Array = center + factor * (triangles - center)
                return shrunk
    return None


def _all_inside(points: Array, triangles: Array) -> bool:
    """True if all points lie inside a component; a few are tested first, as most copies fail."""
    return all(
        winding_numbers(some, triangles).min() > 0.5
        for some in np.split(points, [_FIRST_PROBES])
        if len(some)
    )


def _probes(triangles: Array, rng: np.random.Generator) -> Array:
    """Corners and centroids of random faces of a component: (at most 2 * _PROBES, 3)."""
    chosen = rng.permutation(len(triangles))[:_PROBES]
    both = np.stack([triangles[chosen, 0], triangles[chosen].mean(axis=1)], axis=1)
    return both.reshape(-1, 3)


def _points_inside(triangles: Array, rng: np.random.Generator) -> Array:
    """Points inside a component, at several depths below random faces: (at most _CENTERS, 3).

    Those farthest from the component's corners come first.
    """
    normal = cross_products(triangles)
    length = lengths(normal)
    if not length.any():
        return np.empty((0, 3))
    chosen = rng.choice(len(triangles), _CENTERS, p=length / length.sum())
    inward = -normal[chosen] / length[chosen, None]
    depth = _DEPTHS[:, None, None] * np.ptp(triangles.reshape(-1, 3), axis=0).max()
    points = (triangles[chosen].mean(axis=1) + depth * inward).reshape(-1, 3)
    inside = points[winding_numbers(points, triangles) > 0.5]
    room = cKDTree(triangles.reshape(-1, 3)).query(inside)[0]
    best: Array = inside[np.argsort(-room)[:_CENTERS]]
    return best

"""Small meshes whose truth is known, and slow float64 twins to check the fast answers against.

A mesh is a pair: vertices (V, 3) float64 and faces (F, 3) int32. Closed ones are wound outwards.
"""

from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mesh = tuple[Array, NDArray[np.int32]]


def from_trimesh(mesh: trimesh.Trimesh) -> Mesh:
    return np.array(mesh.vertices, np.float64), np.array(mesh.faces, np.int32)


def box(size=(1.0, 1.0, 1.0), center=(0.0, 0.0, 0.0), subdivisions: int = 0) -> Mesh:
    mesh = trimesh.creation.box(size)
    for _ in range(subdivisions):
        mesh = mesh.subdivide()
    vertices, faces = from_trimesh(mesh)
    return vertices + np.array(center), faces


def icosphere(radius: float = 0.5, subdivisions: int = 2, center=(0.0, 0.0, 0.0)) -> Mesh:
    vertices, faces = from_trimesh(trimesh.creation.icosphere(subdivisions, radius))
    return vertices + np.array(center), faces


def tube(radius: float = 0.5, height: float = 1.0, sections: int = 24, caps: bool = True) -> Mesh:
    """A cylinder along z; without caps it is a lampshade."""
    turn = np.arange(sections) * 2 * np.pi / sections
    ring = np.stack([radius * np.cos(turn), radius * np.sin(turn), 0 * turn], axis=1)
    half = np.array([0, 0, height / 2])
    vertices = np.concatenate([ring - half, ring + half, [-half, half]])
    low, onward = np.arange(sections), (np.arange(sections) + 1) % sections
    sides = [[low, onward, low + sections], [onward, onward + sections, low + sections]]
    bottom, top = np.full(sections, 2 * sections), np.full(sections, 2 * sections + 1)
    ends = [[bottom, onward, low], [top, low + sections, onward + sections]]
    parts = sides + ends if caps else sides
    faces = np.concatenate([np.stack(part, axis=1) for part in parts]).astype(np.int32)
    return vertices[: None if caps else 2 * sections], faces


def torus(ring: float = 0.7, tube_radius: float = 0.3, sections: int = 48) -> Mesh:
    mesh = trimesh.creation.torus(
        ring, tube_radius, major_sections=sections, minor_sections=sections // 2
    )
    return from_trimesh(mesh)


def prism(outline, height: float = 1.0, apex: int = 0) -> Mesh:
    """An outline (K, 2), counter-clockwise and seen whole from corner `apex`, raised along z."""
    outline = np.roll(np.asarray(outline, float), -apex, axis=0)
    count = len(outline)
    vertices = np.concatenate(
        [np.pad(outline, ((0, 0), (0, 1)), constant_values=z) for z in (-height / 2, height / 2)]
    )
    fan = np.array([[0, k, k + 1] for k in range(1, count - 1)])
    walls = [
        part
        for k in range(count)
        for part in (
            [k, (k + 1) % count, k + count],
            [(k + 1) % count, (k + 1) % count + count, k + count],
        )
    ]
    return vertices, np.concatenate([fan[:, ::-1], fan + count, walls]).astype(np.int32)


def l_shape(height: float = 0.8) -> Mesh:
    outline = [(1, 1), (1, 2), (0, 2), (0, 0), (2, 0), (2, 1)]
    return prism(np.array(outline) - 1.0, height)


def plane(size=(1.0, 1.0), cells: int = 4) -> Mesh:
    """A flat rectangle in z = 0, its normal up, of 2 * cells^2 faces."""
    axis = np.linspace(-0.5, 0.5, cells + 1)
    x, y = np.meshgrid(axis * size[0], axis * size[1], indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    corner = np.arange(cells * (cells + 1)).reshape(cells, cells + 1)[:, :-1].ravel()
    along_x, along_y = corner + cells + 1, corner + 1
    lower = np.stack([corner, along_x, along_y], axis=1)
    upper = np.stack([along_x, along_x + 1, along_y], axis=1)
    return vertices, np.concatenate([lower, upper]).astype(np.int32)


def open_box(size=(1.0, 1.0, 1.0), subdivisions: int = 2) -> Mesh:
    """A box without its top."""
    vertices, faces = box(size, subdivisions=subdivisions)
    lid = (vertices[faces][:, :, 2] > size[2] / 2 - 1e-9).all(axis=1)
    return vertices, faces[~lid]


def thin_plate(thickness: float = 0.01) -> Mesh:
    return box((2.0, 2.0, thickness), subdivisions=3)


def moebius(sections: int = 12) -> Mesh:
    """A band with half a twist: it has no two sides."""
    turn = np.arange(sections) * 2 * np.pi / sections
    rings = []
    for side in (-0.3, 0.3):
        radius = 1 + side * np.cos(turn / 2)
        height = side * np.sin(turn / 2)
        rings.append(np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1))
    faces = []
    for k in range(sections):
        low, high = k, k + sections
        low_next, high_next = (k + 1, k + 1 + sections) if k + 1 < sections else (sections, 0)
        faces += [[low, low_next, high], [low_next, high_next, high]]
    return np.concatenate(rings), np.array(faces, np.int32)


def join(*meshes: Mesh) -> Mesh:
    """One mesh of several; vertices stay apart."""
    below = np.cumsum([0] + [len(vertices) for vertices, _ in meshes[:-1]])
    faces = [faces + start for (_, faces), start in zip(meshes, below, strict=True)]
    return np.concatenate([vertices for vertices, _ in meshes]), np.concatenate(faces).astype(
        np.int32
    )


def boxes(corners, subdivisions: int = 0) -> Mesh:
    """Boxes as one mesh, by their low and high corners (B, 2, 3)."""
    pairs = np.asarray(corners, float)
    return join(*(box(high - low, (low + high) / 2, subdivisions) for low, high in pairs))


def overlapping_boxes() -> Mesh:
    return join(box(center=(-0.25, 0, 0)), box((0.9, 0.7, 0.8), center=(0.35, 0.1, 0.05)))


def nested_spheres() -> Mesh:
    return join(icosphere(0.9), icosphere(0.4))


def flip(mesh: Mesh, chosen: NDArray[np.bool_]) -> Mesh:
    """Winds the chosen faces the other way round."""
    vertices, faces = mesh
    return vertices, np.where(chosen[:, None], faces[:, ::-1], faces)


def inside_out(mesh: Mesh) -> Mesh:
    return mesh[0], mesh[1][:, ::-1]


def flip_half(mesh: Mesh, seed: int = 0) -> Mesh:
    return flip(mesh, np.random.default_rng(seed).random(len(mesh[1])) < 0.5)


def soup(mesh: Mesh) -> Mesh:
    """Every face gets three vertices of its own."""
    vertices, faces = mesh
    return vertices[faces].reshape(-1, 3), np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3)


def random_soup(count: int, seed: int, stretch=(1.0, 1.0, 1.0), size: float = 0.3) -> Mesh:
    """Loose triangles all over the cube, squeezed along its axes."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-1, 1, (count, 1, 3)) + size * random.standard_normal((count, 3, 3))
    vertices = (corners * stretch).reshape(-1, 3).astype(np.float32)
    return vertices, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def apart(mesh: Mesh, by: float) -> Mesh:
    """Faces drawn in towards their middles by a share, so that every edge gapes."""
    vertices, faces = soup(mesh)
    middles = vertices[faces].mean(axis=1).repeat(3, axis=0)
    return middles + (vertices - middles) * (1 - by), faces


def moved(mesh: Mesh, by) -> Mesh:
    return mesh[0] + np.array(by), mesh[1]


def loose_box(gap: float = 0.03) -> Mesh:
    """Five panels of a cube without a top, which do not quite touch."""
    panels = []
    for axis in range(3):
        for side in (-1, 1):
            if (axis, side) == (2, 1):
                continue
            vertices, faces = plane((1.6 - 2 * gap, 1.6 - 2 * gap), cells=2)
            panel = moved(
                (np.roll(vertices, axis + 1, axis=1), faces), 0.8 * side * np.eye(3)[axis]
            )
            panels.append(panel if side > 0 else (panel[0], faces[:, ::-1]))
    return join(*panels)


def turned(mesh: Mesh, angle: float) -> Mesh:
    """Turned round the z axis."""
    sine, cosine = np.sin(angle), np.cos(angle)
    turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    return mesh[0] @ turn, mesh[1]


def volume(vertices: Array, faces: NDArray[np.int32]) -> float:
    a, b, c = np.moveaxis(np.asarray(vertices, np.float64)[faces], 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def triangle_areas(vertices: Array, faces: NDArray[np.int32]) -> Array:
    a, b, c = np.moveaxis(np.asarray(vertices, np.float64)[faces], 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def area(vertices: Array, faces: NDArray[np.int32]) -> float:
    return float(triangle_areas(vertices, faces).sum())


def _batches(points: Array, faces: NDArray[np.int32]) -> list[Array]:
    """Points in pieces, so that none makes more than some 100,000 pairs of point and face."""
    pieces = 1 + len(points) * len(faces) // 100_000
    return np.array_split(np.asarray(points, np.float64), pieces)


def winding_numbers(points: Array, vertices: Array, faces: NDArray[np.int32]) -> Array:
    """Slow twin of `WindingField.numbers`: the sum of all solid angles (N,), over 4 pi."""
    corners = np.asarray(vertices, np.float64)[faces]
    total = []
    for batch in _batches(points, faces):
        a, b, c = (corners[None, :, k] - batch[:, None] for k in range(3))
        la, lb, lc = (np.sqrt(np.einsum("nfd,nfd->nf", x, x)) for x in (a, b, c))
        above = np.einsum("nfd,nfd->nf", a, np.cross(b, c))
        below = la * lb * lc
        for x, y, length in ((a, b, lc), (b, c, la), (c, a, lb)):
            below += np.einsum("nfd,nfd->nf", x, y) * length
        total.append(2 * np.arctan2(above, below).sum(axis=1))
    return np.concatenate(total) / (4 * np.pi)


def distances(points: Array, vertices: Array, faces: NDArray[np.int32]) -> Array:
    """Slow twin of the nearest triangle's distance (N,), unsigned."""
    corners = np.asarray(vertices, np.float64)[faces]
    ends = np.roll(corners, -1, axis=1)
    edges = ends - corners
    square = np.maximum((edges**2).sum(axis=2), np.finfo(float).tiny)
    normal = np.cross(edges[:, 0], edges[:, 1])
    twice = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal / np.maximum(twice, np.finfo(float).tiny)
    inwards = np.cross(normal[:, None], edges)
    nearest = []
    for batch in _batches(points, faces):
        # (B, F, 3, 3): to each point from each corner, and from each edge.
        way = np.asarray(batch, np.float64)[:, None, None] - corners
        along = ((way * edges).sum(axis=3) / square).clip(0, 1)
        gap = np.linalg.norm(way - along[..., None] * edges, axis=3).min(axis=2)
        over = ((way * inwards).sum(axis=3) > 0).all(axis=2)
        height = np.abs((way[:, :, 0] * normal).sum(axis=2))
        nearest.append(np.where(over, height, gap).min(axis=1))
    return np.concatenate(nearest)


def signed_distances(points: Array, vertices: Array, faces: NDArray[np.int32]) -> Array:
    """Slow twin for a closed mesh without inner faces (N,)."""
    inside = winding_numbers(points, vertices, faces) > 0.5
    return distances(points, vertices, faces) * np.where(inside, -1, 1)


def points_around(count: int, seed: int = 0, reach: float = 1.0) -> NDArray[np.float32]:
    """Random points (count, 3) in a cube of half side `reach`."""
    random = np.random.default_rng(seed).uniform(-reach, reach, (count, 3))
    return random.astype(np.float32)


def points_near(mesh: Mesh, count: int, gap: float, seed: int = 0) -> NDArray[np.float32]:
    """Points `gap` off the faces, off the edges and off the vertices, a third of each."""
    vertices, faces = mesh
    random = np.random.default_rng(seed)
    weights = random.dirichlet((1, 1, 1), count)
    weights[: count // 3, 0] = 0
    weights[: count // 3] /= weights[: count // 3].sum(axis=1, keepdims=True)
    weights[count // 3 : 2 * (count // 3)] = (1, 0, 0)
    there = np.einsum(
        "nk,nkd->nd", weights, vertices[faces[random.integers(len(faces), size=count)]]
    )
    off = random.standard_normal((count, 3))
    off *= gap / np.linalg.norm(off, axis=1, keepdims=True)
    return (there + off).astype(np.float32)


def write_obj(path: Path, vertices: Array, faces: NDArray[np.int32]) -> Path:
    """A Wavefront file with all digits."""
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in np.asarray(vertices, float).tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (np.asarray(faces) + 1).tolist()]
    path.write_text("\n".join(lines) + "\n")
    return path

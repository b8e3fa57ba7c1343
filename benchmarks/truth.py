"""Shapes whose signed distance is known exactly: analytic solids and closed meshes.

Nothing here uses shapegan's own geometry, so that an error cannot be on both sides of a comparison:
distances and signs of closed meshes come from `exact_geometry.py`, unions of parts from CGAL's
exact arithmetic. All shapes are in the cube frame.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exact_geometry import (
    closest_points,
    distance_to,
    is_inside,
    signed_volumes,
    unit_vectors,
    winding_by_region,
)
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from solids import Array, merged, solids

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.schema import grid_points

GRID = 64
"""Resolution of the grid on which wrong signs are counted; its points come first."""

NEAR_POINTS = 30_000
"""Number of points around the surface, which follow the grid's."""

MIN_INSIDE = 500
"""Fewest grid points inside a closed mesh, so that a percentage of them has a meaning."""

FACES = 100, 20_000
"""Fewest and most faces of a closed mesh out of an archive."""

ON_SURFACE = 1e-6
"""Distance below which points lie on the surface: they have no sign and no winding number."""

CRACK = 1e-4
"""Distance up to which two parts may be meant to touch."""

CAVITY = 1e-3
"""Smallest hidden cavity that counts, as a share of the solid's volume."""

TRUTH_VERSION = 3
"""Version of the truths in the cache; raise it when they change."""

CACHE = Path(tempfile.gettempdir()) / "shapegan-benchmarks"


@dataclass(frozen=True)
class Case:
    """A shape and its exact signed distances."""

    name: str
    mesh: TriangleMesh
    points: NDArray[np.float32]
    """(N, 3): the grid, then points around the surface."""
    sdf: Array
    """(N,) at the points."""
    known: NDArray[np.bool_]
    """(N,): points whose distances count. Signs count everywhere."""
    cavity: bool = False
    """True if the solid has a cavity that no path from outside reaches."""


class NotSolidError(ValueError):
    """A mesh that encloses no well-defined solid; the message says why."""


def analytic_cases() -> Iterator[Case]:
    """Finely meshed solids with distances by formula; those of unions are known outside only."""
    for name, mesh, parts in solids():
        points = sample_around(mesh, GRID, NEAR_POINTS)
        distances = [part(points.astype(np.float64)) for part in parts]
        sdf = np.min(distances, axis=0)
        yield Case(name, mesh, points, sdf, (sdf >= 0) | (len(parts) == 1))


def closed_cases(meshes: Path, furniture: Path, count: int) -> Iterator[Case]:
    """Real meshes that enclose a solid, the same at every call.

    Args:
        meshes: folder of .obj files, whose closed meshes come first.
        furniture: folder of Sweet Home 3D's .sh3f archives; missing ones are left out.
        count: number of closed meshes in all; those of the archives are ordered by a hash of their
            names.
    """
    seen = set()
    found = 0
    sources = sorted(meshes.rglob("*.obj")), sorted(furniture.glob("*.sh3f"))
    for name, text in _texts(*sources):
        if found == count:
            return
        case = _closed_case(name, text)
        if case and (key := _fingerprint(case)) not in seen:
            seen.add(key)
            found += 1
            yield case


def _texts(files: list[Path], archives: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        model = path.parent.parent.name if path.parent.name == "models" else path.stem
        yield model, path.read_bytes()
    entries = [(archive, name) for archive in archives for name in _objs(archive)]
    for archive, name in sorted(entries, key=lambda e: hashlib.sha256(e[1].encode()).digest()):
        with zipfile.ZipFile(archive) as file:
            yield Path(name).stem, file.read(name)


def _objs(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        return [name for name in file.namelist() if name.lower().endswith(".obj")]


def _closed_case(name: str, text: bytes) -> Case | None:
    """The mesh of an .obj file with its truth, from the cache if it is there; None if not solid."""
    key = f"{hashlib.sha256(text).hexdigest()[:32]}-{GRID}-{NEAR_POINTS}-{TRUTH_VERSION}"
    path = CACHE / f"truth-{key}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            case = closed_case(name, parse_obj(text))
            found = {k: v for k, v in vars(case).items() if k != "mesh"} | vars(case.mesh)
        except NotSolidError as error:
            found = {"refusal": str(error)}
        partial_path = path.with_suffix(".partial.npz")
        np.savez(partial_path, **found)
        partial_path.rename(path)
    with np.load(path) as found:
        if "refusal" in found:
            return None
        mesh = TriangleMesh(found["vertices"], found["faces"])
        truth = (found[key] for key in ("points", "sdf", "known"))
        return Case(name, mesh, *truth, bool(found["cavity"]))


def _fingerprint(case: Case) -> tuple[int, int]:
    """Key that finds copies of a model, which have other names and scales."""
    return len(case.mesh.faces), int((case.sdf[: GRID**3] < 0).sum())


def closed_case(name: str, mesh: TriangleMesh) -> Case:
    """A closed mesh and its truth.

    Raises:
        NotSolidError: if it is not closed, has repeated faces, or a component that is wound
            inwards.
    """
    # 1. Check that the mesh encloses a solid, and enough grid points.
    mesh = _solid(mesh)
    points = sample_around(mesh, GRID, NEAR_POINTS)
    distance = distance_to(mesh, points)
    triangles = mesh.vertices[mesh.faces]
    winding = winding_by_region(points, distance, triangles)
    on = distance < ON_SURFACE
    off = winding[~on]
    if np.abs(off - np.rint(off)).max() > 0.01 or off.min() < -0.5:
        raise NotSolidError(f"winding numbers from {off.min():.3f} to {off.max():.3f}")
    inside = (winding > 0.5) & ~on
    if inside[: GRID**3].sum() < MIN_INSIDE:
        raise NotSolidError(f"only {inside[: GRID**3].sum()} grid points lie inside")

    # 2. Measure distances inside to the boundary of the union of all parts. They are known unless
    #    they depend on a crack between two parts.
    union, cavity = _union(mesh)
    depth = distance_to(union, points[inside])
    sdf = np.where(inside, 0, distance)
    sdf[inside] = -depth
    return Case(name, mesh, points, sdf, ~_at_crack(mesh, union, points, sdf), cavity)


def _union(mesh: TriangleMesh) -> tuple[TriangleMesh, bool]:
    """The boundary of the solid, and whether a cavity is hidden in it."""
    from igl.copyleft.cgal import mesh_boolean, outer_hull

    parts = mesh.vertices, mesh.faces.astype(np.int64)
    nothing = np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    union, hull = (
        TriangleMesh(found[0], found[1].astype(np.int32))
        for found in (mesh_boolean(*parts, *nothing, "union"), outer_hull(*parts))
    )
    return union, _volume(hull) > (1 + CAVITY) * _volume(union)


def _volume(mesh: TriangleMesh) -> float:
    return float(signed_volumes(mesh).sum())


def _at_crack(
    mesh: TriangleMesh, union: TriangleMesh, points: NDArray[np.float32], sdf: Array
) -> NDArray[np.bool_]:
    """Mask (N,) of points whose closest surface has the solid on both sides: it lies at a crack."""
    at, result = points.astype(np.float64), np.zeros(len(points), bool)
    inside, near = sdf < 0, (sdf >= 0) & (sdf < CRACK)
    foot, _ = closest_points(union, at[inside])
    result[inside] = is_inside(mesh, foot + CRACK * unit_vectors(foot - at[inside]))
    foot, normal = closest_points(mesh, at[near])
    result[near] = np.all([is_inside(mesh, foot + side * normal) for side in (CRACK, -CRACK)], 0)
    return result


def parse_obj(text: bytes) -> TriangleMesh:
    """Read the vertices and faces of an .obj file; polygons become fans."""
    vertices, faces = [], []
    for line in text.splitlines():
        match line.split():
            case [b"v", x, y, z, *_]:
                vertices.append((float(x), float(y), float(z)))
            case [b"f", *corners]:
                index = [int(corner.split(b"/")[0]) for corner in corners]
                index = [i - 1 if i > 0 else i + len(vertices) for i in index]
                faces += [(index[0], *index[i : i + 2]) for i in range(1, len(index) - 1)]
    return TriangleMesh(np.array(vertices), np.array(faces, np.int32).reshape(-1, 3))


def _solid(mesh: TriangleMesh) -> TriangleMesh:
    """Join vertices, check that the mesh encloses a solid, and move it to the cube frame."""
    if not FACES[0] <= len(mesh.faces) <= FACES[1]:
        raise NotSolidError(f"{len(mesh.faces)} faces")
    used = mesh.vertices[np.unique(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    cube = (mesh.vertices - (low + high) / 2) * (2 / (high - low).max())
    joined = merged(cube, mesh.faces)
    if len(np.unique(np.sort(joined.faces, axis=1), axis=0)) < len(joined.faces):
        raise NotSolidError("repeated faces")
    component = _closed_components(joined.faces)
    if (np.bincount(component, signed_volumes(joined)) <= 1e-9).any():
        raise NotSolidError("a component is wound inwards or flat")
    return joined


def _closed_components(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Component (F,) of each face, joined over edges.

    Raises:
        NotSolidError: if an edge does not run as often in one direction as in the other.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    low, high = edges.min(axis=1), edges.max(axis=1)
    _, edge = np.unique(low * (high.max() + 1) + high, return_inverse=True)
    if np.bincount(edge, np.where(edges[:, 0] == low, 1, -1)).any():
        raise NotSolidError("not closed, or windings disagree")
    face = np.tile(np.arange(len(faces)), 3)
    links = coo_matrix((np.ones(len(edge)), (face, edge + len(faces))))
    count = len(faces) + edge.max() + 1
    links.resize(count, count)
    component = connected_components(links, directed=False)[1][: len(faces)]
    return np.unique(component, return_inverse=True)[1].astype(np.int32)


def sample_around(mesh: TriangleMesh, resolution: int, count: int) -> NDArray[np.float32]:
    """The grid's points, then points around the surface, by area: (R^3 + count, 3).

    Half of the latter have noise of a voxel of 64^3, half of a tenth of it.
    """
    rng = np.random.default_rng(0)
    corners = mesh.vertices[mesh.faces]
    double = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(double, axis=1)
    weights = rng.dirichlet((1, 1, 1), count)
    on = np.einsum(
        "nk,nkx->nx", weights, corners[rng.choice(len(area), count, p=area / area.sum())]
    )
    spread = np.where(np.arange(count) % 2, 0.03, 0.003)[:, None]
    near = np.clip(on + spread * rng.standard_normal((count, 3)), -1, 1)
    return np.concatenate([grid_points(resolution), near.astype(np.float32)])

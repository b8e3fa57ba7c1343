"""Sample meshes: procedural shapes in ShapeNet's layout, with the defects of real meshes.

Each consists of primitives that penetrate each other, as models made by hand do, so its exact
solid is known. Then faces are flipped, doubled, torn apart and removed. A seed gives the same
shapes, whatever their number.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shapegan.pipeline.files import OutputError, write_text
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.samples.chairs import chair
from shapegan.pipeline.samples.defects import (
    cut_holes,
    double_walls,
    flip_faces,
    inner_copy,
    tear_seams,
)
from shapegan.pipeline.samples.kinds import KINDS
from shapegan.pipeline.samples.parts import Parts
from shapegan.pipeline.samples.planes import plane
from shapegan.pipeline.samples.sofas import sofa
from shapegan.pipeline.samples.solid import Solid
from shapegan.pipeline.samples.tables import table

TOLERANCE = 4e-4
"""Maximal distance of meshes from their solids, as a share of the longest side."""

_DECIMALS = 7
"""Decimals of coordinates, in memory and in files."""

_DESIGNERS: dict[str, Callable[[np.random.Generator, int], tuple[Parts, Parts]]] = {
    "chairs": chair,
    "tables": table,
    "sofas": sofa,
    "planes": plane,
}


@dataclass(frozen=True)
class Sample:
    """One shape: its meshes and its exact solid, in ShapeNet v2's frame (diagonal 1, centre 0)."""

    id: str
    synset: str
    mesh: TriangleMesh
    """The mesh with defects."""
    intact: TriangleMesh
    """The mesh without defects: closed overlapping components, wound outwards, and bare sheets."""
    solid: Solid
    """Union of the closed components; bare sheets are listed separately."""

    def path(self, out: Path) -> Path:
        """Path of the mesh file below a folder, as in ShapeNetCore v2."""
        return out / self.synset / self.id / "models" / "model_normalized.obj"


def make_sample(kind: str, seed: int, index: int) -> Sample:
    """Make one shape.

    Args:
        kind: one of `KINDS`.
        seed: random seed.
        index: number of the shape among those of the seed.
    """
    stream = [seed, list(KINDS).index(kind), index]
    solids, sheets = _DESIGNERS[kind](np.random.default_rng(stream), seed + index)
    solid, intact = _normalised(Solid(tuple(solids), tuple(sheets)))
    mesh = _rounded(_add_random_defects(intact, np.random.default_rng([*stream, 1])))
    names = KINDS[kind]
    return Sample(f"{names.singular}-{index:04d}", names.synset, mesh, intact, solid)


def write_samples(
    kinds: tuple[str, ...], count: int, seed: int, out: Path, *, intact: bool = False
) -> Iterator[Path]:
    """Write shapes as OBJ files, each with its exact solid in `solid.json` beside it.

    Existing files are kept, so writing the same samples again changes nothing.

    Args:
        kinds: names from `KINDS`.
        count: shapes per kind.
        seed: random seed.
        out: folder, created if it does not exist.
        intact: write the meshes without defects.

    Yields:
        The path of each mesh.

    Raises:
        OutputError: the folder cannot be written, or contains another model of the same name.
    """
    for kind in kinds:
        for index in range(count):
            sample = make_sample(kind, seed, index)
            path = sample.path(out)
            _write(path, _to_obj(sample.intact if intact else sample.mesh))
            _write(path.with_name("solid.json"), sample.solid.to_json())
            yield path


def _normalised(solid: Solid) -> tuple[Solid, TriangleMesh]:
    """Centre a solid, scale its diagonal to 1, and mesh it to `TOLERANCE` of its size."""
    size = np.ptp(solid.mesh(tolerance=0.01).vertices, axis=0).max()
    fine = solid.mesh(TOLERANCE * size)
    low, high = fine.vertices.min(axis=0), fine.vertices.max(axis=0)
    x, y, z = (float(middle) for middle in (low + high) / 2)
    scale = 1 / float(np.linalg.norm(high - low))
    vertices = (fine.vertices - [x, y, z]) * scale
    return replace(solid, center=(x, y, z), scale=scale), _rounded(
        TriangleMesh(vertices, fine.faces)
    )


def _rounded(mesh: TriangleMesh) -> TriangleMesh:
    # Adding 0 turns -0 into 0.
    return TriangleMesh(np.round(mesh.vertices, _DECIMALS) + 0.0, mesh.faces)


def _add_random_defects(mesh: TriangleMesh, rng: np.random.Generator) -> TriangleMesh:
    """Add defects of real meshes, a random selection in random amounts."""
    if rng.random() < 0.5:
        mesh = inner_copy(mesh, rng, rng.uniform(0.4, 0.8), share=0.4)
    if rng.random() < 0.7:
        mesh = cut_holes(mesh, rng, int(rng.integers(1, 6)))
    if rng.random() < 0.7:
        mesh = double_walls(mesh, rng, rng.uniform(0.02, 0.25))
    mesh = flip_faces(mesh, rng, rng.uniform(0.0, 0.5))
    return tear_seams(mesh, rng, rng.choice([0.1, 0.5, 1.0]))


def _to_obj(mesh: TriangleMesh) -> str:
    lines = [f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    """Write a new file, or check that an existing one has the same content."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        same = path.exists() and path.read_bytes() == text.encode()
        different = path.exists() and not same
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another --out") from error
    if different:
        raise OutputError(f"{path} is another model already; choose another --out")
    if not same:
        write_text(path, text)

"""Sample meshes: procedural shapes in ShapeNet's layout, spoilt as real ones are.

Each is put together from primitives that interpenetrate, as modellers do, so that its exact
solid is known; then faces are flipped, doubled, torn apart and left out. The same seed gives the
same shapes, however many are asked for.
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
"""How far meshes are from their solids at most, as a share of the longest side."""

_DECIMALS = 7
"""Of coordinates, in memory as in the file."""

_DESIGNERS: dict[str, Callable[[np.random.Generator, int], tuple[Parts, Parts]]] = {
    "chairs": chair,
    "tables": table,
    "sofas": sofa,
    "planes": plane,
}


@dataclass(frozen=True)
class Sample:
    """One shape, its mesh and the truth about it. ShapeNet v2's frame: diagonal 1, centre 0."""

    id: str
    synset: str
    mesh: TriangleMesh
    """Spoilt."""
    intact: TriangleMesh
    """Closed components that overlap, wound outwards, then the bare sheets."""
    solid: Solid
    """The union of the closed components, with the sheets beside it."""

    def path(self, out: Path) -> Path:
        """Where the mesh is written below a folder, as in ShapeNetCore v2."""
        return out / self.synset / self.id / "models" / "model_normalized.obj"


def make_sample(kind: str, seed: int, index: int) -> Sample:
    """Makes one shape.

    Args:
        kind: one of `KINDS`.
        seed: of all randomness.
        index: which of the seed's shapes.
    """
    stream = [seed, list(KINDS).index(kind), index]
    solids, sheets = _DESIGNERS[kind](np.random.default_rng(stream), seed + index)
    solid, intact = _normalised(Solid(tuple(solids), tuple(sheets)))
    spoilt = _spoil(intact, np.random.default_rng([*stream, 1]))
    about = KINDS[kind]
    return Sample(f"{about.singular}-{index:04d}", about.synset, _rounded(spoilt), intact, solid)


def write_samples(
    kinds: tuple[str, ...], count: int, seed: int, out: Path, *, intact: bool = False
) -> Iterator[Path]:
    """Writes shapes as OBJ, and `solid.json` with the exact solid beside each.

    What is there already stays; the same samples again change nothing.

    Args:
        kinds: of `KINDS`.
        count: of each kind.
        seed: of all randomness.
        out: a folder, made if need be.
        intact: whether to leave out the spoiling.

    Yields:
        The path of each mesh.

    Raises:
        OutputError: where the folder cannot be written, or holds another model of that name.
    """
    for kind in kinds:
        for index in range(count):
            sample = make_sample(kind, seed, index)
            path = sample.path(out)
            _write(path, _to_obj(sample.intact if intact else sample.mesh))
            _write(path.with_name("solid.json"), sample.solid.to_json())
            yield path


def _normalised(solid: Solid) -> tuple[Solid, TriangleMesh]:
    """Centres a solid and scales its diagonal to 1; meshes it as finely as its size asks."""
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
    # Adding 0 makes a plain zero of a negative one.
    return TriangleMesh(np.round(mesh.vertices, _DECIMALS) + 0.0, mesh.faces)


def _spoil(mesh: TriangleMesh, rng: np.random.Generator) -> TriangleMesh:
    """Breaks a mesh in the ways that real ones are broken, some more than others."""
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
    """Writes a file that is not there yet, or checks that it says the same."""
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

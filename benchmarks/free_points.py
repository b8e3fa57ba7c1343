"""Count pairs of free points whose signed distances differ by more than their distance.

Grids never do. Free points can, around flips of the sign between voxels, which only open bodies
have. Draws pairs of points around the caps, around the surface and in the cube, and counts.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from markdown_table import markdown
from numpy.typing import NDArray

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.schema import Job
from shapegan.pipeline.sdf.mesh_field import MeshField, make_field
from shapegan.pipeline.sdf.sampling import points_on_faces
from shapegan.pipeline.sdf.signed_distance import SignedDistance

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MESHES = ROOT.parent / "shared" / "data" / "meshes"
LENGTHS = (0.001, 0.01, 0.03)
"""Distances of the pairs, cube frame."""
NOISE = 0.02
"""Standard deviation of points from the caps and the surface, cube frame."""
ROUNDING = 1e-5
"""Excesses below this are those of single precision."""
HEADER = ["mesh", "method", "points", "pairs", "exceed", "in a million", "largest excess"]


def point_groups(
    made: MeshField, count: int, random: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Names and points (count, 3) of the groups: around caps if there are any, surface, cube."""
    noise = NOISE * random.standard_normal((2, count, 3)).astype(np.float32)
    caps = made.field.queries.caps if isinstance(made.field, SignedDistance) else None
    if caps is not None:
        vertices, faces = caps.vertices.numpy(), caps.faces.numpy().reshape(-1, 3)
        yield "caps", points_on_faces(vertices, faces, count, random)[0] + noise[0]
    yield "surface", made.field.surface_points(count, random) + noise[1]
    yield "cube", random.uniform(-1, 1, (count, 3)).astype(np.float32)


def excesses(
    made: MeshField, points: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float64]:
    """Excess (L, N) of the change to partners of points (N, 3), at the L `LENGTHS`."""
    sdf = made.field.signed_distances(points)[0]
    found = []
    for length in LENGTHS:
        step = random.standard_normal(points.shape)
        step *= length / np.linalg.norm(step, axis=1)[:, None]
        partners = points + step.astype(np.float32)
        gap = np.linalg.norm(points.astype(np.float64) - partners, axis=1)
        found.append(np.abs(sdf - made.field.signed_distances(partners)[0]) - gap)
    return np.array(found)


def rows_of(jobs: Sequence[Job], count: int) -> Iterator[list[object]]:
    """Rows of the table: each mesh and group in which a pair exceeds, then the sums."""
    totals: dict[str, list[NDArray[np.float64]]] = {}
    for job in jobs:
        made = make_field(load(job.path), PreprocessConfig().sheet_thickness)
        random = np.random.default_rng(0)
        for group, points in point_groups(made, count, random):
            excess = excesses(made, points, random)
            totals.setdefault(group, []).append(excess)
            if excess.max() > ROUNDING:
                yield _row(job.id, made.method, group, excess)
        click.echo(f"{job.id}: done", err=True)
    for group, found in totals.items():
        yield _row(f"all {len(found)}", "", group, np.concatenate(found))


def _row(name: str, method: str, group: str, excess: NDArray[np.float64]) -> list[object]:
    exceeding = int((excess > ROUNDING).sum())
    largest = f"{max(excess.max(), 0):.1e}"
    rate = f"{1e6 * exceeding / excess.size:.0f}"
    return [name, method, group, excess.size, exceeding, rate, largest]


@click.command(help=__doc__)
@click.option("--meshes", type=click.Path(exists=True, path_type=Path), default=DEFAULT_MESHES,
              help="Folder of meshes.")  # fmt: skip
@click.option("--points", default=30_000, show_default=True, help="Points of each group.")
@click.option("--only", default="", help="Comma-separated ids of meshes.")
def main(meshes: Path, points: int, only: str) -> None:
    """Draw the pairs and print the table."""
    jobs = [job for job in discover(meshes).jobs if not only or job.id in only.split(",")]
    if not jobs:
        raise click.UsageError(f"no such mesh below {meshes}")
    click.echo(markdown(HEADER, rows_of(jobs, points)))


if __name__ == "__main__":
    main()

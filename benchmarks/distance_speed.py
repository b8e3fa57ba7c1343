"""CPU seconds of 786,432 signed distances to one mesh, by shapegan and by Open3D.

shapegan cleans and orients the mesh first, which counts. Open3D takes the mesh as it is: its sign
is the parity of a ray's crossings, which holds for closed meshes alone. Both take turns on one
core, and the fastest repeat counts. Points are uniform in the cube frame.

Prints a row for each mesh, and the number of meshes on which shapegan takes less.
"""

import os

# Before numpy loads its threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from markdown_table import markdown
from numpy.typing import NDArray
from watertight import in_cube

from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.sdf.mesh_field import make_field

POINTS = 3 * 64**3
SHEET_THICKNESS = 0.016


def ours(mesh: TriangleMesh, points: NDArray[np.float32]) -> list[float]:
    """CPU seconds of the field and of its distances."""
    start = time.process_time()
    field = make_field(mesh, SHEET_THICKNESS)
    made = time.process_time()
    field.oriented.signed_distances(points)
    return [made - start, time.process_time() - made]


def open3d_parity(mesh: TriangleMesh, points: NDArray[np.float32]) -> list[float]:
    """CPU seconds of Open3D's scene and of its distances."""
    import open3d

    start = time.process_time()
    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    made = time.process_time()
    scene.compute_signed_distance(points, nthreads=1).numpy()
    return [made - start, time.process_time() - made]


Program = Callable[[TriangleMesh, NDArray[np.float32]], list[float]]


def least(programs: list[Program], mesh: TriangleMesh, repeats: int) -> list[list[float]]:
    """The steps' CPU seconds of each program's fastest repeat, with the programs in turns."""
    points = np.random.default_rng(0).uniform(-1, 1, (POINTS, 3)).astype(np.float32)
    runs = [[one(mesh, points) for one in programs] for _ in range(repeats)]
    return [min(of_one, key=sum) for of_one in zip(*runs, strict=True)]


@click.command(help=__doc__)
@click.option("--meshes", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--repeats", default=3, show_default=True)
@click.option("--only", default="", help="Comma-separated ids of meshes.")
def main(meshes: Path, repeats: int, only: str) -> None:
    """Measure all meshes, and print the table."""
    jobs = [one for one in discover(meshes).jobs if not only or one.id in only.split(",")]
    programs, rows, pairs = [ours, open3d_parity], [], []
    least(programs, in_cube(jobs[0].path), 1)  # loads the kernels
    for job in jobs:
        mesh = in_cube(job.path)
        own, other = least(programs, mesh, repeats)
        pairs.append((own, other))
        rows.append([job.id, len(mesh.faces), *own, sum(own), sum(other), sum(other) / sum(own)])
        click.echo(", ".join(str(value) for value in rows[-1]), err=True)
    header = ["mesh", "faces", "field, CPU s", "distances, CPU s", "shapegan, CPU s"]
    click.echo(markdown([*header, "Open3D, CPU s", "x ours"], rows))
    ahead = sum(sum(own) < sum(other) for own, other in pairs)
    click.echo(f"\nshapegan takes less on {ahead} of {len(rows)} meshes.")


if __name__ == "__main__":
    main()

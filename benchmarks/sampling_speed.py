"""Points a second of a core for the samples that shape encoders train on, by several programs.

Two jobs, with the counts of their papers or scripts: 3DShape2VecSet (Zhang et al. 2023) and
Hunyuan3D-2.1 (`watertight_and_sample.py`). Each takes points with normals on the surface, and
signed distances at points in the volume and near the surface. All programs get the same positions
for the distances. Others than shapegan need a closed mesh first, and get that of point-cloud-utils.

Prints a line for each result, and at the end a Markdown table of medians over the meshes, in CPU
seconds. Programs that are not installed are left out. `--record FILE` keeps all results, one line
each; a second run with the same file does the rest.
"""

import importlib.util
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from markdown_table import markdown
from numpy.typing import NDArray
from watertight import in_cube
from watertight_peers import Arrays, manifold

from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.mixes import NEAR_SIGMAS
from shapegan.pipeline.sdf.surface_sets import OrientedField, salient_samples, surface_samples

Points = NDArray[np.float32]

STEPS = ("prepare", "surface", "distances")
"""Timed steps of a program."""
SHEET_THICKNESS = 0.016
SHARP_ANGLE = 15.0
SHARP_SIGMAS = (0.001, 0.003, 0.01, 0.02, 0.04, 0.06)
"""Standard deviations of the noise of points near sharp edges in the script of Hunyuan3D-2.1."""


@dataclass(frozen=True)
class Job:
    """Numbers of points for one mesh."""

    surface: int
    """On the surface, with normals."""
    sharp: int
    """On sharp edges, with normals."""
    volume: int
    """Uniform in a cube."""
    near: int
    """Near points of the surface."""
    near_sharp: int
    """Near sharp edges."""
    half_side: float
    """Half the side of the cube."""

    @property
    def points(self) -> int:
        """All points."""
        return self.surface + self.sharp + self.distances

    @property
    def distances(self) -> int:
        """Points with a distance."""
        return self.volume + self.near + self.near_sharp


_UNIT = 499_712 // 4
JOBS = {
    "3DShape2VecSet": Job(500_000, 0, 500_000, 500_000, 0, 1.0),
    "Hunyuan3D-2.1": Job(_UNIT, _UNIT, 2 * _UNIT, 2 * _UNIT, _UNIT, 1.05),
}


@dataclass(frozen=True)
class Program:
    """The steps of one program, each of which takes what `prepare` returns."""

    package: str
    prepare: Callable[[TriangleMesh], object]
    """Makes what the samples are taken from."""
    surface: Callable[[object, int], object]
    """Samples points on the surface, with normals."""
    distances: Callable[[object, Points], NDArray[np.floating]]
    """Signed distances at points."""


def shapegan_field(mesh: TriangleMesh) -> OrientedField:
    """The field of a mesh, with its winding numbers' references, which the first query builds."""
    return make_field(mesh, SHEET_THICKNESS).oriented


def _ours_surface(field: OrientedField, count: int) -> object:  # type: ignore[misc]
    return surface_samples(field, count, np.random.default_rng(0))


def closed(mesh: TriangleMesh) -> Arrays:
    """The closed mesh of point-cloud-utils, by its defaults."""
    vertices, faces = manifold(mesh, 0)
    return np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.int64)


def pcu_surface(mesh: Arrays, count: int) -> object:
    """Points and normals by point-cloud-utils."""
    import point_cloud_utils

    faces, weights = point_cloud_utils.sample_mesh_random(*mesh, count, random_seed=1)
    points = point_cloud_utils.interpolate_barycentric_coords(mesh[1], faces, weights, mesh[0])
    return points, point_cloud_utils.estimate_mesh_face_normals(*mesh)[faces]


def trimesh_surface(mesh: Arrays, count: int) -> object:
    """Points and normals by trimesh."""
    import trimesh

    whole = trimesh.Trimesh(*mesh, process=False)
    points, face = trimesh.sample.sample_surface(whole, count, seed=0)
    return points, whole.face_normals[face]


def pcu_distances(mesh: Arrays, points: Points) -> NDArray[np.floating]:
    """Signed distances by point-cloud-utils, with fast winding numbers."""
    import point_cloud_utils

    found: NDArray[np.floating] = point_cloud_utils.signed_distance_to_mesh(
        points.astype(np.float64), *mesh
    )[0]
    return found


def igl_distances(mesh: Arrays, points: Points) -> NDArray[np.floating]:
    """Signed distances by libigl, with fast winding numbers, as in Hunyuan3D-2.1's script."""
    import igl

    kind = igl.SIGNED_DISTANCE_TYPE_FAST_WINDING_NUMBER
    found: NDArray[np.floating] = igl.signed_distance(
        points.astype(np.float64), *mesh, sign_type=kind
    )[0]
    return found


def open3d_distances(mesh: Arrays, points: Points) -> NDArray[np.floating]:
    """Signed distances by Open3D, whose signs are parities of a ray's crossings."""
    import open3d

    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(mesh[0].astype(np.float32), mesh[1].astype(np.uint32))
    found: NDArray[np.floating] = scene.compute_signed_distance(points).numpy()
    return found


PROGRAMS: dict[str, Program] = {
    "shapegan": Program(
        "shapegan",
        shapegan_field,
        _ours_surface,  # type: ignore[arg-type]
        lambda field, points: field.signed_distances(points)[0],  # type: ignore[attr-defined]
    ),
    "point-cloud-utils": Program("point_cloud_utils", closed, pcu_surface, pcu_distances),  # type: ignore[arg-type]
    "libigl, trimesh": Program("igl", closed, trimesh_surface, igl_distances),  # type: ignore[arg-type]
    "Open3D, trimesh": Program("open3d", closed, trimesh_surface, open3d_distances),  # type: ignore[arg-type]
}
"""Name in the table -> program."""


def positions(field: OrientedField, job: Job) -> Points:
    """Points of a job that get distances, cube frame."""
    rng = np.random.default_rng(0)
    volume = rng.uniform(-job.half_side, job.half_side, (job.volume, 3))
    near, _ = surface_samples(field, job.near, rng)
    sharp, _ = salient_samples(field, job.near_sharp, SHARP_ANGLE, rng)
    if len(sharp) < job.near_sharp:  # a mesh without sharp edges
        sharp = near[: job.near_sharp]
    noisy = [
        points + rng.choice(sigmas, len(points))[:, None] * rng.standard_normal(points.shape)
        for points, sigmas in ((near, NEAR_SIGMAS), (sharp, SHARP_SIGMAS))
        if len(points)
    ]
    return np.concatenate([volume, *noisy]).astype(np.float32)


def seconds(
    program: Program, mesh: TriangleMesh, job: Job, points: Points
) -> dict[str, float | str]:
    """CPU seconds of the three steps on a mesh, or the error."""
    moments = [time.process_time()]
    try:
        made = program.prepare(mesh)
        moments.append(time.process_time())
        program.surface(made, job.surface + job.sharp)
        moments.append(time.process_time())
        program.distances(made, points)
        moments.append(time.process_time())
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return dict(zip(STEPS, np.diff(moments).tolist(), strict=True))


def table(results: Sequence[dict[str, object]]) -> str:
    """A row for each job and program: medians over the meshes that all programs did the job on."""
    rows: list[list[object]] = []
    for name, job in JOBS.items():
        of_job = [one for one in results if one["job"] == name]
        failed = {one["mesh"] for one in of_job if "error" in one}
        done = [one for one in of_job if one["mesh"] not in failed]
        for program in dict.fromkeys(str(one["program"]) for one in done):
            times = np.array([[one[k] for k in STEPS] for one in done if one["program"] == program])
            prepare, surface, distances = np.median(times, axis=0).tolist()
            whole = float(np.median(times.sum(axis=1)))
            rates = [(job.surface + job.sharp) / surface, job.distances / distances]
            shown = [f"{rate:,.0f}" for rate in (*rates, job.points / whole)]
            rows.append([name, program, len(times), prepare, whole, *shown])
    header = ["job", "program", "meshes", "prepare, CPU s", "whole job, CPU s"]
    return markdown([*header, "surface points/s", "distances/s", "points/s, all in"], rows)


@click.command(help=__doc__)
@click.option("--meshes", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--sample", type=int, help="Take a random N of the meshes.  [default: all]")
@click.option("--record", type=click.Path(path_type=Path), default=Path("build/sampling.jsonl"))
def main(meshes: Path, sample: int | None, record: Path) -> None:
    """Run all jobs by all programs, and print the table."""
    programs = [name for name, one in PROGRAMS.items() if importlib.util.find_spec(one.package)]
    jobs = list(discover(meshes).jobs)
    if sample is not None:
        jobs = random.Random(0).sample(jobs, min(sample, len(jobs)))
    record.parent.mkdir(parents=True, exist_ok=True)
    results = [json.loads(line) for line in record.open()] if record.exists() else []
    known = {(one["mesh"], one["job"], one["program"]) for one in results}
    _warm_up()
    for one in jobs:
        wanted = {(one.id, job, program) for job in JOBS for program in programs} - known
        if not wanted:
            continue
        mesh = in_cube(one.path)
        field = shapegan_field(mesh)
        for name, job in JOBS.items():
            points = positions(field, job)
            for program in programs:
                if (one.id, name, program) not in wanted:
                    continue
                found = seconds(PROGRAMS[program], mesh, job, points)
                results.append({"mesh": one.id, "job": name, "program": program} | found)
                with record.open("a") as file:
                    file.write(json.dumps(results[-1]) + "\n")
                click.echo(", ".join(str(value) for value in results[-1].values()))
    ids = {one.id for one in jobs}
    click.echo("\n" + table([one for one in results if one["mesh"] in ids]))


def _warm_up() -> None:
    """Load the kernels."""
    import trimesh

    ball = trimesh.creation.icosphere(2)
    mesh = TriangleMesh(np.asarray(ball.vertices), np.asarray(ball.faces, np.int32))
    seconds(PROGRAMS["shapegan"], mesh, JOBS["Hunyuan3D-2.1"], np.zeros((100, 3), np.float32))


if __name__ == "__main__":
    main()

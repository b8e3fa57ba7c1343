"""Watertight meshes by shapegan and by other programs, from the same meshes.

Runs every method on every mesh, each in a process of its own that may fail or take too long, and
prints a Markdown table: how many results are closed and manifold, distances to and from the visible
surface, false inner skins, area that no light reaches, normals near sharp edges, CPU time and
memory. Distances are in units of half the longest side. Methods whose package is missing are left
out.

`--record FILE` keeps all results, one line each; a second run with the same file does the rest.
`--sample N` takes a random N of the meshes, the same in each run, for methods that take minutes.
"""

import importlib.util
import json
import multiprocessing
import random
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path

import click
import numpy as np
from catalogue import FURNITURE
from coverage import unpack
from markdown_table import markdown
from watertight_measures import Measures, Original, measure, original
from watertight_peers import METHODS

from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh, frame_of

PACKAGES = {
    "point-cloud-utils": "point_cloud_utils",
    "point-cloud-utils, fine": "point_cloud_utils",
    "mesh2sdf": "mesh2sdf",
    "Open3D": "open3d",
    "pymeshfix": "pymeshfix",
}
INNER_SKIN = 0.01
"""Share of the area that is false from which a mesh has a false inner skin."""


def in_cube(path: Path) -> TriangleMesh:
    """The mesh of a file, in the cube frame."""
    mesh = clean(load(path))
    frame = frame_of(mesh.vertices)
    return TriangleMesh((mesh.vertices - frame.center) / frame.scale_cube, mesh.faces)


def work(
    sender: Connection,
    method: str,
    mesh: TriangleMesh,
    to: Original,
    resolution: int,
    limit: int,
) -> None:
    """Run a method in this process, and send its costs and its measures, or the error."""
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    started = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        vertices, faces = METHODS[method](mesh, resolution)
        seconds = time.process_time() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        costs = {"seconds": seconds, "megabytes": (peak - before) / 1e3}
        sender.send(costs | asdict(measure(vertices, faces, to)))
    except Exception as error:
        sender.send({"error": f"{type(error).__name__}: {error}"})


def run(
    method: str, mesh: TriangleMesh, to: Original, resolution: int, limit: int
) -> dict[str, object]:
    """The result of a method, from a forked process; an `error` if it crashes or takes too long."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=work, args=(sender, method, mesh, to, resolution, limit))
    process.start()
    sender.close()
    try:
        found: dict[str, object] = receiver.recv()
    except EOFError:
        found = {"error": f"crashed, or took more than {limit} CPU seconds"}
    process.join()
    return found


def inputs(
    meshes: Path | None, furniture: Path, count: int, every: int, folder: Path
) -> Iterator[tuple[str, Path]]:
    """Names and paths of the meshes."""
    if meshes is not None:
        yield from ((job.id, job.path) for job in discover(meshes).jobs[::every])
    if count and furniture.is_dir():
        unpack(sorted(furniture.glob("*.sh3f")), folder)
        jobs = discover(folder).jobs
        step = max(1, len(jobs) // count)
        yield from ((job.id, job.path) for job in jobs[::step][:count])


def table(results: Sequence[dict[str, object]]) -> str:
    """A row for each method: means over the meshes that all methods have a result for.

    A method without any result has no row.
    """
    done = [one for one in results if "error" not in one]
    methods = list(dict.fromkeys(str(one["method"]) for one in done))
    meshes = {str(one["mesh"]) for one in results}
    sets = [{str(one["mesh"]) for one in done if one["method"] == method} for method in methods]
    common = set.intersection(*sets) if sets else set()
    rows = []
    for method, having in zip(methods, sets, strict=True):
        mine = [one for one in done if one["method"] == method and one["mesh"] in common]
        if mine:
            rows.append([method, f"{len(having)} of {len(meshes)}", *_cells(mine)])
    header = ["method", "results", "closed", "manifold", "distance to it, 1e-3"]
    header += ["distance from it, 1e-3", "inner skin", "dark, %", "normals at edges, degrees"]
    whole = markdown([*header, "CPU s", "MB", "faces"], rows)
    return f"{whole}\n\nMeshes for which all methods have a result: {len(common)}"


def _cells(results: Sequence[dict[str, object]]) -> list[object]:
    """The measures and costs of a method: counts and means, medians of costs and of faces."""
    made = [Measures(**{k: one[k] for k in Measures.__annotations__}) for one in results]  # type: ignore[arg-type]
    return [
        f"{sum(one.closed for one in made)}",
        f"{sum(one.manifold for one in made)}",
        1e3 * float(np.mean([one.recall for one in made])),
        1e3 * float(np.mean([one.precision for one in made])),
        f"{sum(one.false_skin > INNER_SKIN for one in made)}",
        100 * float(np.mean([one.hidden for one in made])),
        float(np.mean([one.degrees for one in made])),
        float(np.median([float(str(one["seconds"])) for one in results])),
        float(np.median([float(str(one["megabytes"])) for one in results])),
        f"{int(np.median([one.faces for one in made])):,}",
    ]


@click.command(help=__doc__)
@click.option("--meshes", type=click.Path(exists=True, path_type=Path), help="Folder of meshes.")
@click.option("--every", default=1, show_default=True, help="Take every n-th of these.")
@click.option("--furniture", type=click.Path(path_type=Path), default=FURNITURE, show_default=True)
@click.option("--count", default=50, show_default=True, help="Meshes of the furniture.")
@click.option("--sample", type=int, help="Take a random N of all meshes.  [default: all]")
@click.option("--resolution", default=256, show_default=True)
@click.option("--methods", help="Names with semicolons.  [default: all that are installed]")
@click.option("--limit", default=300, show_default=True, help="CPU seconds for a result.")
@click.option("--record", type=click.Path(path_type=Path), default=Path("build/watertight.jsonl"))
def main(
    meshes: Path | None,
    every: int,
    furniture: Path,
    count: int,
    sample: int | None,
    resolution: int,
    methods: str | None,
    limit: int,
    record: Path,
) -> None:
    """Run all methods on all meshes, and print the table."""
    installed = [name for name in METHODS if importlib.util.find_spec(PACKAGES.get(name, "igl"))]
    chosen = [name.strip() for name in methods.split(";")] if methods else installed
    record.parent.mkdir(parents=True, exist_ok=True)
    results = [json.loads(line) for line in record.open()] if record.exists() else []
    known = {(one["mesh"], one["method"]) for one in results}
    # The kernels are compiled, or loaded, before the processes are forked.
    warm_up = TriangleMesh(*_tetrahedron())
    measure(*METHODS["shapegan, dual"](warm_up, 16), original(*_tetrahedron(), 0.1))
    unpacked = record.parent / "watertight-furniture"
    chosen_meshes = list(inputs(meshes, furniture, count, every, unpacked))
    if sample is not None:
        chosen_meshes = random.Random(0).sample(chosen_meshes, min(sample, len(chosen_meshes)))
    for name, path in chosen_meshes:
        missing = [method for method in chosen if (name, method) not in known]
        if not missing:
            continue
        mesh = in_cube(path)
        to = original(mesh.vertices, mesh.faces, 2 / resolution)
        for method in missing:
            one = {"mesh": name, "method": method} | run(method, mesh, to, resolution, limit)
            results.append(one)
            with record.open("a") as file:
                file.write(json.dumps(one) + "\n")
    names = {name for name, _ in chosen_meshes}
    shown = [one for one in results if one["mesh"] in names and one["method"] in chosen]
    click.echo(table(sorted(shown, key=lambda one: chosen.index(str(one["method"])))))
    for one in shown:
        if "error" in one:
            click.echo(f"{one['method']}, {one['mesh']}: {one['error']}", err=True)


def _tetrahedron() -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return corners, np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]], np.int32)


if __name__ == "__main__":
    main()

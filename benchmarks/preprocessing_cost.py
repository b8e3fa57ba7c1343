"""Cost of the paper's full training set of a mesh, by shapegan and by mesh-to-sdf.

Every method processes every mesh in a fresh process, one after the other. Prints a Markdown table
by mesh, and one of medians. See the README.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from markdown_table import markdown
from single import METHODS, VOXELS, Cost
from truth import GRID, ON_SURFACE, NotSolidError, closed_case, parse_obj

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MESHES = ROOT.parent / "shared" / "data" / "meshes"
OURS = "ours"
MEGA = 1e6


@dataclass(frozen=True)
class Run:
    """One mesh, processed by one method."""

    mesh: str
    method: str
    cost: Cost | None
    """Imports excluded; None if the process died."""
    cpu: float
    """Seconds of the whole process and its children, imports included."""
    wall: float
    """Seconds of the whole process."""
    wrong: float
    """Wrong signs in percent of the 64^3 grid points inside; NaN if the truth is unknown."""
    error: float
    """Mean |error| outside the closed mesh on that grid; NaN if the truth is unknown."""


def run(method: str, path: Path, timeout: float, with_truth: bool) -> Run:
    """Process a mesh in a fresh process, and measure cost and errors."""
    out = Path(tempfile.mkdtemp(prefix="shapegan-benchmark-"))
    try:
        cpu, wall = _run_process(method, path, out, timeout)
        name = path.parent.parent.name if path.parent.name == "models" else path.stem
        if not (out / "cost.json").exists():
            return Run(name, method, None, cpu, wall, float("nan"), float("nan"))
        cost = Cost(**json.loads((out / "cost.json").read_text()))
        wrong, error = (
            _grid_errors(path, np.load(out / VOXELS)) if with_truth else (float("nan"),) * 2
        )
        return Run(name, method, cost, cpu, wall, wrong, error)
    finally:
        shutil.rmtree(out)


def _run_process(method: str, path: Path, out: Path, timeout: float) -> tuple[float, float]:
    """CPU and wall seconds of a process, which is killed at the timeout."""
    script = str(Path(__file__).with_name("single.py"))
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, script, method, str(path), str(out)], stdout=subprocess.DEVNULL
    )
    while True:
        done, _, usage = os.wait4(child.pid, os.WNOHANG)
        if done:
            break
        if time.perf_counter() - start > timeout:
            child.kill()
        time.sleep(0.01)
    child.returncode = 0  # already reaped: Popen must not wait for it again
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def _grid_errors(path: Path, voxels: np.ndarray) -> tuple[float, float]:
    """Wrong signs in percent, and the mean |error| outside; NaN if the truth is unknown."""
    try:
        case = closed_case(path.stem, parse_obj(path.read_bytes()))
    except (NotSolidError, ValueError, IndexError):
        return float("nan"), float("nan")
    if voxels.shape != (GRID,) * 3:
        return float("nan"), float("nan")
    sdf, truth = voxels.reshape(-1).astype(np.float64), case.sdf[: GRID**3]
    inside = truth < 0
    wrong = ((sdf < 0) != inside) & (np.abs(truth) > ON_SURFACE)
    return float(100 * wrong.sum() / inside.sum()), float(np.abs(sdf - truth)[~inside].mean())


HEADER = [
    "mesh", "faces", "method", "CPU s", "of it work", "wall s", "peak MB", "disk MB",
    "wrong signs %", "mean error", "verdict",
]  # fmt: skip


def by_mesh(runs: Iterable[Run]) -> str:
    """Markdown table with a line for each run."""
    return markdown(HEADER, (_line(r) for r in runs))


def _line(r: Run) -> list[object]:
    if r.cost is None:
        blank = ["-"] * 2
        return [r.mesh, "-", r.method, r.cpu, "-", r.wall, *blank, *blank, "died"]
    c = r.cost
    return [
        r.mesh, c.faces, r.method, r.cpu, c.cpu, r.wall, c.peak / MEGA, c.bytes / MEGA,
        r.wrong, r.error, c.status,
    ]  # fmt: skip


def medians(runs: list[Run]) -> str:
    """Markdown table with a line for each method.

    Ratios are CPU seconds over ours: computed mesh by mesh, then the median.
    """
    header = ["method", "meshes", "ok", *HEADER[3:10], "x ours", "x ours, work", "least"]
    methods = list(dict.fromkeys(r.method for r in runs))
    return markdown(header, (_medians(method, runs) for method in methods))


def _medians(method: str, runs: list[Run]) -> list[object]:
    done = [r for r in runs if r.method == method and r.cost]
    accepted = sum(r.cost.status == "ok" for r in done if r.cost)
    columns = np.array([_line(r)[3:10] for r in done], float).reshape(-1, 7)
    ours = {r.mesh: r for r in runs if r.method == OURS and r.cost}
    pairs = [(r, ours[r.mesh]) for r in done if r.mesh in ours]
    whole = [r.cpu / o.cpu for r, o in pairs]
    work = [r.cost.cpu / o.cost.cpu for r, o in pairs if r.cost and o.cost]
    ratios = [float(np.median(whole)), float(np.median(work)), min(work)] if pairs else [""] * 3
    return [method, len(done), accepted, *map(_median, columns.T), *ratios]


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def find(folder: Path, limit: int, only: list[str]) -> list[Path]:
    """The .obj files below a folder, at most `limit` of them, evenly spaced."""
    paths = sorted(folder.rglob("*.obj"))
    if only:
        paths = [path for path in paths if {path.stem, path.parent.parent.name} & set(only)]
    if limit and limit < len(paths):
        paths = [paths[k * len(paths) // limit] for k in range(limit)]
    return paths


def triangles(path: Path) -> int:
    """Number of triangles that the polygons of an .obj file make."""
    words = (line.split() for line in path.read_bytes().splitlines() if line[:1] == b"f")
    return sum(len(face) - 3 for face in words)


def _runs(paths: list[Path], methods: list[str], timeout: float, with_truth: bool) -> Iterator[Run]:
    for path in paths:
        for method in methods:
            r = run(method, path, timeout, with_truth)
            click.echo(f"{r.mesh:24} {method:12} {r.cpu:8.2f} CPU s", err=True)
            yield r


@click.command(help=__doc__)
@click.option("--meshes", type=click.Path(exists=True, path_type=Path), default=DEFAULT_MESHES,
              help="ShapeNet-like tree or folder of .obj files.")  # fmt: skip
@click.option("--limit", default=0, help="Largest number of meshes, evenly spaced; 0: all.")
@click.option("--only", default="", help="Comma-separated names of meshes.")
@click.option("--faces", default=0, help="Smallest number of triangles of a mesh.")
@click.option("--peers", default="mesh-to-sdf", help="Comma-separated; none if empty.")
@click.option("--timeout", default=900.0, help="Seconds after which a mesh is given up.")
@click.option(
    "--truth/--no-truth", default=True, help="Measure errors on closed meshes (needs libigl)."
)
def main(
    meshes: Path, limit: int, only: str, faces: int, peers: str, timeout: float, truth: bool
) -> None:
    """Measure the runs and print both tables."""
    methods = [OURS, *(name for name in peers.split(",") if name)]
    if unknown := [name for name in methods if name not in METHODS]:
        raise click.UsageError(f"--peers: {', '.join(unknown)} is none of {', '.join(METHODS)}")
    paths = find(meshes, limit, [name for name in only.split(",") if name])
    paths = [path for path in paths if not faces or triangles(path) >= faces]
    if not paths:
        raise click.UsageError(f"no .obj file to measure below {meshes}")
    run(OURS, paths[0], timeout, with_truth=False)  # compiles the kernels
    runs = []
    try:
        for r in _runs(paths, methods, timeout, truth):
            runs.append(r)
    except KeyboardInterrupt:
        click.echo(f"interrupted after {len(runs)} of {len(paths) * len(methods)} runs", err=True)
    click.echo(f"{by_mesh(runs)}\n\n{medians(runs)}")


if __name__ == "__main__":
    main()

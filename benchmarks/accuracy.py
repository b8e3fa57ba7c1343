"""Errors of signed distances on intact meshes and on meshes with defects.

Prints two Markdown tables: *exact*, on analytic solids and closed meshes as they are, and
*robust*, on the closed meshes with added defects, compared with the intact mesh. See the README.
"""

import hashlib
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import click
import numpy as np
from markdown_table import markdown
from numpy.typing import NDArray
from peers import METHODS, Distances
from truth import CACHE, GRID, ON_SURFACE, Case, analytic_cases, closed_cases

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

CLEAR = 1e-4
"""A wrong sign at most this far from the surface is a matter of rounding."""

BAND = 0.1
"""Distance at which training clips."""


@dataclass(frozen=True)
class Errors:
    """Errors of one method on one mesh. Signs are in percent of the grid points that lie inside."""

    wrong: float
    """Wrong signs, inside and outside."""
    wrong_clear: float
    """Wrong signs farther than `CLEAR` from the surface."""
    outside_mean: float
    """|error| of distances outside."""
    outside_max: float
    band_mean: float
    """|error| of distances near the surface, on both sides."""
    band_max: float


@dataclass(frozen=True)
class Row:
    """The errors of a method on a mesh."""

    group: str
    case: str
    method: str
    errors: Errors | None
    """None if the method failed."""


def errors_of(case: Case, sdf: NDArray[np.floating]) -> Errors:
    """Errors of signed distances (N,) at a case's points."""
    inside = case.sdf < 0
    wrong = ((sdf < 0) != inside) & (np.abs(case.sdf) > ON_SURFACE)
    percent = 100 / inside[: GRID**3].sum()
    grid_wrong = wrong[: GRID**3]
    clear = np.abs(case.sdf[: GRID**3]) > CLEAR
    error = np.abs(sdf.astype(np.float64) - case.sdf)
    outside = error[~inside & case.known]
    band = error[(np.abs(case.sdf) < BAND) & case.known]
    return Errors(
        float(grid_wrong.sum() * percent),
        float((grid_wrong & clear).sum() * percent),
        float(outside.mean()),
        float(outside.max()),
        float(band.mean()),
        float(band.max()),
    )


def with_defects(case: Case, names: Iterable[str]) -> Iterator[tuple[str, TriangleMesh]]:
    """The case's mesh with each of the named defects, the same at every call."""
    from shapegan.pipeline.samples.defects import DEFECTS

    for name in names:
        seed = [0, *hashlib.sha256(f"{case.name} {name}".encode()).digest()[:4]]
        yield name, DEFECTS[name](case.mesh, np.random.default_rng(seed))


def distances(method: str, mesh: TriangleMesh, case: Case) -> Distances:
    """Signed distances by a method.

    A peer runs in a process of its own, and its result is cached. If it fails, the result is empty,
    and a line on stderr gives the reason. Errors of shapegan itself are raised.
    """
    if method == "ours":
        return METHODS[method](mesh, case.points)
    parts = (mesh.vertices, mesh.faces, case.points)
    key = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
    path = CACHE / f"{method}-{key.hexdigest()[:32]}.npz"
    try:
        if not path.exists():
            _run_peer(method, mesh, case, path)
    except Exception as error:
        click.echo(f"{method} failed on {case.name}: {type(error).__name__} {error}", err=True)
        return {}
    with np.load(path) as found:
        return dict(found)


def _run_peer(method: str, mesh: TriangleMesh, case: Case, path: Path) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(METHODS[method], mesh, case.points).result()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial.npz")
    np.savez(unfinished, **found)
    unfinished.rename(path)


def evaluate(group: str, mesh: TriangleMesh, case: Case, methods: Iterable[str]) -> Iterator[Row]:
    """Rows for each variant of each method."""
    for method in methods:
        found = distances(method, mesh, case)
        if not found:
            yield Row(group, case.name, method, None)
        for name, sdf in found.items():
            yield Row(group, case.name, name, errors_of(case, sdf))


HEADER = [
    "shapes", "method", "n", "failed", "wrong %, median", "worst",
    f"beyond {CLEAR:g}, median", "worst", "outside mean, median", "worst", "max, worst",
    f"within {BAND:g}: mean, median", "worst", "max, worst",
]  # fmt: skip


def summary(rows: Iterable[Row]) -> str:
    """Markdown table of the median and the worst errors of each method on each group of meshes."""
    grouped = defaultdict(list)
    for row in rows:
        grouped[row.group, row.method].append(row.errors)
    return markdown(HEADER, (_summary(*key, errors) for key, errors in grouped.items()))


def _summary(group: str, method: str, errors: list[Errors | None]) -> list[object]:
    done = np.array([astuple(each) for each in errors if each]).reshape(-1, 6)
    line: list[object] = [group, method, len(errors), len(errors) - len(done)]
    if len(done) == 0:
        return line + [float("nan")] * (len(HEADER) - len(line))
    median, worst = np.median(done, axis=0).tolist(), done.max(axis=0).tolist()
    line += [median[0], worst[0], median[1], worst[1], median[2], worst[2], worst[3]]
    return [*line, median[4], worst[4], worst[5]]


def worst_meshes(rows: Iterable[Row], method: str, count: int) -> str:
    """Markdown table of the meshes on which a method has the largest errors."""
    done = [row for row in rows if row.method == method and row.errors]
    ranked = sorted(done, key=lambda row: astuple(row.errors), reverse=True)[:count]
    header = ["mesh", "shapes", "wrong %", "clear", "outside mean", "max", "band mean", "max"]
    return markdown(header, ([row.case, row.group, *astuple(row.errors)] for row in ranked))


def _group(name: str, case: Case) -> str:
    """Name of the group that a case belongs to.

    Meshes with a hidden cavity are a group of their own: whether the cavity counts as solid is a
    matter of definition.
    """
    return f"{name}, hidden cavity" if case.cavity else name


def _exact(methods: list[str], analytic: list[Case], closed: list[Case]) -> Iterator[Row]:
    for case in analytic:
        yield from evaluate("analytic", case.mesh, case, methods)
    for case in closed:
        yield from evaluate(_group("closed", case), case.mesh, case, methods)


def _robust(methods: list[str], closed: list[Case], defects: list[str]) -> Iterator[Row]:
    for case in closed:
        for name, mesh in with_defects(case, defects):
            yield from evaluate(_group(name, case), mesh, case, methods)


def _with_progress(rows: Iterable[Row]) -> list[Row]:
    done = []
    for row in rows:
        done.append(row)
        wrong = f"{row.errors.wrong:.3f} % wrong" if row.errors else "failed"
        click.echo(f"{row.group:10} {row.case:32} {row.method:20} {wrong}", err=True)
    return done


ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MESHES = ROOT.parent / "shared" / "data" / "meshes"
DEFAULT_FURNITURE = Path("/usr/share/sweethome3d/furniture")


@click.command(help=__doc__)
@click.option("--methods", default="ours", help=f"Comma-separated, out of {', '.join(METHODS)}.")
@click.option("--tables", default="exact,robust", help="Comma-separated.")
@click.option("--defects", default="", help="Comma-separated names; all defects by default.")
@click.option("--meshes", type=click.Path(path_type=Path), default=DEFAULT_MESHES,
              help="Folder that is searched for closed .obj files.")  # fmt: skip
@click.option("--furniture", type=click.Path(path_type=Path), default=DEFAULT_FURNITURE,
              help="Folder of Sweet Home 3D's archives (sweethome3d-furniture).")  # fmt: skip
@click.option("--count", default=25, help="Number of closed meshes.")
@click.option("--only", default="", help="Comma-separated names of shapes.")
@click.option("--worst", default=10, help="Number of meshes in the list of our worst.")
def main(
    methods: str,
    tables: str,
    defects: str,
    meshes: Path,
    furniture: Path,
    count: int,
    only: str,
    worst: int,
) -> None:
    """Measure and print the chosen tables."""
    chosen = _chosen("--methods", methods, METHODS)
    wanted = _chosen("--tables", tables, ("exact", "robust"))
    analytic, closed = list(analytic_cases()), list(closed_cases(meshes, furniture, count))
    names = _chosen("--only", only, [case.name for case in analytic + closed])
    analytic = [case for case in analytic if case.name in names]
    closed = [case for case in closed if case.name in names]
    click.echo(f"{len(closed)} closed meshes: {', '.join(map(_described, closed))}\n")
    runs = {}
    if "exact" in wanted:
        runs["Exact"] = _exact(chosen, analytic, closed)
    if "robust" in wanted:
        from shapegan.pipeline.samples.defects import DEFECTS

        runs["Robust"] = _robust(chosen, closed, _chosen("--defects", defects, DEFECTS))
    for title, run in runs.items():
        rows = _with_progress(run)
        click.echo(f"## {title}\n\n{summary(rows)}\n")
        if "ours" in chosen and worst:
            click.echo(f"Ours, worst {worst}:\n\n{worst_meshes(rows, 'ours', worst)}\n")


def _described(case: Case) -> str:
    """Name of a case, and the share of points near its surface that have no known distance."""
    unknown = 100 * (~case.known[np.abs(case.sdf) < BAND]).mean()
    return f"{case.name} ({unknown:.2g} % unknown)" if unknown else case.name


def _chosen(option: str, text: str, known: Iterable[str]) -> list[str]:
    """The names in a comma-separated list, all known ones if it is empty."""
    names = [name for name in text.split(",") if name] or list(known)
    if unknown := [name for name in names if name not in list(known)]:
        raise click.UsageError(f"{option}: {', '.join(unknown)} is none of {', '.join(known)}")
    return names


if __name__ == "__main__":
    sys.exit(main())

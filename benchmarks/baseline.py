"""Scores of the published generators against real furniture and aircraft.

Rotates Debian's sofas, chairs and aircraft to ShapeNet's axes, preprocesses them, and evaluates the
authors' generators of each kind against them. Prints a Markdown table for each kind, and writes all
scores and pictures of the nearest real shapes to the working folder.
"""

import dataclasses
import json
from pathlib import Path

import click
import numpy as np
from real_shapes import write_kind
from rich.console import Console

from shapegan.model.generation.evaluation import EvaluationSettings, evaluate
from shapegan.model.generation.report import as_json, cells, draw_nearest, table
from shapegan.model.generation.source import open_source
from shapegan.model.shapes.image_grid import write_png
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.files import write_text
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.run.progress import RunProgress

DEFAULT_WEIGHTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "weights"
SPLITS = ("train=0.5,test=0.5",)


@click.command(help=__doc__)
@click.option("--work", type=click.Path(path_type=Path), default=Path("work"), show_default=True)
@click.option("--weights", type=click.Path(path_type=Path), default=DEFAULT_WEIGHTS)
@click.option("--kinds", default="chairs,sofas,airplanes", show_default=True)
@click.option(
    "--levels", default="-0.02,0,0.02,0.04,0.06", show_default=True, help="Levels besides 0.04."
)
@click.option("--resolution", default=64, show_default=True, help="Grid of generated surfaces.")
@click.option("--emd-points", default=256, show_default=True)
@click.option("--limit", default=64, show_default=True, help="Meshes of each kind, evenly spaced.")
@click.option("--workers", default=0, show_default=True)
def main(
    work: Path,
    weights: Path,
    kinds: str,
    levels: str,
    resolution: int,
    emd_points: int,
    limit: int,
    workers: int,
) -> None:
    """Prepare the datasets, evaluate the generators, and print the tables."""
    settings = EvaluationSettings(
        resolution=resolution,
        levels=tuple(float(level) for level in levels.split(",")),
        emd_points=emd_points,
    )
    for kind in kinds.split(","):
        dataset = prepared(kind, work, limit, workers)
        lines: list[list[str]] = []
        for path in sorted(weights.glob(f"*{kind}*")):
            rows = evaluated(path, dataset, settings, work)
            # The last row, of training shapes, is the same for each generator.
            lines = [*lines[:-1], *rows]
        real, accepted, meshes = len(dataset.splits["test"]), len(dataset), len(dataset.reports)
        click.echo(table(lines))
        click.echo(
            f"\n{kind.capitalize()}: {real} real shapes to compare with; {accepted} of {meshes}"
            " meshes were accepted.\n"
        )


def evaluated(
    path: Path, dataset: Dataset, settings: EvaluationSettings, work: Path
) -> list[list[str]]:
    """Rows of a generator and of training shapes, from an earlier run if the settings agree."""
    wanted, cache = str(dataclasses.asdict(settings)), work / f"{path.stem}-rows.json"
    if cache.exists():
        known = json.loads(cache.read_text())
        if known["settings"] == wanted:
            rows: list[list[str]] = known["rows"]
            return rows
    found = evaluate(open_source(path), dataset, settings)
    write_text(work / f"{path.stem}.json", as_json(found))
    write_png(work / f"{path.stem}-nearest.png", draw_nearest(found, dataset))
    rows = [cells(row) for row in found.rows]
    write_text(cache, json.dumps({"settings": wanted, "rows": rows}) + "\n")
    return rows


def prepared(kind: str, work: Path, limit: int, workers: int) -> Dataset:
    """Dataset of a kind of shapes; parts that exist already are kept."""
    meshes, out = work / "meshes" / kind, work / kind
    if not meshes.exists():
        meshes.mkdir(parents=True)
        write_kind(kind, meshes)
    jobs = discover(meshes, splits=SPLITS).jobs
    chosen = np.linspace(0, len(jobs) - 1, min(limit, len(jobs))).round().astype(int)
    jobs = [jobs[number] for number in chosen]
    config = PreprocessConfig(resolutions=(64,), points=0)
    with RunProgress(len(jobs), Console(stderr=True)) as meter:
        preprocess(
            meshes.resolve(), jobs, config, out.resolve(), RunSettings(workers=workers), meter
        )
    return Dataset(out)


if __name__ == "__main__":
    main()

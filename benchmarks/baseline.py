"""How do the published generators compare with real furniture and aircraft?

Lays Debian's sofas, chairs and aircraft as ShapeNet's shapes lie, preprocesses them, and evaluates
the authors' generators of each kind against them. Prints a Markdown table for each kind, and leaves
all figures and sheets of the nearest real shapes in the working folder.
"""

import dataclasses
import json
from pathlib import Path

import click
import numpy as np
from real_shapes import write_kind
from rich.console import Console

from shapegan.model.generation.evaluation import EvaluationSettings, draw_nearest, evaluate
from shapegan.model.generation.report import as_json, cells, table
from shapegan.model.generation.source import open_source
from shapegan.model.shapes.image_grid import write_png
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.files import write_text
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.run.progress import PreprocessProgress

DEFAULT_WEIGHTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "weights"
SPLITS = ("train=0.5,test=0.5",)


@click.command(help=__doc__)
@click.option("--work", type=click.Path(path_type=Path), default=Path("work"), show_default=True)
@click.option("--weights", type=click.Path(path_type=Path), default=DEFAULT_WEIGHTS)
@click.option("--kinds", default="chairs,sofas,airplanes", show_default=True)
@click.option(
    "--levels", default="-0.02,0,0.02,0.04,0.06", show_default=True, help="Compared beside 0.04."
)
@click.option("--resolution", default=64, show_default=True, help="Of generated surfaces.")
@click.option("--emd-points", default=256, show_default=True)
@click.option("--limit", default=64, show_default=True, help="Meshes of a kind, spread evenly.")
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
    """Prepares, evaluates, prints."""
    settings = EvaluationSettings(
        resolution=resolution,
        levels=tuple(float(level) for level in levels.split(",")),
        earth_points=emd_points,
    )
    for kind in kinds.split(","):
        dataset = prepared(kind, work, limit, workers)
        lines: list[list[str]] = []
        for path in sorted(weights.glob(f"*{kind}*")):
            rows = evaluated(path, dataset, settings, work)
            # Training shapes are the same for each generator.
            lines = [*lines[:-1], *rows]
        real, accepted, meshes = len(dataset.splits["test"]), len(dataset), len(dataset.reports)
        click.echo(table(lines))
        click.echo(
            f"\n{kind.capitalize()}: {real} real shapes to compare with; {accepted} of {meshes}"
            " meshes came through.\n"
        )


def evaluated(
    path: Path, dataset: Dataset, settings: EvaluationSettings, work: Path
) -> list[list[str]]:
    """Rows of a generator and of training shapes; what was found with these settings stays."""
    asked, kept = str(dataclasses.asdict(settings)), work / f"{path.stem}-rows.json"
    if kept.exists():
        known = json.loads(kept.read_text())
        if known["settings"] == asked:
            rows: list[list[str]] = known["rows"]
            return rows
    found = evaluate(open_source(path), dataset, settings)
    write_text(work / f"{path.stem}.json", as_json(found))
    write_png(work / f"{path.stem}-nearest.png", draw_nearest(found, dataset))
    rows = [cells(row) for row in found.rows]
    write_text(kept, json.dumps({"settings": asked, "rows": rows}) + "\n")
    return rows


def prepared(kind: str, work: Path, limit: int, workers: int) -> Dataset:
    """The dataset of a kind of shapes; what is there already stays."""
    meshes, out = work / "meshes" / kind, work / kind
    if not meshes.exists():
        meshes.mkdir(parents=True)
        write_kind(kind, meshes)
    jobs = discover(meshes, splits=SPLITS).jobs
    chosen = np.linspace(0, len(jobs) - 1, min(limit, len(jobs))).round().astype(int)
    jobs = [jobs[number] for number in chosen]
    config = PreprocessConfig(resolutions=(64,), points=0)
    with PreprocessProgress(len(jobs), Console(stderr=True)) as meter:
        preprocess(
            meshes.resolve(), jobs, config, out.resolve(), RunSettings(workers=workers), meter
        )
    return Dataset(out)


if __name__ == "__main__":
    main()

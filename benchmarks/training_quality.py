"""Quality of generated shapes after a given time of training, against held-out shapes.

With `--published`, a generator of the authors' weights is scored beside them.

Prints a Markdown table, and writes an image grid of each run's shapes to the work folder. See the
README.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
from markdown_table import markdown

from shapegan.model.config import TrainConfig
from shapegan.model.config_file import load_config
from shapegan.model.generation.real_shapes import choose_real_shapes, read_real_shapes
from shapegan.model.metrics.point_clouds import Cloud, chamfer_matrix
from shapegan.model.metrics.scores import (
    MeshValidity,
    Reference,
    Scores,
    mesh_validity,
    sample_clouds,
)
from shapegan.model.networks.any_generator import AnyGenerator
from shapegan.model.networks.published import load_published
from shapegan.model.overrides import Overrides, override
from shapegan.model.presets import preset
from shapegan.model.recipes.step_random import PICTURES, StepRandom
from shapegan.model.schedule import Budget
from shapegan.model.shapes.image_grid import draw_shapes, write_png
from shapegan.model.shapes.surface import Surface, extract
from shapegan.model.training.checkpoint import latest_checkpoint, load_checkpoint, load_generator
from shapegan.model.training.trainer import TrainSettings, train
from shapegan.pipeline.dataset.reader import Dataset

RESOLUTION = 64
FINE = 128
"""Resolution at which the parts are counted as well: what lies between the voxels shows there."""
LEVELS = (0.0, 0.04)
SHAPES = 128
DRAWN = 32
HEADS = (
    "shapes", "steps", "minutes", "level", "empty %", "1 part %", f"at {FINE}^3 %",
    "largest part %", "COV %", "MMD x 1000", "1-NNA %", "to training x 1000",
)  # fmt: skip


@dataclass(frozen=True)
class Length:
    """Length of each training; one of the three is given."""

    minutes: float | None = None
    cpu_minutes: float | None = None
    """CPU minutes of the process, all threads."""
    steps: int | None = None


@dataclass(frozen=True)
class RealShapes:
    """Real shapes that generated ones are compared with."""

    test: Reference
    """Shapes of the split `test`."""
    training: Cloud
    """Point clouds of the training shapes."""


@dataclass(frozen=True)
class ScoredShapes:
    """Scores of a set of shapes."""

    name: str
    steps: int
    minutes: float
    level: float
    validity: MeshValidity
    scores: Scores
    to_training: float
    """Median chamfer distance to the nearest training shape; NaN if all shapes are empty."""
    fine: float | None = None
    """Share of shapes in one part at `FINE`; None: not counted."""


class StageReporter:
    """Reporter that prints stages and notes only."""

    def stage(self, stage: object, _position: object, _steps: int | None) -> None:
        """Print the start of a stage."""
        click.echo(f"  {stage}", err=True)

    def row(self, row: dict[str, float], overall: float) -> None:
        """Ignore a row of metrics, which metrics.csv has."""

    def note(self, text: str) -> None:
        """Print a note."""
        click.echo(f"  {text}", err=True)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("work"), show_default=True)
@click.option("--minutes", type=float, help="Wall-clock time of each training.")
@click.option("--cpu-minutes", type=float, help="CPU time of this process, all threads.")
@click.option("--steps", type=int)
@click.option("--recipe", default="voxel", show_default=True)
@click.option("--presets", default="paper,fast", show_default=True)
@click.option("--stages", help="--stages of `shapegan train`.")
@click.option(
    "--config",
    "files",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="--config of `shapegan train`; may be repeated; instead of --presets.",
)
@click.option("--threads", default=0, help="0: torch's own number.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", default="fp32", show_default=True)
@click.option("--seeds", default="0", show_default=True, help="A training for each.")
@click.option(
    "--published",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="File of published weights; may be repeated.",
)
def main(
    data: Path,
    work: Path,
    minutes: float | None,
    cpu_minutes: float | None,
    steps: int | None,
    recipe: str,
    presets: str,
    stages: str | None,
    files: Sequence[Path],
    threads: int,
    device: str,
    precision: str,
    seeds: str,
    published: Sequence[Path],
) -> None:
    """Train the presets, score their shapes, and print the table."""
    if threads:
        torch.set_num_threads(threads)
    length = Length(minutes, cpu_minutes, steps)
    if [minutes, cpu_minutes, steps].count(None) != 2:
        raise click.UsageError("expected one of --minutes, --cpu-minutes and --steps")
    real = real_shapes(data)
    rows = [score_split("train", data, real), score_split("test", data, real)]
    sizes = tuple(int(size) for size in stages.split(",")) if stages else None
    named = {file.stem: load_config(file) for file in files}
    named = named or {name: preset(recipe, name) for name in presets.split(",")}
    for name, settings in named.items():
        for seed in seeds.split(","):
            config = override(settings, Overrides(stages=sizes, seed=int(seed)))
            run = TrainSettings(data, work / f"{config.recipe}-{name}-{seed}", device, precision)
            generator, *done = trained_for(length, config, run)
            rows += score_generator(f"{name}, seed {seed}", generator, real, work, *done)
            click.echo(table(rows), err=True)
    for file in published:
        rows += score_generator(file.stem, load_published(file).to(device), real, work)
    click.echo(table(rows))


def trained_for(
    length: Length, config: TrainConfig, settings: TrainSettings
) -> tuple[AnyGenerator, int, float]:
    """Train for a length; return the generator, the number of steps, and their minutes."""
    clock = time.perf_counter if length.cpu_minutes is None else time.process_time
    minutes = length.cpu_minutes or length.minutes
    budget = Budget(length.steps, None if minutes is None else 60 * minutes)
    start = clock()
    train(config, replace(settings, budget=budget, clock=clock), StageReporter())
    spent = (clock() - start) / 60
    click.echo(f"{settings.run}: {spent:.1f} minutes with pictures and checkpoints", err=True)
    path = latest_checkpoint(settings.run / "checkpoints")
    assert path is not None
    position = load_checkpoint(path).position
    generator = load_generator(path).to(settings.device)
    return generator, position.total, position.seconds / 60


def real_shapes(data: Path) -> RealShapes:
    """The shapes of both splits."""
    dataset = Dataset(data)
    test, training = (
        sample_clouds(read_real_shapes(dataset, choose_real_shapes(dataset, split)[1]).surfaces, 1)
        for split in ("test", "train")
    )
    return RealShapes(Reference(test), training)


def score_split(split: str, data: Path, real: RealShapes) -> ScoredShapes:
    """Scores of real shapes in the place of generated ones.

    Those of the split `train` are what a generator that memorised its data would score.
    """
    dataset = Dataset(data)
    known = read_real_shapes(dataset, dataset.splits[split][:SHAPES]).surfaces
    return row(f"shapes of {split}", known, real)


def score_generator(
    name: str,
    generator: AnyGenerator,
    real: RealShapes,
    work: Path,
    steps: int = 0,
    minutes: float = 0.0,
    levels: Sequence[float] = LEVELS,
) -> Iterator[ScoredShapes]:
    """Rows for each level; at level 0, finer surfaces as well, and an image grid is written."""
    device = generator.device
    latents = StepRandom(1, device=device).normal(PICTURES, SHAPES, generator.config.latent)
    for level in levels:
        surfaces = [
            extract(generator, latent, resolution=RESOLUTION, level=level) for latent in latents
        ]
        fine = None
        if level == 0.0:
            finer = [extract(generator, latent, resolution=FINE) for latent in latents]
            fine = mesh_validity(finer).single_component
            work.mkdir(parents=True, exist_ok=True)
            picture = draw_shapes(surfaces[:DRAWN], columns=8, panel=160)
            write_png(work / f"{name.replace(', ', '-').replace(' ', '-')}.png", picture)
        yield replace(row(name, surfaces, real, steps, minutes, level), fine=fine)


def row(
    name: str,
    surfaces: Sequence[Surface],
    real: RealShapes,
    steps: int = 0,
    minutes: float = 0.0,
    level: float = 0.0,
) -> ScoredShapes:
    """Scores of a set of surfaces, by chamfer distance."""
    clouds = sample_clouds(surfaces, 0)
    scores = real.test.scores(clouds, len(surfaces) - len(clouds), emd=False)
    nearest = chamfer_matrix(clouds, real.training).min(axis=1) if len(clouds) else np.nan
    validity = mesh_validity(surfaces)
    return ScoredShapes(name, steps, minutes, level, validity, scores, float(np.median(nearest)))


def table(rows: Sequence[ScoredShapes]) -> str:
    """Markdown table of scores."""
    return markdown(HEADS, [_cells(scored) for scored in rows])


def _cells(scored: ScoredShapes) -> tuple[str, ...]:
    chamfer = scored.scores.chamfer
    return (
        scored.name,
        f"{scored.steps:,}",
        f"{scored.minutes:.1f}",
        f"{scored.level:g}",
        f"{100 * (1 - scored.validity.filled):.0f}",
        f"{100 * scored.validity.single_component:.0f}",
        "-" if scored.fine is None else f"{100 * scored.fine:.0f}",
        f"{100 * scored.validity.largest_component:.0f}",
        f"{100 * chamfer.coverage:.1f}",
        "-" if chamfer.mmd is None else f"{1000 * chamfer.mmd:.2f}",
        f"{100 * chamfer.one_nna:.1f}",
        f"{1000 * scored.to_training:.2f}",
    )


if __name__ == "__main__":
    main()

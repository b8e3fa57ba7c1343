"""How good do shapes get in a given time? Trains, samples, and judges by held-out shapes.

Prints a Markdown table; sheets of what each run makes go to the work folder. See the README.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from tables import markdown

from shapegan.model.choices import Overrides, choose_config
from shapegan.model.config import TrainConfig
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.draws import PICTURES, Draws, seeded
from shapegan.model.schedule import Budget
from shapegan.model.shapes import metrics
from shapegan.model.shapes.clouds import chamfer_matrix, normalise, sample_surface
from shapegan.model.shapes.sheets import draw_shapes, write_png
from shapegan.model.shapes.surface import Surface, extract
from shapegan.model.training.checkpoint import latest_checkpoint, load_checkpoint, load_generator
from shapegan.model.training.trainer import TrainSettings, train
from shapegan.pipeline.dataset import Dataset
from shapegan.pipeline.pictures.isosurface import extract_surface

RESOLUTION = 64
LEVELS = (0.0, 0.04)
SHAPES = 64
DRAWN = 24


@dataclass(frozen=True)
class Judged:
    """What a set of shapes is worth."""

    name: str
    steps: int
    minutes: float
    level: float
    empty: float
    """Share of shapes without a surface, which are left out of the clouds."""
    coverage: float
    distance: float


class Quiet:
    """A training that only says where it is."""

    def stage(self, stage: object, _position: object, _steps: int | None) -> None:
        """A stage begins."""
        click.echo(f"  {stage}", err=True)

    def row(self, row: dict[str, float], overall: float) -> None:
        """Nothing: metrics.csv has it."""

    def note(self, text: str) -> None:
        """What the user should know."""
        click.echo(f"  {text}", err=True)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("work"), show_default=True)
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--cpu", is_flag=True, help="Minutes of this process's CPU time, all threads.")
@click.option("--recipe", default="voxel", show_default=True)
@click.option("--presets", default="paper,fast", show_default=True)
@click.option("--stages", help="As of `shapegan train`.")
@click.option("--threads", default=0, help="0: as many as torch takes.")
@click.option("--seed", default=0, show_default=True)
def main(
    data: Path,
    work: Path,
    minutes: float,
    cpu: bool,
    recipe: str,
    presets: str,
    stages: str | None,
    threads: int,
    seed: int,
) -> None:
    """Trains, judges, prints."""
    if threads:
        torch.set_num_threads(threads)
    real = held_out(data)
    rows = [oracle(data, real)]
    sizes = tuple(int(size) for size in stages.split(",")) if stages else None
    for name in presets.split(","):
        config = choose_config(recipe, name, Overrides(stages=sizes, seed=seed))
        with seeded(seed):
            rows += judge(f"{name}, untrained", Generator(config.generator), real, work)
        generator, *done = trained_for(minutes, cpu, config, data, work / f"{recipe}-{name}")
        rows += judge(name, generator, real, work, *done)
    click.echo(table(rows))


def trained_for(
    minutes: float, cpu: bool, config: TrainConfig, data: Path, run: Path
) -> tuple[Generator, int, float]:
    """What a run of so many minutes gives, wall or CPU; its steps, and its minutes."""
    clock = time.process_time if cpu else time.perf_counter
    budget = Budget(seconds=60 * minutes)
    start = clock()
    train(config, TrainSettings(data, run, budget=budget, clock=clock), Quiet())
    spent = (clock() - start) / 60
    click.echo(f"{run}: {spent:.1f} minutes with pictures and checkpoints", err=True)
    path = latest_checkpoint(run / "checkpoints")
    assert path is not None
    position = load_checkpoint(path).position
    return load_generator(path), position.total, position.seconds / 60


def held_out(data: Path) -> NDArray[np.float32]:
    """Clouds of the test split's shapes: (T, n, 3)."""
    dataset = Dataset(data)
    return clouds_of(dataset, dataset.splits["test"])


def clouds_of(dataset: Dataset, numbers: Sequence[int]) -> NDArray[np.float32]:
    """Clouds of shapes of a dataset, from their 64^3 voxels."""
    surfaces = (extract_surface(dataset.voxels(number, RESOLUTION)) for number in numbers)
    clouds = [sample_surface(*surface) for surface in surfaces if len(surface[1])]
    return np.stack([normalise(cloud) for cloud in clouds])


def oracle(data: Path, real: NDArray[np.float32]) -> Judged:
    """Training shapes in the place of generated ones: what a perfect memory would get."""
    dataset = Dataset(data)
    train_clouds = clouds_of(dataset, dataset.splits["train"][:SHAPES])
    return scores("training shapes", train_clouds, real, 0, 0.0, 0.0, 0.0)


def judge(
    name: str,
    generator: Generator,
    real: NDArray[np.float32],
    work: Path,
    steps: int = 0,
    minutes: float = 0.0,
    levels: Sequence[float] = LEVELS,
) -> Iterator[Judged]:
    """A row for each level; draws the shapes at level 0."""
    draws = Draws(1)
    latents = draws.normal(PICTURES, SHAPES, generator.config.latent)
    for level in levels:
        surfaces = [
            extract(generator, latent, resolution=RESOLUTION, level=level) for latent in latents
        ]
        if level == 0.0:
            work.mkdir(parents=True, exist_ok=True)
            picture = draw_shapes(surfaces[:DRAWN], columns=8, panel=160)
            write_png(work / f"{name.replace(', ', '-')}.png", picture)
        yield from shapes_row(name, surfaces, real, steps, minutes, level)


def shapes_row(
    name: str,
    surfaces: Sequence[Surface],
    real: NDArray[np.float32],
    steps: int,
    minutes: float,
    level: float,
) -> Iterator[Judged]:
    """The row of a set of surfaces; empty ones are counted and left out."""
    there = [surface for surface in surfaces if len(surface.faces)]
    empty = 1 - len(there) / len(surfaces)
    if not there:
        nan = float("nan")
        yield Judged(name, steps, minutes, level, empty, 0.0, nan)
        return
    clouds = np.stack(
        [normalise(sample_surface(surface.vertices, surface.faces)) for surface in there]
    )
    yield scores(name, clouds, real, steps, minutes, level, empty)


def scores(
    name: str,
    clouds: NDArray[np.float32],
    real: NDArray[np.float32],
    steps: int,
    minutes: float,
    level: float,
    empty: float,
) -> Judged:
    """Coverage and minimum matching distance by chamfer distance."""
    across = chamfer_matrix(clouds, real)
    return Judged(
        name,
        steps,
        minutes,
        level,
        empty,
        metrics.coverage(across),
        metrics.minimum_matching_distance(across),
    )


def table(rows: Sequence[Judged]) -> str:
    """As Markdown."""
    heads = ("shapes", "steps", "minutes", "level", "empty %", "COV %", "MMD x 1000")
    return markdown(
        heads,
        [
            (
                row.name,
                f"{row.steps:,}",
                f"{row.minutes:.1f}",
                f"{row.level:g}",
                f"{100 * row.empty:.0f}",
                f"{100 * row.coverage:.1f}",
                "-" if math.isnan(row.distance) else f"{1000 * row.distance:.2f}",
            )
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()

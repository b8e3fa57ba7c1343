"""How much faster is a training step than the published one? Prints a Markdown table.

The published step (`published_step.py`) and the trainer's own take turns in one process, five steps
of the critic and one of the generator at a time: same batches, weights, latents and optimiser, and
the same losses, which is checked before time is taken.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import click
import torch
from published_step import CRITIC_STEPS, Batch, PublishedStep
from tables import markdown
from torch import Tensor

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.presets import preset
from shapegan.model.ranks import Ranks
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.draws import Draws
from shapegan.model.recipes.objectives import Execution, draw_latents, draw_mix
from shapegan.model.schedule import Moment
from shapegan.model.streaming.stream import PointBatch, VoxelBatch
from shapegan.pipeline.schema import grid_points

CLIP = 0.1
TOLERANCE = {"fp32": 1e-3, "bf16": 3e-2}
"""Of the critic's losses against the published step's, relative to the largest."""


@dataclass(frozen=True)
class Case:
    """A stage of the preset `paper`."""

    recipe: str
    size: int
    batch: int

    @property
    def config(self) -> TrainConfig:
        """The preset, with this stage alone."""
        stages = (Stage(self.size, self.batch, 1),)
        return dataclasses.replace(preset(self.recipe, "paper"), stages=stages)


CASES = {
    "16^3 x 16": Case("voxel", 16, 16),
    "32^3 x 16": Case("voxel", 32, 16),
    "64^3 x 16": Case("voxel", 64, 16),
    "64^3 x 1": Case("voxel", 64, 1),
    "4,096 points x 32": Case("point", 4096, 32),
    "8^3 x 4": Case("voxel", 8, 4),
    "256 points x 4": Case("point", 256, 4),
}
MEASURED = ("16^3 x 16", "32^3 x 16", "4,096 points x 32")


@dataclass(frozen=True)
class Way:
    """How a step is done."""

    ours: bool
    precision: str = "fp32"
    compiled: bool = False

    @property
    def name(self) -> str:
        """As the table calls it."""
        return ("ours" if self.ours else "published") + (", compiled" if self.compiled else "")


BASE = Way(ours=False)


@dataclass
class Times:
    """Of each round of five steps of the critic and one of the generator."""

    wall: list[float] = field(default_factory=list)
    """Seconds."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of the process, all threads together: what other processes take hardly counts."""


class Shapes:
    """Batches of a case: balls about the centre, of random radii, distances clipped at 0.1."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._grid = torch.from_numpy(grid_points(case.size)) if case.recipe == "voxel" else None

    def batch(self, step: int) -> tuple[VoxelBatch | PointBatch, Batch]:
        """A step's batch, as ours takes it and as the published step does."""
        case, draws = self._case, Draws(1, step)
        shapes = torch.arange(case.batch)
        points = self._points(draws)
        radii = 0.3 + 0.5 * draws.uniform(0, case.batch)
        sdf = (points.norm(dim=2) - radii[:, None]).clamp(-CLIP, CLIP)
        latents, mix = self._drawn(step)
        if self._grid is None:
            ours = PointBatch(shapes, {"uniform": (points, sdf)})
            return ours, Batch(sdf, points, latents, mix)
        sdf = sdf.reshape(-1, case.size, case.size, case.size)
        return VoxelBatch(shapes, sdf), Batch(sdf, points.contiguous(), latents, mix)

    def _points(self, draws: Draws) -> Tensor:
        if self._grid is not None:
            return self._grid.expand(self._case.batch, -1, -1)
        places = draws.normal(1, self._case.batch, self._case.size, 3)
        radii = draws.uniform(2, self._case.batch, self._case.size, 1) ** (1 / 3)
        return places / places.norm(dim=2, keepdim=True) * radii

    def _drawn(self, step: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Latents of both steps, and the mix: what `Adversarial` draws."""
        config, count = self._case.config, self._case.batch
        first, second = (Draws(config.seed, 0, step, which) for which in (0, 1))
        size = config.generator.latent
        latents = draw_latents(first, count, size), draw_latents(second, count, size)
        return latents, draw_mix(first, count)


def prepare(case: Case, way: Way) -> Callable[[int], float]:
    """A function that does a step, by number, and gives the critic's loss."""
    execution = Execution(torch.device("cpu"), way.precision)
    training = Adversarial(case.config, Ranks(), execution)
    training.begin(0, case.batch)
    shapes = Shapes(case)
    if way.ours:
        if way.compiled:
            training.generator.compile()

        def step(number: int) -> float:
            values = training.step(shapes.batch(number)[0], Moment(number, 1.0, 0.0))
            return values["critic_loss"].item()

        return step
    published = PublishedStep(training.generator, training.networks["critic"], execution.autocast)
    if way.compiled:
        published.generator.compile()
    return lambda number: published.step(number, shapes.batch(number)[1])


def compare(case: Case, ways: list[Way], rounds: int) -> dict[Way, Times]:
    """Times of all ways, which take turns; the first round is a check and counts for nothing.

    Raises:
        click.ClickException: where losses differ from the published step's.
    """
    steps = {way: prepare(case, way) for way in ways}
    losses = {way: [step(number) for number in range(CRITIC_STEPS)] for way, step in steps.items()}
    for way in ways:
        check(losses[BASE], losses[way], way)
    times = {way: Times() for way in ways}
    for round_ in range(1, rounds + 1):
        for way, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for number in range(CRITIC_STEPS):
                step(CRITIC_STEPS * round_ + number)
            times[way].wall.append(time.perf_counter() - wall)
            times[way].cpu.append(time.process_time() - cpu)
    return times


def check(expected: list[float], got: list[float], way: Way) -> None:
    """Raises where losses differ by more than rounding."""
    scale = max(abs(loss) for loss in expected)
    for number, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        if not abs(ours - theirs) <= TOLERANCE[way.precision] * scale:
            raise click.ClickException(
                f"{way.name}, {way.precision}: step {number} has loss {ours}, published {theirs}"
            )


def table(results: dict[str, dict[Way, Times]]) -> str:
    """One row for each way of each case; rates are those of the median round."""
    rows = []
    for case, times in results.items():
        for way, its in times.items():
            wall = [mine / base for mine, base in zip(times[BASE].wall, its.wall, strict=True)]
            cpu = [mine / base for mine, base in zip(times[BASE].cpu, its.cpu, strict=True)]
            rows.append(
                [
                    case,
                    way.name,
                    way.precision,
                    CRITIC_STEPS / statistics.median(its.wall),
                    statistics.median(its.cpu) / CRITIC_STEPS,
                    statistics.median(wall),
                    statistics.median(cpu),
                ]
            )
    header = ["batch", "step", "precision", "steps/s", "CPU s a step", "x published"]
    return markdown([*header, "x published, CPU"], rows)


@click.command()
@click.option("--cases", default=";".join(MEASURED), show_default=True, help="Split by semicolons.")
@click.option("--precisions", default="fp32,bf16", show_default=True)
@click.option("--compiled/--eager", default=False, help="Compile the generators, as a further row.")
@click.option("--rounds", default=3, show_default=True, help="Of six steps each.")
@click.option("--threads", default=0, help="Of torch; 0: as many as there are cores.")
def main(cases: str, precisions: str, compiled: bool, rounds: int, threads: int) -> None:
    """Prints a Markdown table."""
    if threads:
        torch.set_num_threads(threads)
    unknown = [name for name in cases.split(";") if name not in CASES]
    if unknown:
        raise click.UsageError(f"expected cases out of {'; '.join(CASES)}, got {unknown[0]!r}")
    ways = [
        Way(ours, precision, compiling)
        for precision in precisions.split(",")
        for compiling in ([False, True] if compiled else [False])
        for ours in (False, True)
    ]
    ways = [BASE, *(way for way in ways if way != BASE)]
    results = {name: compare(CASES[name], ways, rounds) for name in cases.split(";")}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads,", end=" ")
    print(f"{torch.backends.cpu.get_cpu_capability()}\n\n{table(results)}")


if __name__ == "__main__":
    main()

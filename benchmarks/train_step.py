"""Speed of a training step, compared with the published step, as a Markdown table.

The published step (`published_step.py`) and the trainer's step alternate in one process, in rounds
of five critic steps and one generator step, with the same batches, weights, latents and optimiser.
Before the measurement, their losses are compared on small batches in double precision: the first
steps of RMSprop follow the signs of gradients, so single precision's rounding soon shows in losses.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click
import torch
from markdown_table import markdown
from published_step import CRITIC_STEPS, Batch, PublishedStep
from torch import Tensor

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.presets import preset
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.objectives import draw_latents, draw_mix
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.stream import PointBatch, VoxelBatch
from shapegan.pipeline.schema import grid_points

CLIP = 0.1
EXACT = 1e-5
"""Largest difference of losses from the published step's in double precision, relative to the
largest loss, in a round on `CHECKED` shapes."""
CHECKED = 2
FIRST = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 3e-2}
"""The same for the first loss, before any step, in the precision and on the batch measured."""


@dataclass(frozen=True)
class Case:
    """A stage of the preset `paper`."""

    recipe: str
    size: int
    batch: int
    device: str = "cpu"

    @property
    def config(self) -> TrainConfig:
        """The preset with this stage only."""
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
class Variant:
    """Variant and arithmetic of a step."""

    ours: bool
    precision: str = "fp32"
    compiled: bool = False
    chunk: int = Execution.chunk
    """Points whose activations our step holds at once; the published step holds all."""

    @property
    def name(self) -> str:
        """Name in the table."""
        return ("ours" if self.ours else "published") + (", compiled" if self.compiled else "")


BASE = Variant(ours=False)


@dataclass
class Times:
    """Times of rounds of five critic steps and one generator step."""

    wall: list[float] = field(default_factory=list)
    """Seconds."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of the process, all threads together: hardly affected by other processes."""


class Shapes:
    """Batches of a case: centred balls of random radii, distances clipped at 0.1."""

    def __init__(self, case: Case) -> None:
        self._case, self._grid = case, None
        if case.recipe == "voxel":
            grid = torch.from_numpy(grid_points(case.size))
            self._grid = grid.to(case.device, torch.get_default_dtype())

    def batch(self, step: int) -> tuple[VoxelBatch | PointBatch, Batch]:
        """A step's batch, for our step and for the published step."""
        case, draws = self._case, StepRandom(1, step, device=self._case.device)
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

    def _points(self, draws: StepRandom) -> Tensor:
        if self._grid is not None:
            return self._grid.expand(self._case.batch, -1, -1)
        places = draws.normal(1, self._case.batch, self._case.size, 3)
        radii = draws.uniform(2, self._case.batch, self._case.size, 1) ** (1 / 3)
        return places / places.norm(dim=2, keepdim=True) * radii

    def _drawn(self, step: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Latents of both steps, and the mix, as `Adversarial` draws them."""
        config, count = self._case.config, self._case.batch
        first, second = (
            StepRandom(config.seed, 0, step, which, device=self._case.device) for which in (0, 1)
        )
        size = config.generator.latent
        latents = draw_latents(first, count, size), draw_latents(second, count, size)
        return latents, draw_mix(first, count)


def prepare(case: Case, variant: Variant) -> Callable[[int], float]:
    """Build a function that does a step, by its number, and returns the critic's loss."""
    execution = Execution(
        torch.device(case.device),
        variant.precision,
        variant.compiled,
        variant.chunk,
    )
    training = Adversarial(case.config, Ranks(), execution)
    training.begin(0)
    shapes = Shapes(case)

    def ours(number: int) -> float:
        execution.allow_rounding()
        return training.step(shapes.batch(number)[0], StepProgress(number, 1.0, 0.0))[
            "critic_loss"
        ].item()

    if variant.ours:
        return ours
    published = PublishedStep(training.generator, training.networks["critic"], execution.autocast)
    if variant.compiled:
        published.generator.compile()

    def theirs(number: int) -> float:
        execution.allow_rounding()
        return published.step(number, shapes.batch(number)[1])

    return theirs


def check(case: Case) -> None:
    """Raise an error if a round of our steps has other losses than the published steps."""
    small = dataclasses.replace(case, batch=min(CHECKED, case.batch))
    with double_precision():
        steps = [prepare(small, Variant(ours)) for ours in (False, True)]
        expected, got = ([step(number) for number in range(CRITIC_STEPS)] for step in steps)
    same(expected, got, EXACT, "in double precision")


@contextmanager
def double_precision() -> Iterator[None]:
    """Make float64 torch's default dtype for a while."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def same(expected: list[float], got: list[float], tolerance: float, what: str) -> None:
    """Raise an error if losses differ by more than a share of the largest."""
    scale = max(abs(loss) for loss in expected)
    for number, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        if not abs(ours - theirs) <= tolerance * scale:
            raise click.ClickException(
                f"{what}: step {number} has loss {ours}, the published one {theirs}"
            )


def compare(case: Case, variants: list[Variant], rounds: int) -> dict[Variant, Times]:
    """Measure all variants in turn, each after a warm-up round.

    Raises:
        click.ClickException: losses differ from the published step's.
    """
    # 1. Check that they compute the same
    check(case)
    # 2. A warm-up round, and a check of each first loss
    steps = {variant: prepare(case, variant) for variant in variants}
    losses = {
        variant: [step(number) for number in range(CRITIC_STEPS)] for variant, step in steps.items()
    }
    for variant, its in losses.items():
        same(
            losses[BASE][:1],
            its[:1],
            FIRST[variant.precision],
            f"{variant.name}, {variant.precision}",
        )
    # 3. Rounds in turn
    times = {variant: Times() for variant in variants}
    for round_ in range(1, rounds + 1):
        for variant, step in steps.items():
            _finish(case.device)
            wall, cpu = time.perf_counter(), time.process_time()
            for number in range(CRITIC_STEPS):
                step(CRITIC_STEPS * round_ + number)
            _finish(case.device)
            times[variant].wall.append(time.perf_counter() - wall)
            times[variant].cpu.append(time.process_time() - cpu)
    return times


def _finish(device: str) -> None:
    """Wait for a GPU, which works asynchronously."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def table(results: dict[str, dict[Variant, Times]], device: str) -> str:
    """One row per case and variant; rates are those of the median round."""
    on_cpu = torch.device(device).type == "cpu"
    rows = []
    for case, times in results.items():
        for variant, its in times.items():
            wall, cpu = ratios(times[BASE].wall, its.wall), ratios(times[BASE].cpu, its.cpu)
            row = [
                case,
                variant.name,
                variant.precision,
                CRITIC_STEPS / statistics.median(its.wall),
                wall,
            ]
            rows.append([*row, statistics.median(its.cpu) / CRITIC_STEPS, cpu] if on_cpu else row)
    header = ["batch", "step", "precision", "steps/s", "x published"]
    return markdown([*header, "CPU s a step", "x published, CPU"] if on_cpu else header, rows)


def ratios(base: list[float], its: list[float]) -> float:
    """Median ratio over the rounds."""
    return statistics.median(b / i for b, i in zip(base, its, strict=True))


@click.command()
@click.option(
    "--cases", default=";".join(MEASURED), show_default=True, help="With semicolons between."
)
@click.option("--precisions", default="fp32,bf16", show_default=True, help="Also tf32, on CUDA.")
@click.option("--compiled/--eager", default=False, help="torch.compile, as further rows.")
@click.option("--rounds", default=3, show_default=True, help="Of six steps each.")
@click.option("--chunk", default=Execution.chunk, show_default=True, help="As in shapegan train.")
@click.option("--threads", default=0, help="Of torch; 0: as many as there are cores.")
@click.option("--device", default="cpu", show_default=True)
def main(
    cases: str,
    precisions: str,
    compiled: bool,
    rounds: int,
    chunk: int,
    threads: int,
    device: str,
) -> None:
    """Print a Markdown table."""
    if threads:
        torch.set_num_threads(threads)
    unknown = [name for name in cases.split(";") if name not in CASES]
    if unknown:
        raise click.UsageError(f"expected cases out of {'; '.join(CASES)}, got {unknown[0]!r}")
    variants = [
        Variant(ours, precision, compiling, chunk if ours else BASE.chunk)
        for precision in precisions.split(",")
        for compiling in ([False, True] if compiled else [False])
        for ours in (False, True)
    ]
    variants = [
        BASE,
        *(variant for variant in variants if variant != BASE),
    ]
    results = {
        name: compare(dataclasses.replace(CASES[name], device=device), variants, rounds)
        for name in cases.split(";")
    }
    print(f"torch {torch.__version__}, {place(device)}\n\n{table(results, device)}")


def place(device: str) -> str:
    """Hardware of the steps."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} threads, {torch.backends.cpu.get_cpu_capability()}"


if __name__ == "__main__":
    main()

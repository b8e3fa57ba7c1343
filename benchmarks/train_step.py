"""Speed of a training step beside the published one. Prints a Markdown table.

The published step (`published_step.py`) and the trainer's own alternate in one process, five steps
of the critic and one of the generator at a time, with the same batches, weights, latents and
optimiser. Both must have the same losses. This is checked before any time is measured, on small
batches in double precision: the first steps of RMSprop follow the gradients' signs, so the rounding
of single precision soon shows in the losses.
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
from published_step import CRITIC_STEPS, PublishedStep
from step_cases import CASES, Case, Shapes
from torch import Tensor

from shapegan.model.distributed import Ranks
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.execution import Execution
from shapegan.model.schedule import StepProgress

EXACT = 1e-5
"""Allowed difference between losses and the published step's in double precision, relative to the
largest loss, in a round on `CHECKED` shapes."""
CHECKED = 2
FIRST = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 3e-2}
"""Allowed difference of the first loss, before any step, in the timed precision and batch."""

_GRAPH_ROUNDS = 5
"""Rounds until all graphs are captured."""
MEASURED = ("16^3 x 16", "32^3 x 16", "4,096 points x 32")


@dataclass(frozen=True)
class StepVariant:
    """A variant of the training step."""

    ours: bool
    precision: str = "fp32"
    compiled: bool = False
    chunk: int = Execution.chunk
    """Points whose activations our step holds at once; the published step holds all."""
    graphs: bool = False
    """Run our step as CUDA graphs."""

    @property
    def name(self) -> str:
        """Name in the table."""
        how = (", compiled" if self.compiled else "") + (", graph" if self.graphs else "")
        return ("ours" if self.ours else "published") + how


BASE = StepVariant(ours=False)


@dataclass
class RoundTimes:
    """Times of the rounds, each of five steps of the critic and one of the generator."""

    wall: list[float] = field(default_factory=list)
    """Seconds."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of the process, all threads together; other processes hardly affect them."""


def prepare(case: Case, variant: StepVariant) -> Callable[[int], float | Tensor]:
    """A function that does the step of a given number and returns the critic's loss.

    Ours does not wait for the device, as in training.
    """
    execution = Execution(
        torch.device(case.device),
        variant.precision,
        variant.compiled,
        variant.chunk,
        variant.graphs,
        note=_refuse,
    )
    training = Adversarial(case.config, Ranks(), execution)
    training.begin(0)
    shapes = Shapes(case)

    def ours(number: int) -> Tensor:
        execution.allow_rounding()
        return training.step(shapes.batch(number)[0], StepProgress(number, 1.0, 0.0))["critic_loss"]

    if variant.ours:
        return ours
    published = PublishedStep(training.generator, training.networks["critic"], execution.autocast)
    if variant.compiled:
        published.generator.compile()

    def theirs(number: int) -> float:
        execution.allow_rounding()
        return published.step(number, shapes.batch(number)[1])

    return theirs


def check(case: Case, graphs: bool = False) -> None:
    """Check that our steps have the same losses as the published ones, for a round.

    With `graphs`, also ours as graphs, for the rounds until all are captured and one more.

    Raises:
        click.ClickException: if a loss differs.
    """
    small = dataclasses.replace(case, batch=min(CHECKED, case.batch))
    count = CRITIC_STEPS * (_GRAPH_ROUNDS + 1 if graphs else 1)
    variants = [StepVariant(False), StepVariant(True)]
    variants += [StepVariant(True, graphs=True)] if graphs else []
    with double_precision():
        steps = [prepare(small, variant) for variant in variants]
        expected, *others = ([float(step(number)) for number in range(count)] for step in steps)
    for variant, got in zip(variants[1:], others, strict=True):
        check_same(expected, got, EXACT, f"{variant.name}, in double precision")


@contextmanager
def double_precision() -> Iterator[None]:
    """Make float64 the default type of tensors."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def check_same(expected: list[float], got: list[float], tolerance: float, name: str) -> None:
    """Check that losses agree.

    Raises:
        click.ClickException: if two differ by more than `tolerance` times the largest loss.
    """
    scale = max(abs(loss) for loss in expected)
    for number, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        if not abs(ours - theirs) <= tolerance * scale:
            raise click.ClickException(
                f"{name}: step {number} has loss {ours}, the published one {theirs}"
            )


def compare(case: Case, variants: list[StepVariant], rounds: int) -> dict[StepVariant, RoundTimes]:
    """Times of all variants, which alternate; the first rounds of each are not timed.

    Raises:
        click.ClickException: if losses differ from the published step's.
    """
    # 1. Check that our step and the published one have the same losses
    check(case, graphs=any(variant.graphs for variant in variants))
    # 2. Warm up for a round, and check the first loss of each variant
    steps = {each: prepare(case, each) for each in variants}
    losses = {each: [float(step(n)) for n in range(CRITIC_STEPS)] for each, step in steps.items()}
    for variant, its in losses.items():
        check_same(
            losses[BASE][:1],
            its[:1],
            FIRST[variant.precision],
            f"{variant.name}, {variant.precision}",
        )
    # 3. Time the rounds
    times = {variant: RoundTimes() for variant in variants}
    untimed = _GRAPH_ROUNDS if any(variant.graphs for variant in variants) else 1
    for round_ in range(1, untimed):
        for step in steps.values():
            for number in range(CRITIC_STEPS):
                step(CRITIC_STEPS * round_ + number)
    for round_ in range(untimed, untimed + rounds):
        for variant, step in steps.items():
            _finish(case.device)
            wall, cpu = time.perf_counter(), time.process_time()
            for number in range(CRITIC_STEPS):
                step(CRITIC_STEPS * round_ + number)
            _finish(case.device)
            times[variant].wall.append(time.perf_counter() - wall)
            times[variant].cpu.append(time.process_time() - cpu)
    return times


def _refuse(note: str) -> None:
    """Stop if a graph could not be captured: its row would be that of the plain step.

    Raises:
        click.ClickException: always.
    """
    raise click.ClickException(note)


def _finish(device: str) -> None:
    """Wait for a GPU, which works asynchronously."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def table(results: dict[str, dict[StepVariant, RoundTimes]], device: str) -> str:
    """Markdown table with one row for each variant of each case; rates are of the median round."""
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
    """Median over the rounds of the ratio of times."""
    return statistics.median(b / i for b, i in zip(base, its, strict=True))


@click.command()
@click.option("--cases", default=";".join(MEASURED), show_default=True, help="Split by semicolons.")
@click.option("--precisions", default="fp32,bf16", show_default=True, help="Also tf32, on CUDA.")
@click.option("--compiled/--eager", default=False, help="Add rows with torch.compile.")
@click.option("--rounds", default=3, show_default=True, help="Rounds of six steps each.")
@click.option(
    "--chunk", default=Execution.chunk, show_default=True, help="--chunk of shapegan train."
)
@click.option("--threads", default=0, help="Threads of torch; 0: one for each core.")
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
    """Measure the cases and print the table."""
    if threads:
        torch.set_num_threads(threads)
    unknown = [name for name in cases.split(";") if name not in CASES]
    if unknown:
        raise click.UsageError(f"expected cases out of {'; '.join(CASES)}, got {unknown[0]!r}")
    variants = [
        StepVariant(ours, precision, compiling, chunk if ours else BASE.chunk)
        for precision in precisions.split(",")
        for compiling in ([False, True] if compiled else [False])
        for ours in (False, True)
    ]
    variants = [BASE, *(variant for variant in variants if variant != BASE)]
    results = {
        name: compare(dataclasses.replace(CASES[name], device=device), variants, rounds)
        for name in cases.split(";")
    }
    print(f"torch {torch.__version__}, {place(device)}\n\n{table(results, device)}")


def place(device: str) -> str:
    """Name of the device that the steps ran on."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} threads, {torch.backends.cpu.get_cpu_capability()}"


if __name__ == "__main__":
    main()

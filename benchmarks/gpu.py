"""Training, and other commands, on a GPU. Prints Markdown tables, writes JSON lines.

Rows are printed and written as soon as they are measured, so that a run that is cut off still shows
what it has; all steps of a case alternate. Three tables on training:

- the published step and ours, plain and as a CUDA graph, at the same batches and weights
  (`train_step.py` checks their losses in double precision), with the arithmetic a second and its
  share of the GPU's dense bf16 peak;
- the share of time in which the GPU computes while our steps run;
- steps a second of whole runs of `shapegan train` on a dataset, plain and with graphs.

And one for each of `generate`, `reconstruct`, `evaluate` and `preprocess` (`gpu_commands.py`), of
those whose input is given.
"""

import csv
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch
from gpu_commands import CommandSettings, measure_commands
from published_step import CRITIC_STEPS
from row_log import Rows
from step_cases import CASES, Case
from torch._dynamo.exc import TorchDynamoException as DynamoError
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from train_step import BASE, StepVariant, compare, prepare

STEP_CASES = ("16^3 x 16", "32^3 x 16", "64^3 x 16", "4,096 points x 32", "32,768 points x 6")
_PRECISIONS = ("fp32", "tf32", "bf16")
_LARGE = ("64^3 x 16", "32,768 points x 6")
"""Cases in bf16 alone, beside the published step in fp32: they take long, and each graph keeps the
memory of its activations."""
_CHUNK = 2**23
"""Points that our step holds at once: all of them, as in training on a GPU with much memory."""
_BUSY_ROUNDS = 6
_COMPILED = [BASE, StepVariant(True, "bf16", compiled=True, chunk=_CHUNK, graphs=True)]
"""The published step in fp32, and ours as a graph of kernels that torch.compile has fused."""


_FORMULAS = flop_registry | {torch.ops.aten._addmm_activation: flop_registry[torch.ops.aten.addmm]}
"""Operations of torch's functions; a product that applies a ReLU counts as the product."""


class FlopCounter(TorchDispatchMode):
    """Counts operations as torch's `FlopCounterMode`, which has no gradients of gradients."""

    total = 0.0

    def __torch_dispatch__(
        self, function: Any, _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run a function and count its operations."""
        result = function(*args, **(kwargs or {}))
        formula = _FORMULAS.get(function._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def step_variants(precisions: tuple[str, ...]) -> list[StepVariant]:
    """The published step, ours launched kernel by kernel, and ours as a graph."""
    published = [StepVariant(False, precision) for precision in precisions]
    ours = [
        StepVariant(True, precision, chunk=_CHUNK, graphs=graphs)
        for graphs in (False, True)
        for precision in precisions
    ]
    return [BASE, *(variant for variant in published if variant != BASE), *ours]


def measure_steps(
    rows: Rows, name: str, rounds: int, peak: float, device: str, compiled: bool = False
) -> None:
    """Rows of a case: all variants alternate, so that the published step is timed once.

    If one takes too much memory, has another loss or cannot be compiled, the case has a row that
    says so.
    """
    case = dataclasses.replace(CASES[name], device=device)
    try:
        flops = round_flops(case)
        precisions = _PRECISIONS if name not in _LARGE else ("bf16",)
        variants = _COMPILED if compiled else step_variants(precisions)
        times = compare(case, variants, rounds)
    except (torch.OutOfMemoryError, click.ClickException, DynamoError) as error:
        reason = str(error).splitlines()[0]
        rows.add("failed", {"batch": name, "reason": reason})
        return
    finally:
        if device != "cpu":
            torch.cuda.empty_cache()
    base = statistics.median(times[BASE].wall)
    for variant, its in times.items():
        seconds = statistics.median(its.wall)
        rate = flops / seconds if variant.ours else 0.0
        rows.add(
            "steps",
            {
                "batch": name,
                "step": variant.name,
                "precision": variant.precision,
                "steps/s": CRITIC_STEPS / seconds,
                "x published fp32": base / seconds,
                "TFLOP/s": rate / 1e12 if rate else "",
                "% of bf16 peak": 100 * rate / peak / 1e12 if rate else "",
            },
        )


def round_flops(case: Case) -> float:
    """Floating point operations of five steps of ours, by torch's formulas."""
    step = prepare(case, StepVariant(True, chunk=_CHUNK))
    with FlopCounter() as counter:
        for number in range(CRITIC_STEPS):
            step(number)
    return counter.total


def measure_busy(rows: Rows, name: str, device: str) -> None:
    """Row of the share of time in which kernels of our steps run, plain and as a graph, in bf16."""
    case = dataclasses.replace(CASES[name], device=device)
    for graphs in (False, True):
        step = prepare(case, StepVariant(True, "bf16", chunk=_CHUNK, graphs=graphs))
        for number in range(CRITIC_STEPS * _BUSY_ROUNDS):
            step(number)
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            start = time.perf_counter()
            for number in range(CRITIC_STEPS * _BUSY_ROUNDS):
                step(number)
            torch.cuda.synchronize()
            seconds = time.perf_counter() - start
        kernels = [event for event in profiler.events() if event.device_type.name == "CUDA"]
        busy = sum(event.device_time_total for event in kernels) / 1e6
        steps = CRITIC_STEPS * _BUSY_ROUNDS
        rows.add(
            "busy",
            {
                "batch": name,
                "step": "graph" if graphs else "plain",
                "kernels a step": len(kernels) / steps,
                "ms of kernels a step": 1e3 * busy / steps,
                "ms a step": 1e3 * seconds / steps,
                "busy %": 100 * busy / seconds,
            },
        )


def measure_run(rows: Rows, data: Path, recipe: str, steps: int, device: str) -> None:
    """Rows of a run of `shapegan train`: the rate of each stage, without its first rows."""
    for graphs in (False, True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            flags = ["--graphs" if graphs else "--no-graphs", "--preview-shapes", "0"]
            flags += ["--recipe", recipe, "--steps", str(steps), "--device", device]
            command = [sys.executable, "-m", "shapegan.cli", "train", "--data", str(data), *flags]
            done = subprocess.run(
                [*command, "--run", str(folder / "run")],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                reason = done.stderr.strip().splitlines()[-1:]
                rows.add("failed", {"recipe": recipe, "graphs": graphs, "reason": str(reason)})
                continue
            notes = [line for line in done.stderr.splitlines() if "without a CUDA graph" in line]
            with (folder / "run/metrics.csv").open() as file:
                found = list(csv.DictReader(file))
            for stage in sorted({row["stage"] for row in found}):
                rates = [float(row["shapes_per_second"]) for row in found if row["stage"] == stage]
                rows.add(
                    "runs",
                    {
                        "recipe": recipe,
                        "stage": stage,
                        "steps": "graph" if graphs else "plain",
                        "shapes/s": statistics.median(rates[len(rates) // 2 :]),
                        "run plainly": len(notes),
                    },
                )


@click.command()
@click.option("--cases", default=";".join(STEP_CASES), show_default=True, help="With semicolons.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of five steps each.")
@click.option("--compiled/--eager", default=False, help="Add rows with torch.compile.")
@click.option("--peak", default=989.0, show_default=True, help="Dense bf16 TFLOP/s of the GPU.")
@click.option("--data", type=click.Path(path_type=Path), help="Dataset of all that takes one.")
@click.option("--recipes", default="voxel,latent", show_default=True, help="Recipes of whole runs.")
@click.option("--steps", default=600, show_default=True, help="Steps of a whole run.")
@click.option("--device", default="cuda", show_default=True)
@click.option("--meshes", type=click.Path(path_type=Path), help="Folder to preprocess.")
@click.option("--preprocess-flags", default="", help="Further flags of preprocess.")
@click.option("--workers", default=os.cpu_count(), help="Of preprocess.  [default: all cores]")
@click.option("--run", type=click.Path(path_type=Path), help="Generator to generate and evaluate.")
@click.option("--count", default=256, show_default=True, help="Meshes to generate.")
@click.option("--resolution", default=128, show_default=True, help="Of generate and reconstruct.")
@click.option("--autodecoder", type=click.Path(path_type=Path), help="Run to reconstruct with.")
@click.option("--split", default="test", show_default=True, help="To evaluate and reconstruct.")
@click.option("--batches", default="1,8,32", show_default=True, help="Batches of reconstruct.")
@click.option("--fit-steps", default=800, show_default=True, help="Steps of reconstruct.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("gpu.jsonl"))
def main(
    cases: str,
    rounds: int,
    compiled: bool,
    peak: float,
    data: Path | None,
    recipes: str,
    steps: int,
    device: str,
    out: Path,
    **options: Any,
) -> None:
    """Measure everything whose input is given."""
    processor = torch.cuda.get_device_name(device) if device != "cpu" else "CPU"
    print(f"torch {torch.__version__}, {processor}")
    rows, names = Rows(out), [name for name in cases.split(";") if name]
    for name in names if device != "cpu" else []:
        measure_busy(rows, name, device)
    measure_commands(rows, CommandSettings(data=data, device=device, **options))
    if data is not None:
        for recipe in filter(None, recipes.split(",")):
            measure_run(rows, data, recipe, steps, device)
    for name in names:
        measure_steps(rows, name, rounds, peak, device)
    for name in names if compiled else []:
        measure_steps(rows, name, rounds, peak, device, compiled=True)


if __name__ == "__main__":
    main()

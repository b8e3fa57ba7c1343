"""Memory of a training step. Prints a Markdown table.

Each row is one step of the preset `paper`, critic and generator, in a process of its own: the peak
of its resident memory, or of the memory that torch takes of a GPU. Rows differ in the number of
points whose activations the generator holds (`shapegan train --chunk`); `:published` in the place
of a chunk is the published step.
"""

import dataclasses
import resource
import subprocess
import sys
import time

import click
import torch
from markdown_table import markdown
from published_step import CRITIC_STEPS, PublishedStep
from step_cases import CASES, Shapes

from shapegan.model.distributed import Ranks
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.execution import Execution
from shapegan.model.schedule import StepProgress

PUBLISHED = "published"


def measure(name: str, chunk: str, device: str, precision: str) -> tuple[float, float]:
    """Do one step in this process.

    Returns:
        Peak of memory in GB, and seconds: CPU seconds on a CPU, wall seconds on a GPU.
    """
    case = dataclasses.replace(CASES[name], device=device)
    points = Execution.chunk if chunk == PUBLISHED else int(chunk)
    execution = Execution(torch.device(device), precision, chunk=points)
    execution.allow_rounding()
    training = Adversarial(case.config, Ranks(), execution)
    training.begin(0)
    # The generator is trained at every fifth step.
    number = CRITIC_STEPS - 1
    ours, theirs = Shapes(case).batch(number)
    on_gpu = torch.device(device).type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    start = clock()
    if chunk == PUBLISHED:
        critic = training.networks["critic"]
        PublishedStep(training.generator, critic, execution.autocast).step(number, theirs)
    else:
        training.step(ours, StepProgress(number, 1.0, 0.0))["critic_loss"].item()
    if on_gpu:
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() / 1e9, clock() - start
    # Linux counts in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, clock() - start


def measure_in_subprocess(*arguments: str) -> tuple[str, str]:
    """Call `measure` in a fresh process, because a process keeps its peak of memory."""
    command = [sys.executable, __file__, "--in-process", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "OutOfMemoryError" in done.stderr:
        return "out of memory", "-"
    if done.returncode:
        raise click.ClickException(done.stderr)
    peak, seconds = done.stdout.split()
    return f"{float(peak):.2f}", f"{float(seconds):.2f}"


@click.command()
@click.option(
    "--steps",
    default="64^3 x 16:131072;32^3 x 16:16384;32^3 x 16:131072;32^3 x 16:524288",
    show_default=True,
    help="BATCH:CHUNK of each row, split by semicolons.",
)
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", default="fp32", show_default=True)
@click.option("--in-process", nargs=4, hidden=True, help="Measure in this process.")
def main(steps: str, device: str, precision: str, in_process: tuple[str, ...] | None) -> None:
    """Measure the steps and print the table."""
    if in_process:
        print(*measure(*in_process))
        return
    rows = []
    for words in steps.split(";"):
        name, _, chunk = words.partition(":")
        if name not in CASES or not (chunk.isdigit() or chunk == PUBLISHED):
            raise click.UsageError(f"expected BATCH:CHUNK, BATCH out of {'; '.join(CASES)}")
        shown = f"{int(chunk):,}" if chunk.isdigit() else chunk
        rows.append([name, shown, *measure_in_subprocess(name, chunk, device, precision)])
    on_cpu = torch.device(device).type == "cpu"
    print(markdown(["batch", "--chunk", "peak, GB", "CPU s" if on_cpu else "s"], rows))


if __name__ == "__main__":
    main()

"""How much memory does a training step take? Prints a Markdown table.

A step of the preset `paper`, critic and generator, each in a process of its own: its peak of
resident memory, by how many points the generator holds activations of (`shapegan train --chunk`).
"""

import resource
import subprocess
import sys
import time

import click
import torch
from tables import markdown
from train_step import CASES, CRITIC_STEPS, Shapes

from shapegan.model.ranks import Ranks
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.objectives import Execution
from shapegan.model.schedule import Moment


def measure(name: str, chunk: int) -> tuple[float, float]:
    """Does one step in this process: peak of resident memory in GB, and CPU seconds of the step."""
    case = CASES[name]
    training = Adversarial(case.config, Ranks(), Execution(torch.device("cpu"), chunk=chunk))
    training.begin(0, case.batch)
    # The generator has its turn at each fifth step.
    number = CRITIC_STEPS - 1
    batch, _ = Shapes(case).batch(number)
    start = time.process_time()
    training.step(batch, Moment(number, 1.0, 0.0))
    seconds = time.process_time() - start
    # Linux counts in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, seconds


def measure_apart(name: str, chunk: int) -> list[str]:
    """The same in a fresh process: a peak is never forgotten."""
    command = [sys.executable, __file__, "--apart", name, str(chunk)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


@click.command()
@click.option(
    "--steps",
    default="64^3 x 16:131072;32^3 x 16:16384;32^3 x 16:131072;32^3 x 16:524288",
    show_default=True,
    help="BATCH:CHUNK of each row, split by semicolons.",
)
@click.option("--apart", nargs=2, hidden=True, help="A step in this very process.")
def main(steps: str, apart: tuple[str, str] | None) -> None:
    """Prints a Markdown table."""
    if apart:
        print(*measure(apart[0], int(apart[1])))
        return
    rows = []
    for words in steps.split(";"):
        name, _, chunk = words.partition(":")
        if name not in CASES or not chunk.isdigit():
            raise click.UsageError(f"expected BATCH:CHUNK, BATCH out of {'; '.join(CASES)}")
        peak, seconds = measure_apart(name, int(chunk))
        rows.append([name, f"{int(chunk):,}", float(peak), float(seconds)])
    print(markdown(["batch", "--chunk", "peak, GB", "CPU s"], rows))


if __name__ == "__main__":
    main()

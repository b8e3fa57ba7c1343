"""Share of preprocessing that a GPU could take over. Prints a Markdown table.

Meshes are processed in this process, on one core, and the CPU time inside of Warp's kernels is
counted apart. With `--device cuda` the kernels run on a GPU; everything else stays on the core. So
the last column is about the gain of a GPU that took no time.
"""

import shlex
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import warp as wp
from click.testing import CliRunner
from markdown_table import markdown

from shapegan.cli import main as shapegan
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.warp_runtime import start_warp

HEADS = ("meshes", "number", "CPU s a mesh", "in kernels %", "x at most with a GPU")


class KernelClock:
    """CPU seconds inside of kernels, which return when they are done."""

    seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the kernels that are launched meanwhile."""
        launch = wp.launch

        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.process_time()
            try:
                return launch(*arguments, **options)
            finally:
                self.seconds += time.process_time() - start

        wp.launch = timed
        try:
            yield
        finally:
            wp.launch = launch


def measured(
    folder: Path, limit: int, flags: Sequence[str]
) -> tuple[str, int, float, float, float]:
    """Row of a folder of meshes.

    Raises:
        click.ClickException: preprocess failed.
    """
    with tempfile.TemporaryDirectory() as name:
        # The first mesh pays for imports, and for the compilation of kernels.
        preprocess(folder, Path(name, "one"), 1, flags)
        clock, start = KernelClock(), time.process_time()
        with clock.running():
            preprocess(folder, Path(name, "all"), limit, flags)
        seconds = time.process_time() - start
        count = len(Dataset(Path(name, "all")).ids)
    rest = seconds - clock.seconds
    share = 100 * clock.seconds / seconds
    return folder.name, count, seconds / count, share, seconds / rest


def preprocess(folder: Path, out: Path, limit: int, flags: Sequence[str]) -> None:
    """Run `shapegan preprocess` in this process, on so many meshes.

    Raises:
        click.ClickException: it failed.
    """
    words = ["preprocess", str(folder), "--out", str(out), "--workers", "0"]
    done = CliRunner().invoke(shapegan, [*words, "--limit", str(limit), *flags])
    if done.exit_code:
        raise click.ClickException(done.output.strip().splitlines()[-1])


@click.command(help=__doc__)
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--limit", default=32, show_default=True, help="Meshes of each folder.")
@click.option("--flags", default="", help="Further flags of preprocess.")
def main(folders: tuple[Path, ...], limit: int, flags: str) -> None:
    """Print the table."""
    start_warp()
    print(markdown(HEADS, [measured(folder, limit, shlex.split(flags)) for folder in folders]))


if __name__ == "__main__":
    main()

"""Compare the cost of preprocessing with that of another checkout, mesh by mesh.

Two processes, one for each checkout, take turns on every mesh, so both see the same load of the
machine. Prints the CPU seconds of both, and their ratio, for the field alone and for the full set:
voxels of 8, 16, 32 and 64, 262,144 points in the ball and 262,144 near the surface.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from markdown_table import markdown
from numpy.typing import NDArray

from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.schema import Job

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MESHES = ROOT.parent / "shared" / "data" / "meshes"
PARTS = ("field", "full set")
RESOLUTIONS = (8, 16, 32, 64)
POINTS = 64**3


def serve(points: int) -> None:
    """Preprocess each mesh whose path is read; print the CPU seconds of its field and in all.

    Args:
        points: size of each point set; without points, only voxels of 64 are made.
    """
    from shapegan.pipeline.config import PreprocessConfig
    from shapegan.pipeline.run import process_mesh

    make_field, field_seconds = process_mesh.make_field, []

    def timed(*args: Any, **options: Any) -> Any:
        start = time.process_time()
        made = make_field(*args, **options)
        field_seconds.append(time.process_time() - start)
        return made

    process_mesh.make_field = timed
    config = PreprocessConfig(resolutions=RESOLUTIONS if points else (64,), points=points)
    for line in sys.stdin:
        path = Path(line.strip())
        start = time.process_time()
        process_mesh.process(Job("mesh", "", path, path.name), config)
        whole = time.process_time() - start
        sys.stdout.write(json.dumps([field_seconds.pop(), whole]) + "\n")
        sys.stdout.flush()


@dataclass(frozen=True)
class Server:
    """Process that measures the code of one checkout."""

    process: "subprocess.Popen[str]"

    @classmethod
    def of(cls, checkout: Path, folder: Path, points: int) -> "Server":
        """Start it; a link in the folder makes the checkout importable as `shapegan`."""
        folder.mkdir()
        (folder / "shapegan").symlink_to(checkout.resolve())
        process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(points)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process alone
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        )
        return cls(process)

    def seconds(self, path: Path) -> list[float]:
        """CPU seconds of a mesh's field and full set.

        Raises:
            ClickException: the process ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise click.ClickException(f"the process that measures {path} ended")
        seconds: list[float] = json.loads(line)
        return seconds

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()


def measure(jobs: Sequence[Job], servers: Sequence[Server], repeats: int) -> NDArray[np.float64]:
    """CPU seconds (meshes, 2 servers, parts): medians of repeats, with the servers in turns.

    Ctrl-C ends the measurement; meshes without any are NaN.
    """
    for server in servers:  # compiles the kernels, and loads the modules
        server.seconds(jobs[0].path)
    found = np.full((repeats, len(jobs), 2, len(PARTS)), np.nan)
    try:
        for repeat in range(repeats):
            for row, job in enumerate(jobs):
                turns = (0, 1) if (repeat + row) % 2 else (1, 0)
                pair = {turn: servers[turn].seconds(job.path) for turn in turns}
                found[repeat, row] = [pair[0], pair[1]]
                pairs = zip(*found[repeat, row], strict=True)
                seconds = ", ".join(f"{before:.3f} {now:.3f}" for before, now in pairs)
                click.echo(f"{repeat + 1}/{repeats} {job.id}: {seconds}", err=True)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
    medians = np.full(found.shape[1:], np.nan)
    done = ~np.isnan(found[0, :, 0, 0])
    medians[done] = np.nanmedian(found[:, done], axis=0)
    return medians


def table(names: Sequence[str], seconds: NDArray[np.float64], parts: Sequence[str]) -> str:
    """Markdown table of seconds (meshes, 2 servers, parts) and of what is more than before."""
    header = ["mesh"]
    for part in parts:
        header += [f"{part}: before, s", "now, s", "more %"]
    rows = [*zip(names, seconds, strict=True), ("all", seconds.sum(axis=0))]
    lines = [[name, *(cell for part in of.T for cell in _compared(*part))] for name, of in rows]
    median = [100 * (np.median(of[:, 1] / of[:, 0]) - 1) for of in seconds.transpose(2, 0, 1)]
    lines.append(["median", *(cell for more in median for cell in ("", "", f"{more:+.1f}"))])
    return markdown(header, lines)


def _compared(before: float, now: float) -> list[str]:
    return [f"{before:.2f}", f"{now:.2f}", f"{100 * (now / before - 1):+.1f}"]


@click.command(help=__doc__)
@click.argument("other", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--meshes", type=click.Path(exists=True, path_type=Path), default=DEFAULT_MESHES,
              help="Folder of meshes.")  # fmt: skip
@click.option("--repeats", default=3, show_default=True)
@click.option("--only", default="", help="Comma-separated ids of meshes.")
@click.option("--field-only", is_flag=True, help="Measure the field alone, in half the time.")
def main(other: Path, meshes: Path, repeats: int, only: str, field_only: bool) -> None:
    """Measure and print the table; OTHER is the checkout to compare with."""
    jobs = discover(meshes).jobs
    if only:
        jobs = [job for job in jobs if job.id in only.split(",")]
    if not jobs:
        raise click.UsageError(f"no such mesh below {meshes}")
    with tempfile.TemporaryDirectory() as folder:
        servers = [
            Server.of(checkout, Path(folder) / name, 0 if field_only else POINTS)
            for name, checkout in (("before", other), ("now", ROOT))
        ]
        try:
            seconds = measure(jobs, servers, repeats)
        finally:
            for server in servers:
                server.stop()
    parts = PARTS[:1] if field_only else PARTS
    done = ~np.isnan(seconds[:, 0, 0])
    names = [job.id for job, measured in zip(jobs, done, strict=True) if measured]
    click.echo(table(names, seconds[done][..., : len(parts)], parts))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
    else:
        main()

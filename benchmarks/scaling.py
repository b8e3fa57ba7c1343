"""Scaling of `shapegan preprocess`. Prints the tables of docs/results/scaling.md.

The same meshes are processed without Dask and by several numbers of workers, each time in a fresh
process. Then many meshes are distributed to workers that do nothing, which measures the cost of
Dask and of our own files. The needs of ShapeNet and of a million meshes are calculated from both.
"""

import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from markdown_table import markdown

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.resumable import JOBS_NAME
from shapegan.pipeline.dataset.staging import ShardRecord
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.run.dataset_tasks import TARGET
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.samples.kinds import KINDS
from shapegan.pipeline.schema import REPORT_NAME, SHARD_FOLDER, Job, MeshReport, shard_name

NOTHING = "nothing:process"
SUMS = {"ShapeNet": 51_300, "a million": 1_000_000}
CORES = (1, 16, 64, 256)


@dataclass
class Clock:
    """Progress that records when the first mesh is done."""

    started: float = field(default_factory=time.monotonic)
    startup: float | None = None
    """Seconds until the first mesh was done, its own processing excluded."""

    def resume(self, reports: Sequence[MeshReport]) -> None:
        """Ignore meshes of an earlier run: there are none."""

    def advance(self, report: MeshReport) -> None:
        """Record the time of the first mesh."""
        if self.startup is None:
            self.startup = time.monotonic() - self.started - (report.seconds or 0.0)

    def note(self, text: str) -> None:
        """Ignore notes."""


@dataclass(frozen=True)
class RunCost:
    """Cost of a run."""

    meshes: int
    wall: float
    """Seconds."""
    startup: float
    sizes: dict[str, int]
    """Bytes on disk: `shapes`, `records`, and the files of the list of meshes."""
    shapes: int

    @property
    def steady(self) -> float:
        """Seconds after the start."""
        return self.wall - self.startup


def run(jobs: list[Job], workers: int, target: str = TARGET) -> RunCost:
    """Make a dataset in a temporary folder; to be called in a fresh process."""
    from shapegan.pipeline.run.preprocess import preprocess

    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory(prefix="shapegan-scaling-") as folder:
        out, clock = Path(folder) / "dataset", Clock()
        settings = RunSettings(workers=workers, target=target)
        manifest, _ = preprocess(Path(folder), jobs, PreprocessConfig(), out, settings, clock)
        wall = time.monotonic() - clock.started
        sizes = {name: (out / name).stat().st_size for name in (JOBS_NAME, REPORT_NAME)}
        for name, pattern in (("shapes", "*.h5"), ("records", "*.json")):
            files = (out / SHARD_FOLDER).glob(pattern)
            sizes[name] = sum(path.stat().st_size for path in files)
    shapes = sum(shard.shapes for shard in manifest.shards)
    return RunCost(len(jobs), wall, clock.startup or 0.0, sizes, shapes)


@dataclass(frozen=True)
class ResumeCost:
    """Cost for the driver of resuming a finished dataset."""

    meshes: int
    peak: int
    """Largest resident memory in bytes."""
    seconds: float


def resume(count: int) -> ResumeCost:
    """Resume a finished dataset: all lists are read and written, no mesh is processed."""
    from shapegan.pipeline.dataset.output import open_output
    from shapegan.pipeline.run.preprocess import preprocess

    config, settings = PreprocessConfig(), RunSettings(workers=1, target=NOTHING)
    with tempfile.TemporaryDirectory(prefix="shapegan-scaling-") as folder:
        root, out, jobs = Path(folder), Path(folder) / "dataset", idle_jobs(count)
        with open_output(out, root, jobs, config) as manifest:
            for index in range(manifest.shard_count):
                reports = tuple(_report(jobs[number]) for number in manifest.shard_jobs(index))
                record = ShardRecord(index, None, 0, 0, "", reports)
                path = (out / shard_name(index)).with_suffix(".json")
                path.write_text(json.dumps(asdict(record)))
        started = time.monotonic()
        preprocess(root, jobs, config, out, settings, Clock())
        seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return ResumeCost(count, peak, seconds)


def _report(job: Job) -> MeshReport:
    """A report as long as those of accepted meshes."""
    values = (0.0312345678901, 0.9987654321012, 1.6543210987)
    return MeshReport(
        job.id, job.category, job.relative, "rejected", "", None, None, "winding", 12345, *values
    )


def processing_seconds(jobs: list[Job]) -> float:
    """Wall seconds of the processing alone, in this process."""
    from shapegan.pipeline.run.process_mesh import process

    process(jobs[0], PreprocessConfig())  # loads the kernels
    started = time.monotonic()
    for job in jobs:
        process(job, PreprocessConfig())
    return time.monotonic() - started


def idle_jobs(count: int) -> list[Job]:
    """Jobs for `nothing`, with ids as long as ShapeNet's."""
    ids = [f"03001627/{number:032x}" for number in range(count)]
    return [Job(id_, "03001627", Path(id_), f"{id_}/models/model_normalized.obj") for id_ in ids]


def in_fresh_process(function, *arguments):
    """Call a function in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def fastest(repeat: int, *arguments) -> RunCost:
    """The fastest of several runs: other work on the machine can only slow a run down."""
    return min((in_fresh_process(run, *arguments) for _ in range(repeat)), key=lambda r: r.steady)


# --- tables ----------------------------------------------------------------------------------


def work_table(processing: float, runs: dict[int, RunCost]) -> str:
    """Markdown table of the cost of meshes, by number of workers."""
    one = runs[1].steady if 1 in runs else float("nan")
    count = next(iter(runs.values())).meshes
    rows: list[list[object]] = [
        ["processing alone", processing, 0.0, processing / count, one / processing]
    ]
    for workers, r in runs.items():
        each = r.steady / count
        rows.append([f"--workers {workers}", r.wall, r.startup, each, one / r.steady])
    header = ["way", "wall s", "of it start", "s a mesh", "speed, --workers 1 = 1"]
    return markdown(header, rows)


def idle_table(runs: dict[int, RunCost], seconds: float) -> str:
    """Markdown table of the cost of distribution; without Dask, our own files take the time."""
    bare = runs[0].steady / runs[0].meshes
    rows = []
    for workers, r in runs.items():
        each = r.steady / r.meshes
        dask = each - bare
        rows.append([f"--workers {workers}", 1e3 * each, 1e3 * dask, f"{dask / seconds:.2%}"])
    header = ["way", "ms a mesh that is not done", "of it Dask and its process", "share of a mesh"]
    return markdown(header, rows)


def sum_table(
    work: RunCost, workers: int, idle: RunCost, drivers: tuple[ResumeCost, ResumeCost]
) -> str:
    """Markdown table of the needs of large sets."""
    core = work.steady * workers / work.meshes
    shape = work.sizes["shapes"] / work.shapes
    size = PreprocessConfig().shard_size
    small, large = drivers
    more = large.meshes - small.meshes
    memory, time_ = (large.peak - small.peak) / more, (large.seconds - small.seconds) / more
    rows: list[list[object]] = []

    def row(name: str, values: list[str]) -> None:
        rows.append([name, *values])

    counts = list(SUMS.values())
    row("meshes", [f"{n:,}" for n in counts])
    row("shards", [f"{-(-n // size):,}" for n in counts])
    row("files at the end", [f"{2 * -(-n // size) + 4:,}" for n in counts])
    row("shards, TB", [f"{n * shape / 1e12:.2f}" for n in counts])
    for name in (JOBS_NAME, REPORT_NAME, "records"):
        row(f"{name}, MB", [f"{n * idle.sizes[name] / idle.meshes / 1e6:.0f}" for n in counts])
    row("driver's memory, GB", [f"{(small.peak + n * memory) / 1e9:.1f}" for n in counts])
    row("resuming when all is done, s", [f"{small.seconds + n * time_:.0f}" for n in counts])
    for cores in CORES:
        row(f"hours, cores: {cores}", [f"{n * core / cores / 3600:,.1f}" for n in counts])
    return markdown(["", *SUMS], rows)


def sample_jobs(folder: Path, each: int) -> list[Job]:
    """Sample meshes of every kind."""
    from shapegan.pipeline.samples.sample import write_samples

    list(write_samples(tuple(KINDS), each, 0, folder))
    return discover(folder).jobs


@click.command(help=__doc__)
@click.option("--meshes", type=click.Path(exists=True, path_type=Path),
              help="Folder of meshes; sample meshes of every kind by default.")  # fmt: skip
@click.option("--limit", default=12, help="Largest number of meshes.")
@click.option("--workers", default="1,2", help="Numbers of workers, besides 0 and 1.")
@click.option("--repeat", default=1, help="Number of measurements; the fastest counts.")
@click.option("--idle", default=2000, help="Meshes to distribute to workers that do nothing.")
def main(meshes: Path | None, limit: int, workers: str, repeat: int, idle: int) -> None:
    """Measure the runs and print the tables."""
    numbers = sorted({0, 1, *map(int, workers.split(","))})
    with tempfile.TemporaryDirectory(prefix="shapegan-meshes-") as folder:
        jobs = discover(meshes).jobs if meshes else sample_jobs(Path(folder), -(-limit // 4))
        jobs = [jobs[k * len(jobs) // limit] for k in range(limit)] if limit < len(jobs) else jobs
        processing = min(in_fresh_process(processing_seconds, jobs) for _ in range(repeat))
        work = {number: fastest(repeat, jobs, number) for number in numbers}
    idles = {number: fastest(repeat, idle_jobs(idle), number, NOTHING) for number in numbers}
    drivers = (in_fresh_process(resume, 2_000), in_fresh_process(resume, 100_000))
    click.echo(
        f"{len(jobs)} meshes, {work[1].sizes['shapes'] / work[1].shapes / 1e6:.2f} MB each\n"
    )
    click.echo(work_table(processing, work) + "\n")
    click.echo(idle_table(idles, work[1].steady / len(jobs)) + "\n")
    click.echo(sum_table(work[numbers[-1]], max(1, numbers[-1]), idles[1], drivers))


if __name__ == "__main__":
    main()

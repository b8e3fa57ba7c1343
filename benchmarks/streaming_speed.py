"""Batches per second, and bytes read for them. Prints the table of docs/results/streaming.md.

A dataset is streamed from its shards, and from one `.npy` file per shape and array, as the
paper's code stores them: there a shape's whole file is read, and random rows of it are taken.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from markdown_table import markdown
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from shapegan.model.streaming.stream import Stream, StreamConfig, StreamError
from shapegan.pipeline.dataset.reader import Dataset

CASES = {
    "voxels 32^3": StreamConfig("voxels", 32, batch=16, split=""),
    "voxels 64^3": StreamConfig("voxels", 64, batch=16, split=""),
    "1,024 points": StreamConfig("points", 1024, batch=32, split=""),
    "2 x 8,192 points": StreamConfig(
        "points", 8192, batch=24, split="", sets=("uniform", "surface")
    ),
    "32,768 points": StreamConfig("points", 32_768, batch=6, split=""),
}
NPY, SHARDS, PINNED = ".npy", "shards", "shards, pinned"
KILO = 1e3


@dataclass(frozen=True)
class ReadMethod:
    """A method to read batches."""

    name: str
    """`NPY`, `SHARDS` or `PINNED`."""
    workers: int


METHODS = [
    ReadMethod(NPY, 0),
    ReadMethod(NPY, 2),
    ReadMethod(SHARDS, 0),
    ReadMethod(SHARDS, 2),
    ReadMethod(PINNED, 0),
]


@dataclass(frozen=True)
class Throughput:
    """Measured throughput of a read method."""

    cold: float
    """Samples a second in the first pass over the shapes, with none of them in the page cache."""
    warm: float
    """Samples a second after the first pass."""
    cpu: float
    """CPU seconds of this process a sample after the first pass; NaN if workers read."""
    read: float
    """Bytes read a sample after the first pass, from disk or page cache; NaN if workers read."""
    disk: float
    """Bytes read a sample from the disk in the first pass; NaN if workers read."""


class Arrays(TorchDataset[tuple[torch.Tensor, ...]]):
    """Dataset of one file per shape and array, read whole."""

    def __init__(self, folder: Path, config: StreamConfig, shapes: int) -> None:
        self._folder, self._config, self._shapes = folder, config, shapes
        self._random = np.random.default_rng(0)

    def __len__(self) -> int:
        return self._shapes

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        folder, config = self._folder / str(index), self._config
        if config.kind == "voxels":
            return (torch.from_numpy(np.load(folder / f"voxels_{config.size}.npy")),)
        arrays = [np.load(folder / f"{name}.npy") for name in config.sets]
        rows = self._random.integers(len(arrays[0]), size=config.size)
        return tuple(torch.from_numpy(array[rows]) for array in arrays)


def export(dataset: Dataset, folder: Path) -> None:
    """Write the arrays of all cases as float32 files."""
    for index in range(len(dataset)):
        (folder / str(index)).mkdir()
        for config in CASES.values():
            if config.kind == "voxels":
                path = folder / str(index) / f"voxels_{config.size}.npy"
                np.save(path, dataset.voxels(index, config.size))
        for name in ("uniform", "surface"):
            positions, sdf = dataset.points(index, name)
            points = np.concatenate([positions, sdf[:, None]], axis=1)
            np.save(folder / str(index) / f"{name}.npy", points)


def array_batches(folder: Path, config: StreamConfig, shapes: int, workers: int) -> Iterator[Any]:
    """Batches from the `.npy` files, pass after pass without end."""
    loader: DataLoader[Any] = DataLoader(
        Arrays(folder, config, shapes),
        config.batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        yield from loader


def bytes_read() -> tuple[int, int]:
    """Bytes that this process has requested to read, and bytes fetched from the disk."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"]), int(lines["read_bytes"])


def drop_from_page_cache(folder: Path) -> None:
    """Drop a folder's files from the page cache."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def measure(
    start: Callable[[], Iterator[Any]], config: StreamConfig, shapes: int, seconds: float, own: bool
) -> Throughput:
    """Measure a first pass, which includes starting and loading, then more batches for a time.

    Args:
        start: returns the batches.
        config: of the batches.
        shapes: number of shapes in the dataset.
        seconds: time after the first pass.
        own: whether this process reads, not workers.
    """
    before, began = bytes_read(), time.perf_counter()
    batches, steps = start(), shapes // config.batch
    for _ in itertools.islice(batches, steps):
        pass
    between, middle, worked = bytes_read(), time.perf_counter(), time.process_time()
    more = 0
    while time.perf_counter() - middle < seconds:
        next(batches)
        more += 1
    after, ended, worked = bytes_read(), time.perf_counter(), time.process_time() - worked
    batches.close()  # type: ignore[attr-defined]
    first, rest = steps * config.batch, more * config.batch
    return Throughput(
        first / (middle - began),
        rest / (ended - middle),
        worked / rest if own else float("nan"),
        (after[0] - between[0]) / rest if own else float("nan"),
        (between[1] - before[1]) / first if own else float("nan"),
    )


def compare(
    data: Path, folder: Path, config: StreamConfig, seconds: float
) -> dict[ReadMethod, Throughput]:
    """Measure all read methods, one after the other."""
    shapes, speeds = len(Dataset(data)), {}
    for method in METHODS:
        drop_from_page_cache(folder if method.name == NPY else data)

        def start(method: ReadMethod = method) -> Iterator[Any]:
            if method.name == NPY:
                return array_batches(folder, config, shapes, method.workers)
            pin = "ram" if method.name == PINNED else "none"
            return Stream(data, config, workers=method.workers, pin=pin).batches()

        speeds[method] = measure(start, config, shapes, seconds, own=not method.workers)
    return speeds


def table(results: dict[str, dict[ReadMethod, Throughput]]) -> str:
    """Markdown table with one row for each read method of each case."""
    rows = []
    for case, speeds in results.items():
        for method, speed in speeds.items():
            plain = speeds[ReadMethod(NPY, 0)]
            rows.append(
                [
                    f"{case}, batch {CASES[case].batch}",
                    method.name,
                    method.workers,
                    speed.cold,
                    speed.cold / plain.cold,
                    speed.warm,
                    speed.warm / plain.warm,
                    speed.cpu * KILO,
                    plain.cpu / speed.cpu,
                    np.round(speed.read) / KILO,  # the counter itself reads a little
                    speed.disk / KILO,
                ]
            )
    return markdown(
        [
            "sample",
            "from",
            "workers",
            "samples/s cold",
            "x .npy",
            "samples/s warm",
            "x .npy",
            "CPU ms a sample",
            "x .npy",
            "KB read a sample",
            "KB off the disk, cold",
        ],
        rows,
    )


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="A dataset with voxels and points.",
)
@click.option(
    "--seconds", default=5.0, show_default=True, help="Time of each method after its first pass."
)
@click.option("--only", default="", help="Beginnings of cases' names, split by semicolons.")
def main(data: Path, seconds: float, only: str) -> None:
    """Measure all cases and print the table."""
    torch.set_num_threads(1)
    wanted = tuple(only.split(";"))
    try:
        for config in CASES.values():
            Stream(data, config, pin="none")
    except StreamError as error:
        raise click.UsageError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="shapegan-stream-") as folder:
        export(Dataset(data), Path(folder))
        results = {
            name: compare(data, Path(folder), config, seconds)
            for name, config in CASES.items()
            if name.startswith(wanted)
        }
    print(f"{len(Dataset(data))} shapes\n\n{table(results)}")


if __name__ == "__main__":
    main()

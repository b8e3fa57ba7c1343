"""Whole commands on a GPU: preprocess, generate, evaluate and reconstruct, for `gpu.py`.

Each command is a process of its own, whose seconds include its start. Before its first row, it runs
once at a small size, so that no row pays for the compilation of kernels.
"""

import csv
import json
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from row_log import Rows

Row = dict[str, Any]

_SERVICE = "nvidia-cuda-mps-control"
"""Command that starts and ends NVIDIA's Multi-Process Service."""


@dataclass(frozen=True)
class CommandSettings:
    """Inputs and sizes of the commands; a command whose input is None is left out."""

    device: str
    data: Path | None
    """Dataset to evaluate with and to reconstruct."""
    meshes: Path | None
    """Folder to preprocess."""
    preprocess_flags: str
    workers: int
    """Worker processes of preprocess."""
    run: Path | None
    """Generator to generate with and to evaluate."""
    count: int
    """Meshes to generate."""
    resolution: int
    autodecoder: Path | None
    """Run to reconstruct with."""
    split: str
    batches: str
    """Batches of reconstruct, separated by commas."""
    fit_steps: int
    """Steps of reconstruct."""


@dataclass(frozen=True)
class Cost:
    """Seconds of a process and its children: of the wall, and of all cores together."""

    wall: float
    cpu: float


class CommandError(Exception):
    """The command failed; the message is its last line."""


def measure_commands(rows: Rows, settings: CommandSettings) -> None:
    """Rows of all commands whose input is given."""
    if settings.run is not None:
        add_rows(rows, "generate", generate_rows(settings, settings.run))
    if settings.data is not None and settings.autodecoder is not None:
        for batch in map(int, settings.batches.split(",")):
            found = reconstruct_rows(settings, settings.data, settings.autodecoder, batch)
            add_rows(rows, "reconstruct", found)
    if settings.data is not None and settings.run is not None:
        add_rows(rows, "evaluate", evaluate_rows(settings, settings.data, settings.run))
    if settings.meshes is not None:
        for device in dict.fromkeys(["cpu", settings.device]):
            add_rows(rows, "preprocess", preprocess_rows(settings, settings.meshes, device))
        if settings.device != "cpu" and shutil.which(_SERVICE):
            add_rows(rows, "preprocess", served_rows(settings, settings.meshes))


def add_rows(rows: Rows, table: str, found: Iterator[Row]) -> None:
    """Add rows as they are measured; a command that fails ends them with a row of its own."""
    try:
        for row in found:
            rows.add(table, row)
    except CommandError as error:
        rows.add("failed", {"command": table, "reason": str(error)})


def run_command(*words: object) -> Cost:
    """Run `shapegan` in a process of its own.

    Raises:
        CommandError: it failed.
    """
    start, before = time.perf_counter(), _children_seconds()
    command = [sys.executable, "-m", "shapegan.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    cost = Cost(time.perf_counter() - start, _children_seconds() - before)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise CommandError(" ".join([f"exit code {done.returncode}:", *last]))
    return cost


def _children_seconds() -> float:
    """CPU seconds of all descendants that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def preprocess_rows(settings: CommandSettings, meshes: Path, device: str) -> Iterator[Row]:
    """Row of `preprocess` with all workers; with a GPU, they share it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = [*shlex.split(settings.preprocess_flags), "--device", device]
        run_command("preprocess", meshes, "--out", folder / "one", "--limit", 1, *flags)
        flags += ["--workers", str(settings.workers)]
        cost = run_command("preprocess", meshes, "--out", folder / "all", *flags)
        with (folder / "all/meshes.csv").open() as file:
            statuses = [row["status"] for row in csv.DictReader(file)]
        yield {
            "device": device,
            "workers": settings.workers,
            "meshes": len(statuses),
            "ok": statuses.count("ok"),
            "s": cost.wall,
            "meshes/s": len(statuses) / cost.wall,
            "CPU s a mesh": cost.cpu / len(statuses),
        }


def served_rows(settings: CommandSettings, meshes: Path) -> Iterator[Row]:
    """The row of `preprocess_rows` on the GPU with NVIDIA's Multi-Process Service.

    With it, kernels of several processes run at once; without it, they take turns.
    """
    started = subprocess.run([_SERVICE, "-d"], capture_output=True, text=True, check=False)
    if started.returncode:
        raise CommandError(f"{_SERVICE}: {' '.join((started.stdout + started.stderr).split())}")
    try:
        for row in preprocess_rows(settings, meshes, settings.device):
            yield row | {"device": f"{settings.device}, MPS"}
    finally:
        subprocess.run([_SERVICE], input="quit\n", capture_output=True, text=True, check=False)


def generate_rows(settings: CommandSettings, run: Path) -> Iterator[Row]:
    """Row of `generate`: many meshes, and the picture of the first 64."""
    with tempfile.TemporaryDirectory() as name:
        folder, command = Path(name), ["generate", str(run), "--device", settings.device]
        command += ["--resolution", str(settings.resolution)]
        run_command(*command, "--out", folder / "one", "--count", 1)
        cost = run_command(*command, "--out", folder / "all", "--count", settings.count)
        yield {
            "device": settings.device,
            "grid": f"{settings.resolution}^3",
            "shapes": settings.count,
            "meshes": len(list((folder / "all").glob("*.obj"))),
            "s": cost.wall,
            "shapes/s": settings.count / cost.wall,
            "CPU s a shape": cost.cpu / settings.count,
        }


def evaluate_rows(settings: CommandSettings, data: Path, run: Path) -> Iterator[Row]:
    """Rows of `evaluate`, as many generated shapes as real ones, without and with the EMD."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = ["--data", str(data), "--split", settings.split, "--levels", ""]
        flags += ["--device", settings.device]
        run_command("evaluate", run, *flags, "--count", 2, "--emd-points", 0)
        for points in (0, 256):
            out = folder / str(points)
            cost = run_command("evaluate", run, *flags, "--emd-points", points, "--out", out)
            shapes = json.loads((out / "evaluation.json").read_text())["real_shapes"]
            yield {
                "device": settings.device,
                "shapes": f"{shapes} x {shapes}",
                "EMD points": points,
                "s": cost.wall,
                "CPU s": cost.cpu,
            }


def reconstruct_rows(
    settings: CommandSettings, data: Path, autodecoder: Path, batch: int
) -> Iterator[Row]:
    """Row of `reconstruct`: all shapes of a split, so many at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder, flags = Path(name), ["--run", str(autodecoder), "--split", settings.split]
        flags += ["--batch", str(batch), "--resolution", str(settings.resolution)]
        flags += ["--device", settings.device]
        run_command("reconstruct", data, *flags, "--steps", 1, "--out", folder / "one")
        steps, out = settings.fit_steps, folder / "all"
        cost = run_command("reconstruct", data, *flags, "--steps", steps, "--out", out)
        shapes = len(json.loads((out / "reconstructions.json").read_text())["shapes"])
        yield {
            "device": settings.device,
            "batch": batch,
            "steps": steps,
            "shapes": shapes,
            "s": cost.wall,
            "shapes/s": shapes / cost.wall,
        }

"""A quick stand-in for `shapegan.pipeline.run.process_mesh.process`.

A "mesh" is a text file whose first word is what its process does.
"""

import ctypes
import dataclasses
import os
import signal
import subprocess
import time
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig, WatertightConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.shards import oriented_sets, point_counts, point_sets
from shapegan.pipeline.dataset.surfaces import (
    MESH_FOLDER,
    SurfaceOutcome,
    SurfaceReport,
    surface_path,
)
from shapegan.pipeline.schema import Job, MeshReport, OrientedPoints, Outcome, Points, Shape

SMALL = PreprocessConfig(resolutions=(4, 8), points=100, shard_size=3)
TARGET = "support.fakes:process"


def python_path() -> str:
    """PYTHONPATH with which child processes find these fakes, and the same shapegan."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.pathsep.join(filter(None, paths))


def make_shape(name: str, config: PreprocessConfig, category: str = "chairs") -> Shape:
    """A shape of random numbers that depend on its name alone."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))

    def positions(count: int) -> NDArray[np.int16]:
        return generator.integers(-32767, 32768, (count, 3), dtype=np.int16)

    def points(count: int) -> Points:
        return Points(positions(count), generator.normal(size=count).astype(np.float16))

    counts = point_counts(config)

    return Shape(
        id=name,
        category=category,
        voxels={r: generator.normal(size=(r, r, r)).astype(np.float16) for r in config.resolutions},
        points={name: points(counts[name]) for name in point_sets(config)},
        center=generator.normal(size=3),
        scale_cube=float(generator.uniform(0.1, 9)),
        scale_sphere=float(generator.uniform(0.1, 9)),
        oriented={
            name: OrientedPoints(positions(counts[name]), positions(counts[name]), counts[name] - 1)
            for name in oriented_sets(config)
        },
    )


def process(job: Job, config: PreprocessConfig, device: str = "cpu") -> Outcome:
    """Do what the mesh's file says."""
    what, *rest = job.path.read_text().split()
    report = MeshReport(job.id, job.category, job.relative, "ok", split=job.split, seconds=0.1)
    if what == "reject":
        return Outcome(MeshReport(job.id, job.category, job.relative, "rejected", "looks bad"))
    if what != "ok":
        _BEHAVIOURS[what](*rest)
    return Outcome(report, make_shape(job.id, config, job.category))


DEVICE_TARGET = "support.fakes:note_device"


def note_device(job: Job, config: PreprocessConfig, device: str = "cpu") -> Outcome:
    """Do what the mesh's file says, and note the device in the report."""
    outcome = process(job, config, device)
    return dataclasses.replace(outcome, report=dataclasses.replace(outcome.report, notes=device))


SURFACE_TARGET = "support.fakes:process_surface"


def process_surface(job: Job, config: WatertightConfig, device: str = "cpu") -> SurfaceOutcome:
    """Do what the mesh's file says; the surface is 20 kB of random bytes that its id decides."""
    what, *rest = job.path.read_text().split()
    report = SurfaceReport(job.id, job.category, job.relative, "rejected", "looks bad")
    if what == "reject":
        return SurfaceOutcome(report)
    if what != "ok":
        _BEHAVIOURS[what](*rest)
    content = np.random.default_rng(zlib.crc32(job.id.encode())).bytes(20_000)
    file = surface_path(job, config)
    report = dataclasses.replace(report, status="ok", reason="", file=file, bytes=len(content))
    return SurfaceOutcome(report, content)


def surface_digests(out: Path) -> dict[str, str]:
    """Name -> SHA-256 of the surfaces in a folder of `shapegan watertight`."""
    from shapegan.pipeline.files import sha256

    paths = sorted((out / MESH_FOLDER).rglob("*.*"))
    return {str(path.relative_to(out / MESH_FOLDER)): sha256(path) for path in paths}


def _sleep(seconds: str) -> None:
    time.sleep(float(seconds))


def _hang() -> None:
    """Hang without releasing the interpreter's lock, as native code may."""
    ctypes.PyDLL(None).sleep(1000)


def _hog() -> None:
    """Allocate and touch 100 MB after 100 MB, until killed."""
    taken = []
    while sum(len(block) for block in taken) < 50e9:
        taken.append(bytearray(os.urandom(1)) * 100_000_000)


def _run_out_of_memory() -> None:
    raise MemoryError


def _lose_the_gpu() -> None:
    raise RuntimeError("Warp copy error: Warp CUDA error 700: an illegal memory access\n  of it")


def _fill_the_gpu() -> None:
    raise RuntimeError("Failed to allocate 123 bytes on device 'cuda:0'")


def _spawn(note: str) -> None:
    """Start a process, write its id to a file, and hang."""
    process = subprocess.Popen(["sleep", "1000"])
    Path(note).write_text(str(process.pid))
    time.sleep(1000)


def _die(name: str, once: str = "") -> None:
    """Die of a signal; given a file's path, only if the file does not exist yet."""
    if once and Path(once).exists():
        return
    if once:
        Path(once).touch()
    os.kill(os.getpid(), signal.Signals[name])
    time.sleep(10)


def _segfault() -> None:
    ctypes.string_at(0)


def _leave() -> None:
    os._exit(3)


def _raise() -> None:
    raise ZeroDivisionError("of the\nmesh")


_BEHAVIOURS = {
    "sleep": _sleep,
    "hang": _hang,
    "hog": _hog,
    "more": _run_out_of_memory,
    "lose": _lose_the_gpu,
    "fill": _fill_the_gpu,
    "spawn": _spawn,
    "die": _die,
    "segfault": _segfault,
    "leave": _leave,
    "raise": _raise,
}


def make_jobs(folder: Path, behaviours: list[str]) -> list[Job]:
    """Write a mesh file for each behaviour; return their jobs."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for number, behaviour in enumerate(behaviours):
        name = f"mesh{number:03d}"
        path = folder / f"{name}.obj"
        path.write_text(behaviour)
        jobs.append(Job(name, "chairs", path, path.name, ("train", "val")[number % 2]))
    return jobs


def digests(out: Path) -> dict[str, str]:
    """Name -> SHA-256 of a dataset's shards."""
    from shapegan.pipeline.files import sha256

    return {path.name: sha256(path) for path in sorted((out / schema.SHARD_FOLDER).glob("*.h5"))}


def first_value(dataset: Dataset, index: int) -> tuple[int, float]:
    """Process id of the reader, and the first value of a grid; for other processes to call."""
    return os.getpid(), float(dataset.voxels(index, 4)[0, 0, 0])


def make_dataset(folder: Path, behaviours: list[str], config: PreprocessConfig = SMALL) -> Path:
    """Preprocess fake meshes in this process, without `shapegan.pipeline.run.dask_pool`."""
    return dataset_of(make_jobs(folder / "meshes", behaviours), folder, config)


def dataset_of(jobs: list[Job], folder: Path, config: PreprocessConfig = SMALL) -> Path:
    """Preprocess existing fake meshes below `folder / "meshes"`."""
    from shapegan.pipeline.dataset.output import open_output, publish
    from shapegan.pipeline.dataset.staging import finish_shard, write_staged

    out = folder / "dataset"
    with open_output(out, folder / "meshes", jobs, config) as manifest:
        for number, job in enumerate(jobs):
            write_staged(out, number, process(job, config), config)
        for index in range(manifest.shard_count):
            finish_shard(out, index, manifest.shard_jobs(index), config)
        publish(out, manifest)
    return out

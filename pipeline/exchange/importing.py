"""The driver of an import: files of another project become a dataset.

It makes the dataset as `shapegan preprocess` does: each shape is staged, a shard is joined when all
its shapes are there, and the same call resumes. A file that cannot be read costs its shape only.
"""

import contextlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline import schema
from shapegan.pipeline.arrays import largest
from shapegan.pipeline.config import ImportConfig
from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.dataset.output import open_dataset_folder, publish
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.dataset.resumable import fingerprint
from shapegan.pipeline.dataset.staging import (
    STAGING_FOLDER,
    finish_shard,
    read_record,
    read_staged_report,
    write_staged,
)
from shapegan.pipeline.exchange.deepsdf import DeepSdfImport
from shapegan.pipeline.exchange.export import Progress, no_progress
from shapegan.pipeline.exchange.kinds import IMPORTS
from shapegan.pipeline.exchange.names import ExchangeError, TableRow, read_shapes_table
from shapegan.pipeline.exchange.occnet import OccNetImport
from shapegan.pipeline.exchange.original_shapegan import OriginalShapeganImport
from shapegan.pipeline.exchange.sources import Found, ImportFormat, RawShape
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.inputs.folders import MeshFile, as_text
from shapegan.pipeline.inputs.splits import read_splits
from shapegan.pipeline.schema import Job, MeshReport, Outcome, Points, Shape
from shapegan.pipeline.sdf.sampling import random_generator

_QUANTILE = 0.1
"""Share of shapes that may have fewer points than a set has by default."""
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""Errors that numpy raises for files that are damaged or hold something else."""


@dataclass(frozen=True)
class ImportSettings:
    """Settings of an import."""

    source: str
    """One of `shapegan.pipeline.exchange.kinds.IMPORTS`."""
    points: int | None = None
    """Points of each set; None: as many as 9 of 10 shapes have."""
    radius: float | None = None
    """Distance of the farthest vertex from the origin in the files; None: that of the format."""
    splits: Sequence[str] = ()
    """Files or fractions, as for `preprocess --splits`; empty: lists of the source."""
    shard_size: int = 64
    seed: int = 0
    """Seed of the order of the points."""


@dataclass
class _Plan:
    """An import that is ready to start."""

    reader: ImportFormat
    config: ImportConfig
    jobs: list[Job]
    found: dict[str, Found]
    """Id -> shape in the source."""
    table: dict[str, TableRow]
    """Id -> row of `shapes.csv`."""
    notes: list[str] = field(default_factory=list)


def import_dataset(
    folder: Path | str,
    out: Path | str,
    settings: ImportSettings,
    progress: Progress = no_progress,
) -> tuple[Manifest, list[Rejections], list[str]]:
    """Make a dataset of files of another project, or resume that.

    Args:
        folder: The files.
        out: Folder of the new dataset.
        settings: Format and choices.
        progress: Called with the shapes that are done and their number.

    Returns:
        The manifest, why shapes are missing, and notes for the user.

    Raises:
        ExchangeError: the folder does not hold the format, or two shapes have one id.
        DiscoverError: `splits` do not fit.
        ConfigError: a setting cannot be used.
        OutputError: the output folder holds another dataset, or cannot be written.
        DatasetError: it holds something else.
    """
    folder, out = Path(folder), Path(out)
    plan = _plan(folder, settings)
    jobs, config = plan.jobs, plan.config
    wanted = Manifest(config, str(folder.resolve()), len(jobs), fingerprint(jobs))
    choices = "SOURCE and --splits"
    with open_dataset_folder(out, wanted, jobs, choices) as manifest:
        try:
            for index in range(manifest.shard_count):
                _make_shard(plan, out, index, manifest.shard_jobs(index), progress)
        except BaseException:
            with contextlib.suppress(OutputError):  # the first error is the one to report
                publish(out, manifest)
            raise
        with contextlib.suppress(OSError):
            (out / STAGING_FOLDER).rmdir()
        return *publish(out, manifest), plan.notes


def _make_shard(plan: _Plan, out: Path, index: int, numbers: range, progress: Progress) -> None:
    if read_record(out, index, numbers) is None:
        for number in numbers:
            if read_staged_report(out, number) is None:
                write_staged(out, number, _outcome(plan, plan.jobs[number]), plan.config)
            progress(number + 1, len(plan.jobs))
        finish_shard(out, index, numbers, plan.config)
    progress(numbers.stop, len(plan.jobs))


# --- planning ------------------------------------------------------------------------------------


def _reader(folder: Path, settings: ImportSettings) -> ImportFormat:
    radius = settings.radius
    if settings.source not in IMPORTS:
        raise ExchangeError(f"source: got {settings.source!r}, takes one of {', '.join(IMPORTS)}")
    if settings.source == "deepsdf":
        return DeepSdfImport(folder) if radius is None else DeepSdfImport(folder, radius)
    if settings.source == "shapegan":
        if radius is None:
            return OriginalShapeganImport(folder)
        return OriginalShapeganImport(folder, radius)
    if radius is not None:
        raise ExchangeError("--radius has no effect with --from occnet: its files state the size")
    return OccNetImport(folder)


def _plan(folder: Path, settings: ImportSettings) -> _Plan:
    reader = _reader(folder, settings)
    rows = read_shapes_table(folder)
    found: dict[str, Found] = {}
    table: dict[str, TableRow] = {}
    for one in sorted(reader.find(), key=lambda one: one.name):
        row = rows.get(one.name)
        id_ = as_text(one.id) if row is None else row.id
        if id_ in found:
            raise ExchangeError(f"{id_!r} is the id of {found[id_].path} and of {one.path}")
        found[id_] = one
        if row is not None:
            table[id_] = row
    jobs, notes = _jobs(folder, reader, found, table, settings.splits)
    points = _points(reader, found, settings.points) if reader.sets else 0
    config = ImportConfig(
        resolutions=reader.resolutions,
        points=points,
        thin_parts="true",
        shard_size=settings.shard_size,
        seed=settings.seed,
        imported=settings.source,
        sets=reader.sets,
    )
    return _Plan(reader, config, jobs, found, table, notes)


def _jobs(
    folder: Path,
    reader: ImportFormat,
    found: dict[str, Found],
    table: dict[str, TableRow],
    splits: Sequence[str],
) -> tuple[list[Job], list[str]]:
    """A job for each shape, by id, and notes on splits."""
    files = []
    for id_, one in sorted(found.items()):
        category = table[id_].category if id_ in table else as_text(one.category)
        files.append(MeshFile(id_, one.path.relative_to(folder).as_posix(), category))
    notes: list[str] = []
    if splitter := read_splits(splits):
        assigned, notes = splitter.assign(files)
    else:
        listed = {} if table else reader.splits()
        split_of = {
            id_: table[id_].split if id_ in table else listed.get(one.name, "")
            for id_, one in found.items()
        }
        assigned = [(file, split_of[file.id]) for file in files]
    jobs = [
        Job(file.id, file.category, folder / file.relative, file.relative, split)
        for file, split in assigned
    ]
    return jobs, notes


def _points(reader: ImportFormat, found: dict[str, Found], wanted: int | None) -> int:
    """Points of each set, from the headers of the files."""
    if wanted is not None:
        return wanted
    counts = []
    for one in found.values():
        with contextlib.suppress(ExchangeError):  # its shape will be reported as failed
            counts.append(reader.rows(one))
    counts = [count for count in counts if count > 0]
    if not counts:
        first = next(iter(found.values()))
        raise ExchangeError(f"no file has points, such as {first.path}")
    return int(np.quantile(counts, _QUANTILE, method="lower"))


# --- one shape -----------------------------------------------------------------------------------


def _outcome(plan: _Plan, job: Job) -> Outcome:
    """Read a shape, or report why it cannot be read."""
    report = MeshReport(job.id, job.category, job.relative, "ok", split=job.split)
    frame = plan.table[job.id].frame if job.id in plan.table else None
    try:
        raw = plan.reader.read(plan.found[job.id], frame)
        shape, notes = encode(raw, job, plan.config)
    except _DAMAGE as error:
        text = error if isinstance(error, ExchangeError) else f"cannot be read: {error!r}"
        reason = " ".join(str(text).split())
        return Outcome(replace(report, status="failed", reason=reason, split=""))
    return Outcome(replace(report, notes="; ".join(notes)), shape)


def encode(raw: RawShape, job: Job, config: ImportConfig) -> tuple[Shape, list[str]]:
    """A shape as a shard holds it, and notes for its report.

    Rows are chosen at random, in random order; paired sets keep their pairs. Rows that hold NaN or
    infinity, or a position outside the range of the sphere frame, are left out, and others repeat
    if too few are left.

    Raises:
        ExchangeError: a set has no row that can be stored, or a grid holds NaN.
    """
    notes = list(raw.notes)
    for resolution, grid in raw.voxels.items():
        if not np.isfinite(grid).all():
            raise ExchangeError(f"the voxels of {resolution}^3 hold NaN or infinity")
    points: dict[str, Points] = {}
    chosen: dict[int, NDArray[np.intp]] = {}
    for name, rows in raw.points.items():
        if len(rows) not in chosen:
            same = [other for other in raw.points.values() if len(other) == len(rows)]
            rng = random_generator(config.seed, job.id)
            chosen[len(rows)], repeated = _choose(same, config.points, rng)
            notes += [f"{repeated:,} of {config.points:,} points repeat"] if repeated else []
        rows = rows[chosen[len(rows)]]
        points[name] = Points(schema.encode_positions(rows[:, :3]), rows[:, 3].astype(np.float16))
    voxels = {r: grid.astype(np.float16) for r, grid in raw.voxels.items()}
    frame = raw.frame
    scales = (frame.center, frame.scale_cube, frame.scale_sphere)
    return Shape(job.id, job.category, voxels, points, *scales), notes


def _choose(
    sets: Sequence[NDArray[np.float32]], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    """Rows to store of paired sets, and how many of them repeat others."""
    usable = np.ones(len(sets[0]), bool)
    for rows in sets:
        usable &= np.isfinite(rows).all(axis=1)
        usable &= largest(np.abs(rows[:, :3])) <= 1
    order = rng.permutation(np.flatnonzero(usable))
    if len(order) == 0:
        raise ExchangeError("no point has a finite distance and lies in the range of the frame")
    return np.resize(order, count), max(0, count - len(order))

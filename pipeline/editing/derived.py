"""Datasets made of shards of other datasets: shards that stay whole are linked or copied.

Such a dataset is made like any other: its manifest exists from the start, a record is written
beside each shard once the shard is whole, and the manifest lists the shards at the end. So the same
call resumes it.
"""

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import DatasetError, Manifest, ShardEntry, require_complete
from shapegan.pipeline.dataset.open_shards import check_size
from shapegan.pipeline.dataset.output import open_dataset_folder, publish
from shapegan.pipeline.dataset.reports import read_reports, with_splits
from shapegan.pipeline.dataset.resumable import fingerprint
from shapegan.pipeline.dataset.shards import join_rows
from shapegan.pipeline.dataset.staging import (
    STAGING_FOLDER,
    number_rows,
    read_record,
    write_record,
)
from shapegan.pipeline.files import OutputError, replacing, sha256
from shapegan.pipeline.schema import Job, MeshReport

Progress = Callable[[int, int], None]
"""Callback with the shards that are whole and their total number."""


def no_progress(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class SourceShard:
    """A shard of a complete dataset, and the rows of `meshes.csv` that belong to it."""

    folder: Path
    """Folder of its dataset."""
    entry: ShardEntry
    reports: tuple[MeshReport, ...]

    @property
    def path(self) -> Path:
        """The shard's file; there is none if the shard holds no shape."""
        return self.folder / str(self.entry.file)

    def verify(self) -> None:
        """Compare the file's size and SHA-256 with the manifest's.

        Raises:
            DatasetError: they differ.
        """
        check_size(self.path, self.entry.bytes)
        check_digest(self.path, self.path, self.entry.sha256)


@dataclass(frozen=True)
class Piece:
    """Rows of a shard that become rows of a new one."""

    shard: SourceShard
    rows: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """True if these are all rows of the shard."""
        return self.rows == tuple(range(self.shard.entry.shapes))


@dataclass(frozen=True)
class NewShard:
    """A shard to make."""

    pieces: tuple[Piece, ...]
    reports: tuple[MeshReport, ...]
    """Rows of `meshes.csv`, in the order of the pieces."""

    @property
    def shapes(self) -> int:
        """Number of its shapes."""
        return sum(len(piece.rows) for piece in self.pieces)


def read_shards(folder: Path) -> tuple[Manifest, list[SourceShard]]:
    """Read the manifest and the shards of a complete dataset; no shard's file is opened.

    Raises:
        DatasetError: there is no complete dataset, or its files contradict each other.
    """
    manifest = require_complete(folder)
    path = folder / schema.REPORT_NAME
    reports = with_splits(read_reports(path), manifest.splits)
    if len(reports) != manifest.meshes:
        raise DatasetError(
            f"{path} has {len(reports):,} rows, {schema.MANIFEST_NAME} has {manifest.meshes:,}"
            " meshes: run the command that made the dataset again"
        )
    shards = []
    for entry in manifest.shards:
        jobs = manifest.shard_jobs(entry.index)
        shards.append(SourceShard(folder, entry, tuple(reports[jobs.start : jobs.stop])))
    return manifest, shards


def write_derived(
    out: Path,
    like: Manifest,
    root: str,
    shards: Sequence[NewShard],
    choices: str,
    *,
    copy: bool,
    progress: Progress,
) -> Manifest:
    """Make a dataset of parts of others, or resume it.

    Args:
        out: Its folder.
        like: Manifest of a dataset whose configuration and version of shapegan it has.
        root: Folder of the meshes, to which the paths of the reports are relative.
        shards: Its shards.
        choices: Arguments of the command that select the shapes, for messages.
        copy: Copy shards that stay whole; False links them where the file system can.
        progress: Called after each shard.

    Raises:
        OutputError: the folder holds another dataset, or cannot be written.
        DatasetError: the folder holds something else, or a shard does not have its SHA-256.
    """
    reports = [report for shard in shards for report in shard.reports]
    jobs = [Job(r.id, r.category, Path(root, r.path), r.path, r.split) for r in reports]
    sizes, digest = tuple(len(shard.reports) for shard in shards), _fingerprint(shards, jobs)
    version = like.code_version
    wanted = Manifest(
        like.config, root, len(jobs), digest, shard_meshes=sizes, code_version=version
    )
    with open_dataset_folder(out, wanted, jobs, choices) as manifest:
        for index, shard in enumerate(shards):
            if read_record(out, index, manifest.shard_jobs(index)) is None:
                _make(out, index, shard, like.config, copy=copy)
            progress(index + 1, len(shards))
        with contextlib.suppress(OSError):
            (out / STAGING_FOLDER).rmdir()
        return publish(out, manifest)[0]


def _make(out: Path, index: int, shard: NewShard, config: PreprocessConfig, *, copy: bool) -> None:
    """Write a shard and its record."""
    path, digest = out / schema.shard_name(index), ""
    if len(shard.pieces) == 1 and shard.pieces[0].whole:
        source = shard.pieces[0].shard
        check_size(source.path, source.entry.bytes)
        digest = source.entry.sha256
        _place(source.path, path, digest, copy=copy)
    elif shard.pieces:
        for piece in shard.pieces:
            piece.shard.verify()
        accepted = [report for report in shard.reports if report.status == "ok"]
        join_rows(path, [(one.shard.path, one.rows) for one in shard.pieces], accepted, config)
    write_record(out, index, shard.shapes, number_rows(shard.reports, index), digest)


def _place(source: Path, target: Path, digest: str, *, copy: bool) -> None:
    """Link or copy a shard, and compare the SHA-256 of the result."""
    with replacing(target) as temporary:
        if copy or not _link(source, temporary):
            shutil.copyfile(source, temporary)
        check_digest(source, temporary, digest)


def _link(source: Path, target: Path) -> bool:
    """Make a hard link; False where the file system cannot, as between two disks."""
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        return False
    return True


def check_digest(name: Path, path: Path, digest: str) -> None:
    """Compare a file's SHA-256 with the manifest's.

    Raises:
        DatasetError: they differ; the message calls the file `name`.
    """
    if (found := sha256(path)) != digest:
        raise DatasetError(
            f"{name} has changed: its sha256 is {found}, the manifest's {digest}; make that"
            " dataset again"
        )


def check_output(out: Path, inputs: Sequence[Path]) -> None:
    """Refuse an output folder that is one of the inputs.

    Raises:
        OutputError: it is.
    """
    for folder in inputs:
        if out.resolve() == folder.resolve():
            raise OutputError(f"--out {out} is one of the inputs: choose another folder")


def _fingerprint(shards: Sequence[NewShard], jobs: Sequence[Job]) -> str:
    """SHA-256 of the content: the meshes, and the shards and rows that the shapes come from."""
    pieces = [[(p.shard.entry.sha256, p.rows) for p in shard.pieces] for shard in shards]
    return hashlib.sha256(f"{fingerprint(jobs)} {json.dumps(pieces)}".encode()).hexdigest()


def rebase(report: MeshReport, before: Path, now: Path) -> MeshReport:
    """A report with its path relative to another folder of meshes, above the first one."""
    if before == now:
        return report
    return dataclasses.replace(report, path=(before / report.path).relative_to(now).as_posix())

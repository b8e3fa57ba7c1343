"""Several datasets, such as one per category, become one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shapegan.pipeline.dataset.manifest import Manifest
from shapegan.pipeline.editing.derived import (
    NewShard,
    Piece,
    Progress,
    SourceShard,
    check_output,
    no_progress,
    read_shards,
    rebase,
    write_derived,
)
from shapegan.pipeline.errors import PlainError


class MergeError(PlainError, ValueError):
    """Datasets that do not fit together; the message is one line that names the difference."""


@dataclass(frozen=True)
class _Source:
    folder: Path
    manifest: Manifest
    shards: list[SourceShard]

    @property
    def root(self) -> Path:
        """The folder of its meshes."""
        return Path(self.manifest.input).absolute()


def merge_datasets(
    inputs: Sequence[Path | str],
    out: Path | str,
    *,
    copy: bool = False,
    progress: Progress = no_progress,
) -> Manifest:
    """Merge datasets of equal settings into one, or resume that.

    Shards are hard links, or copies, and keep their bytes; shapes keep their ids and splits.

    Args:
        inputs: Folders of complete datasets.
        out: Folder of the new dataset.
        copy: Copy the shards even where they can be linked.
        progress: Called with the shards that are whole and their number.

    Returns:
        The new manifest.

    Raises:
        MergeError: the settings differ, or a mesh is in two inputs.
        DatasetError: an input is not a complete dataset, or a shard does not have its SHA-256.
        OutputError: the output folder holds another dataset, or cannot be written.
    """
    folders, out = [Path(folder) for folder in inputs], Path(out)
    check_output(out, folders)
    sources = [_Source(folder, *read_shards(folder)) for folder in folders]
    for source in sources[1:]:
        _check_same_settings(sources[0], source)
    _check_unique(sources)
    root = _common_root([source.root for source in sources])
    shards = [_rebased(shard, source.root, root) for source in sources for shard in source.shards]
    return write_derived(
        out, sources[0].manifest, str(root), shards, "the inputs", copy=copy, progress=progress
    )


def _rebased(shard: SourceShard, before: Path, root: Path) -> NewShard:
    rows = tuple(range(shard.entry.shapes))
    pieces = (Piece(shard, rows),) if rows else ()
    return NewShard(pieces, tuple(rebase(report, before, root) for report in shard.reports))


def _check_same_settings(first: _Source, other: _Source) -> None:
    """Compare settings that decide the content; shards may differ in their number of meshes."""
    config = replace(other.manifest.config, shard_size=first.manifest.config.shard_size)
    found = first.manifest.config.difference(config)
    if first.manifest.code_version != other.manifest.code_version:
        versions = f"{first.manifest.code_version} -> {other.manifest.code_version}"
        found.append(f"shapegan's version: {versions}")
    if found:
        raise MergeError(
            f"{first.folder} and {other.folder} were made with other settings"
            f" ({'; '.join(found)}): preprocess one of them again"
        )


def _check_unique(sources: Sequence[_Source]) -> None:
    owner: dict[str, Path] = {}
    doubled: list[tuple[str, Path]] = []
    for source in sources:
        for report in (report for shard in source.shards for report in shard.reports):
            if report.id in owner:
                doubled.append((report.id, source.folder))
            owner.setdefault(report.id, source.folder)
    if doubled:
        id_, folder = doubled[0]
        more = f", and {len(doubled) - 1:,} more" if len(doubled) > 1 else ""
        raise MergeError(
            f"mesh {id_!r} is in {owner[id_]} and in {folder}{more}: leave one of them out with"
            " `shapegan subset`"
        )


def _common_root(roots: Sequence[Path]) -> Path:
    """The folder of meshes, or the deepest one above those of all inputs."""
    return Path(os.path.commonpath(roots))

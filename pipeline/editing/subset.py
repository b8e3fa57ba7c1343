"""A part of a dataset becomes a dataset of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    write_derived,
)
from shapegan.pipeline.editing.split import as_mesh_files
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.inputs.discover import best_category
from shapegan.pipeline.inputs.split_files import read_split_file
from shapegan.pipeline.inputs.splits import ListedSplits
from shapegan.pipeline.schema import MeshReport


class SubsetError(PlainError, ValueError):
    """A selection without shapes; the message is one line."""


@dataclass(frozen=True)
class Selection:
    """Conditions for a shape; it has to fulfil all that are given."""

    categories: Sequence[str] = ()
    """Synset ids, their names, or folders."""
    splits: Sequence[str] = ()
    """Names of splits."""
    ids: Sequence[Path | str] = ()
    """Files that list ids, in the formats of `preprocess --splits`; their splits do not count."""


@dataclass
class _Packer:
    """Joins parts of consecutive shards into shards of up to `size` shapes."""

    size: int
    made: list[NewShard] = field(default_factory=list)
    _pieces: list[Piece] = field(default_factory=list)
    _reports: list[MeshReport] = field(default_factory=list)

    def add(self, shard: SourceShard, kept: Sequence[MeshReport]) -> None:
        """Add the kept reports of a shard."""
        if not kept:
            return
        rows = tuple(int(report.row or 0) for report in kept if report.status == "ok")
        piece = Piece(shard, rows)
        if rows and piece.whole:
            self.flush()
            self.made.append(NewShard((piece,), tuple(kept)))
            return
        if sum(len(one.rows) for one in self._pieces) + len(rows) > self.size:
            self.flush()
        self._pieces += [piece] if rows else []
        self._reports += kept

    def flush(self) -> None:
        """End the shard that is being packed."""
        if self._reports:
            self.made.append(NewShard(tuple(self._pieces), tuple(self._reports)))
        self._pieces, self._reports = [], []


def subset_dataset(
    dataset: Path | str,
    out: Path | str,
    selection: Selection,
    *,
    copy: bool = False,
    progress: Progress = no_progress,
) -> tuple[Manifest, list[str]]:
    """Make a dataset of the selected shapes, or resume that.

    Shards of which every shape is selected are hard links, or copies, and keep their bytes. Parts
    of the others are joined into new shards, in the same order.

    Args:
        dataset: Folder of a complete dataset.
        out: Folder of the new one.
        selection: The shapes.
        copy: Copy whole shards even where they can be linked.
        progress: Called with the shards that are whole and their number.

    Returns:
        The new manifest, and notes for the user.

    Raises:
        SubsetError: no shape is selected.
        DiscoverError: a category or a file of ids does not fit the dataset.
        DatasetError: there is no complete dataset, or a shard does not have its SHA-256.
        OutputError: the output folder holds another dataset, or cannot be written.
    """
    dataset, out = Path(dataset), Path(out)
    check_output(out, [dataset])
    manifest, shards = read_shards(dataset)
    reports = [report for shard in shards for report in shard.reports]
    chosen, notes = _select(reports, selection, dataset)
    packed = _pack(shards, chosen, manifest.config.shard_size)
    if not any(shard.shapes for shard in packed):
        raise SubsetError(f"no shape of {dataset} is selected: check --category, --split and --ids")
    root, choices = manifest.input, "DATASET, --category, --split and --ids"
    made = write_derived(out, manifest, root, packed, choices, copy=copy, progress=progress)
    return made, notes


def _pack(shards: Sequence[SourceShard], chosen: set[str], size: int) -> list[NewShard]:
    """The shards of the new dataset, of the meshes with these ids."""
    packer = _Packer(size)
    for shard in shards:
        packer.add(shard, [report for report in shard.reports if report.id in chosen])
    packer.flush()
    return packer.made


def _select(
    reports: Sequence[MeshReport], selection: Selection, dataset: Path
) -> tuple[set[str], list[str]]:
    """Ids of the selected meshes, and notes on the files of ids."""
    chosen, notes = {report.id for report in reports}, list[str]()
    if selection.categories:
        known = {report.category for report in reports}
        wanted = {best_category(word, known, dataset) for word in selection.categories}
        chosen &= {report.id for report in reports if report.category in wanted}
    if selection.splits:
        _check_splits(selection.splits, {r.split for r in reports if r.split}, dataset)
        chosen &= {report.id for report in reports if report.split in selection.splits}
    if selection.ids:
        files = [Path(path) for path in selection.ids]
        entries = [entry._replace(split="") for file in files for entry in read_split_file(file)]
        found, notes = ListedSplits(entries).select(as_mesh_files(reports))
        chosen &= {mesh.id for mesh, _ in found}
    return chosen, notes


def _check_splits(wanted: Iterable[str], known: Iterable[str], dataset: Path) -> None:
    for split in wanted:
        if split not in known:
            listed = ", ".join(sorted(known)) or "none; `shapegan split` makes some"
            raise SubsetError(f"{dataset} has no split {split!r}, it has: {listed}")

"""Splits of a finished dataset: added, changed or removed, without touching a shard."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.manifest import Manifest, require_complete
from shapegan.pipeline.dataset.reports import (
    list_splits,
    read_reports,
    with_splits,
    write_reports,
)
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.files import sweep, write_text
from shapegan.pipeline.folder_lock import folder_lock
from shapegan.pipeline.inputs.folders import MeshFile, without_suffix
from shapegan.pipeline.inputs.splits import read_splits
from shapegan.pipeline.schema import MeshReport

BY = ("category",)
"""Properties of shapes that splits can be made of."""


class SplitError(PlainError, ValueError):
    """Unusable splits; the message is one line."""


@dataclass(frozen=True)
class SplitChange:
    """New splits of a dataset."""

    splits: dict[str, list[str]]
    """Split -> ids of its shapes."""
    notes: list[str]
    """One line for each group of shapes or listed names that are in no split."""


def split_dataset(dataset: Path | str, splits: Sequence[str] = (), by: str = "") -> SplitChange:
    """Replace the splits of a dataset; without arguments, remove them.

    Only `dataset.json` and `meshes.csv` are rewritten, each atomically, the manifest first:
    whoever reads the dataset takes the splits from it. Shapes stay in the dataset, in a split or
    not.

    Args:
        dataset: Folder of a complete dataset.
        splits: Fractions or files, as for `preprocess --splits`; fractions give each shape the
            split that `preprocess` would have given it.
        by: One of `BY`, instead: a split for each category.

    Raises:
        SplitError: a shape has no category to be split by.
        DiscoverError: `splits` are neither fractions nor files that fit the dataset.
        DatasetError: there is no complete dataset.
        OutputError: a file cannot be written, or another process writes to the dataset.
    """
    dataset = Path(dataset)
    held = f"another process is writing to {dataset}: wait for it"
    require_complete(dataset)
    with folder_lock(dataset, held):
        sweep(dataset)
        manifest = require_complete(dataset)
        path = dataset / schema.REPORT_NAME
        reports = read_reports(path)
        accepted = [report for report in reports if report.status == "ok"]
        found, notes = _assign(accepted, splits, by)
        changed: Manifest = replace(manifest, splits=list_splits(found), edited_splits=True)
        write_text(dataset / schema.MANIFEST_NAME, changed.to_json())
        write_reports(path, with_splits(reports, changed.splits))
    return SplitChange(changed.splits, notes)


def as_mesh_files(reports: Sequence[MeshReport]) -> list[MeshFile]:
    """The meshes of reports as `shapegan.pipeline.inputs` describes files."""
    return [MeshFile(r.id, r.path, r.category, _shared_id(r.id)) for r in reports]


def _shared_id(id_: str) -> str:
    """The id without suffix; only ids of files that differ in their suffix alone have one."""
    plain = without_suffix(id_)
    return "" if plain == id_ else plain


def _assign(
    reports: Sequence[MeshReport], splits: Sequence[str], by: str
) -> tuple[list[MeshReport], list[str]]:
    """Reports of the shapes with their new split, and notes."""
    if by == "category":
        if missing := [report.id for report in reports if not report.category]:
            raise SplitError(f"{missing[0]!r} has no category to be split by")
        return [replace(report, split=report.category) for report in reports], []
    splitter = read_splits(splits)
    if splitter is None:
        return [replace(report, split="") for report in reports], []
    assigned, notes = splitter.assign(as_mesh_files(reports))
    split_of = {mesh.id: split for mesh, split in assigned}
    return [replace(report, split=split_of.get(report.id, "")) for report in reports], notes

"""Names of exported shapes, and `shapes.csv`, the table of them that lies beside each export."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.tables import read_table, table_text
from shapegan.pipeline.errors import PlainError
from shapegan.pipeline.meshes.triangle_mesh import Frame

TABLE_NAME = "shapes.csv"
"""Table of the exported shapes. No other project reads it; `shapegan import` restores the ids and
the exact frames from it."""
NO_CATEGORY = "all"
"""Folder of shapes without category, where a project wants one."""
DEFAULT_SPLIT = "train"
"""Split that lists all shapes of a dataset without splits."""

_COLUMNS = (
    *("name", "id", "category", "split"),
    *("center_x", "center_y", "center_z", "scale_cube", "scale_sphere"),
)


class ExchangeError(PlainError, ValueError):
    """Files that cannot be written or read; the message is one line that says what to do."""


@dataclass(frozen=True)
class ExportName:
    """Place of a shape in an export."""

    category: str
    """Folder of the category."""
    model: str
    """Name within the category, without suffix; it may contain slashes."""

    def __str__(self) -> str:
        return f"{self.category}/{self.model}"


@dataclass(frozen=True)
class TableRow:
    """A shape in `shapes.csv`."""

    id: str
    category: str
    split: str
    frame: Frame


def export_names(dataset: Dataset) -> list[ExportName]:
    """Names of all shapes, in their order: the category's folder, and the rest of the id.

    Raises:
        ExchangeError: an id cannot be the name of a file below the output folder.
    """
    found = []
    for report in dataset.accepted:
        category = report.category or NO_CATEGORY
        model = report.id.removeprefix(f"{report.category}/") if report.category else report.id
        for text in (category, model):
            parts = PurePosixPath(text).parts
            if not text.isprintable() or not parts or {"..", "/"} & set(parts):
                raise ExchangeError(
                    f"{report.id!r} cannot be the name of a file: leave the shape out with"
                    " `shapegan subset`"
                )
        found.append(ExportName(category, model))
    _check_unique(found, dataset.ids)
    return found


def _check_unique(names: Sequence[ExportName], ids: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for name, id_ in zip(names, ids, strict=True):
        if first.setdefault(str(name), id_) != id_:
            raise ExchangeError(
                f"{first[str(name)]!r} and {id_!r} would both be written to {name}: leave one of"
                " them out with `shapegan subset`"
            )


def by_split(dataset: Dataset) -> dict[str, list[int]]:
    """Split -> indices of its shapes; all shapes are in `DEFAULT_SPLIT` if there are no splits.

    Raises:
        ExchangeError: the name of a split cannot be that of a file.
    """
    for split in dataset.splits:
        if "/" in split or not split.isprintable():
            raise ExchangeError(
                f"split {split!r} cannot be the name of a file: rename it with `shapegan split`"
            )
    return dataset.splits or {DEFAULT_SPLIT: list(range(len(dataset)))}


def table_of(dataset: Dataset, names: Sequence[str]) -> str:
    """The text of `shapes.csv`.

    Args:
        dataset: Of the shapes.
        names: Name of each shape in the export.
    """
    rows: list[list[object]] = []
    for index, name in enumerate(names):
        report, frame = dataset.accepted[index], dataset.frame(index)
        numbers = (*frame.center, frame.scale_cube, frame.scale_sphere)
        texts = [name, report.id, report.category, report.split]
        rows.append([*texts, *(repr(float(number)) for number in numbers)])
    return table_text(_COLUMNS, rows)


def read_shapes_table(folder: Path) -> Mapping[str, TableRow]:
    """Read the `shapes.csv` of an export: name -> row; empty if there is none.

    Raises:
        ExchangeError: the file is not such a table.
    """
    path = folder / TABLE_NAME
    if not path.is_file():
        return {}
    try:
        return {row["name"]: _row(row) for row in read_table(path)}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ExchangeError(f"cannot read {path}, a table of `shapegan export`: {error}") from error


def _row(values: Mapping[str, str]) -> TableRow:
    center = np.array([float(values[f"center_{axis}"]) for axis in "xyz"])
    frame = Frame(center, float(values["scale_cube"]), float(values["scale_sphere"]))
    return TableRow(values["id"], values["category"], values["split"], frame)


def collect_splits(entries: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Name -> split, from names, splits and the files that list them.

    Raises:
        ExchangeError: a name is in two splits.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, split, file in entries:
        before, first = found.setdefault(name, (split, file))
        if before != split:
            raise ExchangeError(f"{name!r} is in {before} ({first}) and in {split} ({file})")
    return {name: split for name, (split, _) in found.items()}

"""`meshes.csv`: one report per input mesh, and the reasons why meshes are missing.

The reports of a dataset are `MeshReport`s; other kinds of output have rows of their own.
"""

import csv
import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.tables import read_table, write_table
from shapegan.pipeline.schema import MeshReport, Report

R = TypeVar("R", bound="DataclassReport")


class DataclassReport(Report, Protocol):
    """A report whose columns are the fields of a dataclass: texts, and whole or other numbers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def write_reports(
    path: Path,
    reports: Iterable[R],
    kind: type[R] = MeshReport,  # type: ignore[assignment]
) -> None:
    """Write `meshes.csv`.

    Args:
        path: The file.
        reports: Its rows.
        kind: The dataclass of the rows.

    Raises:
        OutputError: the file cannot be written.
    """
    names = [column.name for column in dataclasses.fields(kind)]
    lines = ([getattr(report, name) for name in names] for report in reports)
    write_table(path, names, lines)


def read_reports(path: Path) -> list[MeshReport]:
    """Read the `meshes.csv` of a dataset.

    Raises:
        DatasetError: the file is missing, or `write_reports` did not write it.
    """
    return read_rows(path, MeshReport)


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Read a `meshes.csv` with rows of any kind.

    Raises:
        DatasetError: the file is missing, or `write_reports` did not write it.
    """
    numbers: dict[str, type] = {
        column.name: int if column.type == int | None else float
        for column in dataclasses.fields(kind)
        if column.type in (int | None, float | None)
    }
    try:
        return [_report(values, kind, numbers) for values in read_table(path)]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def with_splits(
    reports: Iterable[MeshReport], splits: Mapping[str, Iterable[str]]
) -> list[MeshReport]:
    """Reports with the splits of a manifest; meshes that are not `ok` have none.

    Args:
        reports: Rows of `meshes.csv`.
        splits: Split -> ids of its shapes.
    """
    split_of = {id_: split for split, ids in splits.items() for id_ in ids}
    found = []
    for report in reports:
        split = split_of.get(report.id, "") if report.status == "ok" else ""
        found.append(report if report.split == split else replace(report, split=split))
    return found


def list_splits(reports: Iterable[MeshReport]) -> dict[str, list[str]]:
    """Split -> ids of its accepted shapes."""
    splits: dict[str, list[str]] = {}
    for report in reports:
        if report.status == "ok" and report.split:
            splits.setdefault(report.split, []).append(report.id)
    return splits


def _report(values: dict[str, Any], kind: type[R], numbers: dict[str, type]) -> R:
    """Convert the numbers among the texts of a row; an empty cell is None."""
    for name, number in numbers.items():
        values[name] = number(values[name]) if values[name] else None
    return kind(**values)


@dataclass(frozen=True)
class Rejections:
    """Meshes that are missing from the output for the same reason."""

    status: str
    """`rejected` or `failed`."""
    reason: str
    """Reason of the first of them; the figures in it may differ for the others."""
    count: int
    example: str
    """Id of the first of them."""


def find_rejections(reports: Iterable[Report]) -> list[Rejections]:
    """Group the meshes that are not `ok` by reason, the most frequent reason first.

    Reasons that differ in their figures only are one group.
    """
    groups: dict[tuple[str, str], list[Report]] = {}
    for report in reports:
        if report.status != "ok":
            reason = re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "#", report.reason)
            groups.setdefault((report.status, reason), []).append(report)
    found = [
        Rejections(status, group[0].reason, len(group), group[0].id)
        for (status, _), group in groups.items()
    ]
    return sorted(found, key=lambda one: -one.count)

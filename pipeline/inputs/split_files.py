"""Split files: CSV, JSON and plain lists that assign meshes to splits."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shapegan.pipeline.inputs.folders import DiscoverError, without_suffix

_STANDARD_NAMES = {
    name: split
    for split, names in {
        "train": ("train", "training"),
        "val": ("val", "valid", "validation"),
        "test": ("test", "testing"),
    }.items()
    for name in names
}
"""Common name of a split, in lower case -> `train`, `val` or `test`."""

# Column names in lower case, without spaces, hyphens and underscores; the first one found counts.
_MESH_COLUMNS = (
    *("modelid", "meshid", "shapeid", "id", "model", "mesh", "shape"),
    *("name", "filename", "file", "path"),
)
_SPLIT_COLUMNS = ("split", "set", "subset", "partition")
_CATEGORY_COLUMNS = ("synsetid", "synset", "categoryid", "category", "class")


class SplitEntry(NamedTuple):
    """One mesh in a split file."""

    name: str
    """Id or path of a mesh without suffix; or, if it has no slash, the last part of the id."""
    split: str
    location: str
    """File and line, for messages."""
    alias: str = ""
    """Alternative name; in ShapeNet's lists the one with the finer synset. May be empty."""
    suffix: str = ""
    """Suffix with which the file spells the name; may be empty."""

    @property
    def spelled(self) -> str:
        """The name with its suffix."""
        return self.name + self.suffix


def standard_split(name: str) -> str:
    """Standard name of a split: `train`, `val` or `test` for their common variants."""
    return _STANDARD_NAMES.get(name.casefold(), name)


def read_split_file(path: Path) -> Iterator[SplitEntry]:
    """Read a file in one of the formats that `shapegan.pipeline.inputs.splits.read_splits` lists.

    Raises:
        DiscoverError: the file cannot be read or parsed; the message names the line.
    """
    readers: dict[str, Callable[[Path, str], Iterator[SplitEntry]]] = {
        ".csv": _read_csv,
        ".json": _read_json,
        ".txt": _read_lines,
        ".lst": _read_lines,
    }
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DiscoverError(
            f"splits '{path}': neither an existing file nor fractions such as 0.8,0.1,0.1"
        ) from error
    except OSError as error:
        raise DiscoverError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DiscoverError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from error
    if path.suffix.lower() not in readers:
        raise DiscoverError(f"splits '{path}': expected a file in {' '.join(readers)}")
    return readers[path.suffix.lower()](path, text)


def _named(name: str, category: str = "") -> str:
    name = without_suffix(name.removeprefix("./"))
    return f"{category}/{name}" if category and "/" not in name else name


def _suffix_of(name: str) -> str:
    return name[len(without_suffix(name)) :]


def _split_of(path: Path) -> str:
    """The split that a file's name contains, or else the whole name."""
    words = re.split(r"[^a-z]+", path.stem.casefold())
    known = (_STANDARD_NAMES[word] for word in reversed(words) if word in _STANDARD_NAMES)
    return next(known, path.stem)


def _read_lines(path: Path, text: str) -> Iterator[SplitEntry]:
    split = _split_of(path)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            name = line.strip()
            location = f"{path}, line {number}"
            yield SplitEntry(_named(name), split, location, suffix=_suffix_of(name))


def _read_csv(path: Path, text: str) -> Iterator[SplitEntry]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = _columns(next(rows, []), path)
        for row in filter(None, rows):
            yield _csv_entry(row, columns, f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise DiscoverError(f"{path}, line {rows.line_num}: {error}") from error


class _Columns(NamedTuple):
    """Positions of the columns of a CSV file."""

    width: int
    mesh: int
    split: int
    category: int | None
    subsynset: int | None


def _columns(header: Sequence[str], path: Path) -> _Columns:
    names = [re.sub(r"[\s_-]", "", name).casefold() for name in header]

    def find(candidates: Sequence[str]) -> int | None:
        return next((names.index(one) for one in candidates if one in names), None)

    mesh, split = find(_MESH_COLUMNS), find(_SPLIT_COLUMNS)
    if mesh is None or split is None:
        raise DiscoverError(
            f"{path}, line 1: expected a header with columns such as id and split, got"
            f" '{','.join(header)[:80]}'"
        )
    return _Columns(len(header), mesh, split, find(_CATEGORY_COLUMNS), find(["subsynsetid"]))


def _csv_entry(row: Sequence[str], columns: _Columns, location: str) -> SplitEntry:
    cells = [cell.strip() for cell in row]
    if len(cells) != columns.width:
        raise DiscoverError(f"{location}: expected {columns.width} cells, got {len(cells)}")
    mesh = cells[columns.mesh]
    if not mesh:
        raise DiscoverError(f"{location}: the mesh's name is empty")
    category, subsynset = (
        _category(cells[column]) if column is not None else ""
        for column in (columns.category, columns.subsynset)
    )
    return SplitEntry(
        _named(mesh, category),
        standard_split(cells[columns.split]),
        location,
        _named(mesh, subsynset) if subsynset else "",
        _suffix_of(mesh),
    )


def _category(cell: str) -> str:
    """Restore the leading zero of a synset, which programs that read it as a number drop."""
    return cell.zfill(8) if re.fullmatch(r"\d{7}", cell, re.ASCII) else cell


def _read_json(path: Path, text: str) -> Iterator[SplitEntry]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DiscoverError(f"{path}, line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise DiscoverError(f"{path}: lists are nested too deeply") from error
    return _json_entries(content, (), path)


def _json_entries(content: Any, names: tuple[str, ...], path: Path) -> Iterator[SplitEntry]:
    location = " > ".join([str(path), *names])
    if isinstance(content, dict) and len(names) < 3:
        for name, inner in content.items():
            yield from _json_entries(inner, (*names, name), path)
    elif isinstance(content, list) and all(isinstance(one, str) and one for one in content):
        known = [name for name in names if name.casefold() in _STANDARD_NAMES]
        folders = [name for name in names if name.casefold() not in _STANDARD_NAMES]
        split = standard_split(known[-1]) if known else _split_of(path)
        for mesh in content:
            name = _named(mesh, folders[-1] if folders else "")
            yield SplitEntry(name, split, location, suffix=_suffix_of(mesh))
    else:
        raise DiscoverError(
            f"{location}: expected lists of mesh ids under the names of dataset, category and split"
        )

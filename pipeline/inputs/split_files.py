"""Split files: CSV, JSON and plain lists that say which mesh is in which split."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shapegan.pipeline.inputs.folders import DiscoverError
from shapegan.pipeline.meshes.load import SUFFIXES

_USUAL = {
    name: split
    for split, names in {
        "train": ("train", "training"),
        "val": ("val", "valid", "validation"),
        "test": ("test", "testing"),
    }.items()
    for name in names
}
"""What people call the three -> what we do."""

# Headers without case, spaces and underscores; of several that are there, the first counts.
_MESH_COLUMNS = (
    *("modelid", "meshid", "shapeid", "id", "model", "mesh", "shape"),
    *("name", "filename", "file", "path"),
)
_SPLIT_COLUMNS = ("split", "set", "subset", "partition")
_CATEGORY_COLUMNS = ("synsetid", "synset", "categoryid", "category", "class")


class Entry(NamedTuple):
    """One line of a split file."""

    name: str
    """A mesh's id or path without suffix; or, without any slash, the last part of its id."""
    split: str
    place: str
    """Where it stands, for messages."""
    other: str = ""
    """Another name that will do, in ShapeNet's lists the one with the finer synset."""


def usual_split(name: str) -> str:
    """`train`, `val` or `test` for what is commonly said instead of them."""
    return _USUAL.get(name.casefold(), name)


def without_suffix(name: str) -> str:
    """A mesh's path without its suffix, if it has one."""
    return name.rpartition(".")[0] if name.lower().endswith(SUFFIXES) else name


def read_split_file(path: Path) -> Iterator[Entry]:
    """Reads what `shapegan.pipeline.inputs.splits.read_splits` describes.

    Raises:
        DiscoverError: with the line, where the file cannot be understood.
    """
    readers: dict[str, Callable[[Path, str], Iterator[Entry]]] = {
        ".csv": _read_csv,
        ".json": _read_json,
        ".txt": _read_lines,
        ".lst": _read_lines,
    }
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DiscoverError(
            f"splits '{path}': there is no such file, nor are these fractions such as 0.8,0.1,0.1"
        ) from error
    except OSError as error:
        raise DiscoverError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DiscoverError(f"{path}, line {line}: this is no UTF-8 text") from error
    if path.suffix.lower() not in readers:
        raise DiscoverError(f"splits '{path}': expected a file in {' '.join(readers)}")
    return readers[path.suffix.lower()](path, text)


def _named(name: str, category: str = "") -> str:
    name = without_suffix(name.removeprefix("./"))
    return f"{category}/{name}" if category and "/" not in name else name


def _split_of(path: Path) -> str:
    """The split that a file's name speaks of: a usual one, or all of the name."""
    words = re.split(r"[^a-z]+", path.stem.casefold())
    return next((_USUAL[word] for word in reversed(words) if word in _USUAL), path.stem)


def _read_lines(path: Path, text: str) -> Iterator[Entry]:
    split = _split_of(path)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield Entry(_named(line.strip()), split, f"{path}, line {number}")


def _read_csv(path: Path, text: str) -> Iterator[Entry]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = _columns(next(rows, []), path)
        for row in filter(None, rows):
            yield _csv_entry(row, columns, f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise DiscoverError(f"{path}, line {rows.line_num}: {error}") from error


class _Columns(NamedTuple):
    width: int
    mesh: int
    split: int
    category: int | None
    finer: int | None


def _columns(header: Sequence[str], path: Path) -> _Columns:
    names = [re.sub(r"[\s_-]", "", name).casefold() for name in header]

    def where(candidates: Sequence[str]) -> int | None:
        return next((names.index(one) for one in candidates if one in names), None)

    mesh, split = where(_MESH_COLUMNS), where(_SPLIT_COLUMNS)
    if mesh is None or split is None:
        raise DiscoverError(
            f"{path}, line 1: expected a header with columns such as id and split, got"
            f" '{','.join(header)[:80]}'"
        )
    return _Columns(len(header), mesh, split, where(_CATEGORY_COLUMNS), where(["subsynsetid"]))


def _csv_entry(row: Sequence[str], columns: _Columns, place: str) -> Entry:
    cells = [cell.strip() for cell in row]
    if len(cells) != columns.width:
        raise DiscoverError(f"{place}: expected {columns.width} cells, got {len(cells)}")
    mesh = cells[columns.mesh]
    if not mesh:
        raise DiscoverError(f"{place}: the mesh's name is empty")
    category, finer = (
        _category(cells[column]) if column is not None else ""
        for column in (columns.category, columns.finer)
    )
    return Entry(
        _named(mesh, category),
        usual_split(cells[columns.split]),
        place,
        _named(mesh, finer) if finer else "",
    )


def _category(cell: str) -> str:
    """A synset that a program read as a number has lost its leading zero."""
    return cell.zfill(8) if re.fullmatch(r"\d{7}", cell, re.ASCII) else cell


def _read_json(path: Path, text: str) -> Iterator[Entry]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DiscoverError(f"{path}, line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise DiscoverError(f"{path}: lists within lists, too deep to read") from error
    return _json_entries(content, (), path)


def _json_entries(content: Any, names: tuple[str, ...], path: Path) -> Iterator[Entry]:
    place = " > ".join([str(path), *names])
    if isinstance(content, dict) and len(names) < 3:
        for name, inner in content.items():
            yield from _json_entries(inner, (*names, name), path)
    elif isinstance(content, list) and all(isinstance(one, str) and one for one in content):
        splits = [_USUAL[name.casefold()] for name in names if name.casefold() in _USUAL]
        folders = [name for name in names if name.casefold() not in _USUAL]
        split = splits[-1] if splits else _split_of(path)
        for mesh in content:
            yield Entry(_named(mesh, folders[-1] if folders else ""), split, place)
    else:
        raise DiscoverError(
            f"{place}: expected lists of mesh ids under the names of dataset, category and split"
        )

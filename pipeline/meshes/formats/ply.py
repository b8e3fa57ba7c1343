"""Reader of PLY files: vertices and faces, nothing else.

A file has a header, which declares elements (vertex, face, ...) with properties (x, y, ...), and
then the rows of each element. Rows with lists differ in length, so the reader first locates all
values, and then gathers those of a property in one step. Text is converted to the bytes of a
binary file of 64-bit floats.
"""

import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.ply_header import Element, Property, read_header
from shapegan.pipeline.meshes.formats.ply_text import parse_rows
from shapegan.pipeline.meshes.formats.strips import strip_triangles
from shapegan.pipeline.meshes.formats.text import (
    FormatError,
    as_indices,
    check_range,
    printable,
)
from shapegan.pipeline.meshes.formats.triangulate import triangulate

_INDEX_NAMES = ("vertex_indices", "vertex_index")
_UNSIGNED_RESTARTS = (2**16 - 1, 2**32 - 1)
"""A -1 in lists of unsigned integers: the end of a strip, unless there are so many vertices."""
_PADDING = b"\0\x1a \t\r\n"
"""Bytes that may follow the rows of a binary file and mean nothing."""


@dataclass(frozen=True)
class _Location:
    """Positions of a property's values in the body of the file."""

    starts: NDArray[np.int64]
    """(rows,), first byte of each row's values."""
    lengths: NDArray[np.int64]
    """(rows,), number of values in each row."""


def read_ply(
    data: bytes, notes: list[str] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the vertices, faces and triangle strips of a PLY file, text or binary.

    All else is skipped. Polygons are cut into triangles. Faces of one or two corners are skipped.
    Values and rows beyond those that the header declares are left out.

    Args:
        data: contents of the file.
        notes: gets a line for each kind of what is left out.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite or in no face, and faces (F, 3), rows
        of the vertices.

    Raises:
        FormatError: the header is missing or invalid, there is less data than it declares, or a
            face uses a vertex that does not exist.
    """
    # 1. Locate the values of all elements that the header declares.
    notes = [] if notes is None else notes
    elements, is_text, body = read_header(data)
    if is_text:
        body = parse_rows(body, elements, notes).tobytes()
    declared, position = {element.name: element.properties for element in elements}, 0
    locations: dict[str, dict[str, _Location]] = {}
    for element in elements:
        locations[element.name], position = _locate(body, position, element)
    notes += _notes_on_rest(body[position:], is_text)
    # 2. Vertices, faces and triangle strips.
    vertices = _vertices(body, locations.get("vertex", {}), declared.get("vertex", {}))
    found = [
        to_triangles(vertices, *_corners(body, locations[kind], declared[kind]))
        for kind, to_triangles in (("face", _polygons), ("tristrips", _strips))
        if not declared.get(kind, {}).keys().isdisjoint(_INDEX_NAMES)
    ]
    if not found:
        raise FormatError("no faces: the header declares none with vertex indices")
    return vertices, np.concatenate(found)


def _notes_on_rest(rest: bytes, is_text: bool) -> list[str]:
    """A line if something follows the rows that the header declares."""
    if is_text:
        left_out = f"{len(rest) // 8} numbers" if rest else ""
    else:
        left_out = f"{len(rest)} bytes" if rest.strip(_PADDING) else ""
    return [f"left out {left_out} after the rows that the header declares"] if left_out else []


def _vertices(
    body: bytes, locations: dict[str, _Location], properties: dict[str, Property]
) -> NDArray[np.float64]:
    if not properties.keys() >= set("xyz"):
        raise FormatError("no vertices: the header declares none with x, y and z")
    columns = [_gather(body, locations[k], properties[k].dtype) for k in "xyz"]
    with np.errstate(invalid="ignore"):  # casting a signalling NaN
        return np.stack([column.astype(np.float64) for column in columns], axis=1)


def _corners(
    body: bytes, locations: dict[str, _Location], properties: dict[str, Property]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertex indices (C,) of all rows of an element, and how many each row has."""
    name = next(name for name in _INDEX_NAMES if name in properties)
    corners = as_indices(_gather(body, locations[name], properties[name].dtype))
    return corners, locations[name].lengths


def _polygons(
    vertices: NDArray[np.float64], corners: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    check_range(corners, counts, len(vertices))
    return triangulate(vertices, corners, counts)


def _strips(
    vertices: NDArray[np.float64], corners: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Triangles of rows of strips; -1 and the end of a row end a strip."""
    ends = np.isin(corners, _UNSIGNED_RESTARTS) & (corners >= len(vertices))
    corners = np.where(ends, -1, corners)
    corners = np.insert(corners, np.cumsum(counts), -1)
    used = corners[corners != -1]
    check_range(used, np.ones(len(used), np.int64), len(vertices))
    return strip_triangles(corners)


def _locate(body: bytes, position: int, element: Element) -> tuple[dict[str, _Location], int]:
    """Locate the values of an element whose first row is at `position`.

    Returns:
        The location of each property, and the position after the last row.
    """
    min_bytes = sum(prop.min_bytes for prop in element.properties.values())
    if element.count < 0 or element.count * min_bytes > len(body) - position:
        raise _truncated(element)
    if element.count == 0 or min_bytes == 0:
        nothing = np.empty(0, np.int64)
        return dict.fromkeys(element.properties, _Location(nothing, nothing)), position
    # Usually all rows are as long as the first one, and there is no need to visit each.
    first, end = _locate_by_row(body, position, replace(element, count=1))
    rows = (end - position) * np.arange(element.count)
    locations = {
        name: _Location(location.starts + rows, np.repeat(location.lengths, element.count))
        for name, location in first.items()
    }
    if rows[-1] + end <= len(body) and _lengths_match(body, element, locations):
        return locations, int(rows[-1]) + end
    return _locate_by_row(body, position, element)


def _lengths_match(body: bytes, element: Element, locations: dict[str, _Location]) -> bool:
    """Compare the assumed lengths of lists with those in the file."""
    for name, prop in element.properties.items():
        if prop.length_dtype is not None:
            starts, lengths = locations[name].starts, locations[name].lengths
            before = _Location(starts - prop.length_dtype.itemsize, np.ones_like(lengths))
            if not np.array_equal(_gather(body, before, prop.length_dtype), lengths):
                return False
    return True


def _locate_by_row(
    body: bytes, position: int, element: Element
) -> tuple[dict[str, _Location], int]:
    """Locate the values of an element row by row, whatever their lengths; see `_locate`."""
    starts: dict[str, list[int]] = {name: [] for name in element.properties}
    lengths: dict[str, list[int]] = {name: [] for name in element.properties}
    steps = [
        (starts[name].append, lengths[name].append, _length_format(prop), prop.dtype.itemsize)
        for name, prop in element.properties.items()
    ]
    for _ in range(element.count):
        for add_start, add_length, length_format, size in steps:
            count = 1
            if length_format is not None:
                count = _list_length(length_format, body, position, element)
                position += length_format.size
            add_start(position)
            add_length(count)
            position += count * size
    if position > len(body):
        raise _truncated(element)
    locations = {
        name: _Location(np.array(starts[name], np.int64), np.array(lengths[name], np.int64))
        for name in element.properties
    }
    return locations, position


def _length_format(prop: Property) -> struct.Struct | None:
    """Binary format of a list's length; None for a single value."""
    if prop.length_dtype is None:
        return None
    order = prop.length_dtype.str[0].replace("|", "<")
    return struct.Struct(order + prop.length_dtype.char)


def _list_length(length_format: struct.Struct, body: bytes, position: int, element: Element) -> int:
    try:
        (length,) = length_format.unpack_from(body, position)
    except struct.error:
        raise _truncated(element) from None
    if not (0 <= length <= len(body) and length == int(length)):
        name = printable(element.name.encode())
        raise FormatError(f"a list of the PLY element '{name}' has a length of {length:g}")
    return int(length)


def _truncated(element: Element) -> FormatError:
    name = printable(element.name.encode())
    return FormatError(f"truncated: fewer rows of '{name}' than the {element.count} declared")


def _gather(body: bytes, location: _Location, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values of all rows, one row after the other."""
    lengths = location.lengths
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = np.repeat(location.starts, lengths) + within * dtype.itemsize
    symbols = np.frombuffer(body, np.uint8)
    gathered = np.empty((len(first), dtype.itemsize), np.uint8)
    for byte in range(dtype.itemsize):
        gathered[:, byte] = symbols[first + byte]
    return gathered.reshape(-1).view(dtype)

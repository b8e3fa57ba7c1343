"""Reader of PLY files: vertices and faces, nothing else.

A file has a header, which declares elements (vertex, face, ...) with properties (x, y, ...), and
then the rows of each element. Rows with lists differ in length, so the reader first locates all
values, and then gathers those of a property in one step. Text is converted to the bytes of a
binary file of 64-bit floats.
"""

import re
import struct
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.text import (
    FormatError,
    as_indices,
    check_range,
    parse_floats,
    printable,
)
from shapegan.pipeline.meshes.formats.triangulate import triangulate

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_INDEX_NAMES = ("vertex_indices", "vertex_index")
_END = re.compile(rb"[\r\n]end_header[ \t]*(\r\n|\n|\r|$)")
_MAX_HEADER = 1 << 20
"""Bytes within which the header must end."""


@dataclass(frozen=True)
class _Property:
    dtype: np.dtype[Any]
    length_dtype: np.dtype[Any] | None = None
    """Type of the number that gives a list's length; None for a single value."""

    @property
    def min_bytes(self) -> int:
        return (self.length_dtype or self.dtype).itemsize


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: dict[str, _Property] = field(default_factory=dict)


@dataclass(frozen=True)
class _Location:
    """Positions of a property's values in the body of the file."""

    starts: NDArray[np.int64]
    """(rows,), first byte of each row's values."""
    lengths: NDArray[np.int64]
    """(rows,), number of values in each row."""


def read_ply(data: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the vertices and faces of a PLY file, text or binary; all else is skipped.

    Polygons are cut into triangles. Faces of one or two corners are skipped.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite or in no face, and faces (F, 3), rows
        of the vertices.

    Raises:
        FormatError: the header is missing or invalid, there is less data than it declares, or a
            face uses a vertex that does not exist.
    """
    # 1. Locate the values of all elements that the header declares.
    elements, body = _split(data)
    declared = {element.name: element.properties for element in elements}
    locations: dict[str, dict[str, _Location]] = {}
    position = 0
    for element in elements:
        locations[element.name], position = _locate(body, position, element)

    # 2. Vertices.
    if not declared.get("vertex", {}).keys() >= set("xyz"):
        raise FormatError("no vertices: the header declares none with x, y and z")
    columns = [_gather(body, locations["vertex"][k], declared["vertex"][k].dtype) for k in "xyz"]
    with np.errstate(invalid="ignore"):  # casting a signalling NaN
        vertices = np.stack([column.astype(np.float64) for column in columns], axis=1)

    # 3. Faces.
    name = next((name for name in _INDEX_NAMES if name in declared.get("face", {})), None)
    if name is None:
        raise FormatError("no faces: the header declares none with vertex indices")
    location = locations["face"][name]
    corners = as_indices(_gather(body, location, declared["face"][name].dtype))
    check_range(corners, location.lengths, len(vertices))
    return vertices, triangulate(vertices, corners, location.lengths)


def _split(data: bytes) -> tuple[list[_Element], bytes]:
    """Split a file into its declared elements and its body, made binary if it is text."""
    end = _END.search(data, 0, _MAX_HEADER)
    if not data.startswith(b"ply") or end is None:
        raise FormatError("not a PLY file: no header from 'ply' to 'end_header'")
    lines = re.split(r"[\r\n]+", data[: end.start()].decode("latin-1"))[1:]
    statements = [line.split() for line in lines if line.strip()]
    encoding = next((words[1] for words in statements if words[0] == "format" and words[1:]), "")
    if encoding not in _ORDERS:
        raise FormatError(f"PLY of an unknown format: '{printable(encoding.encode())}'")
    try:
        elements = _elements(statements, _ORDERS[encoding])
    except (ValueError, LookupError) as error:
        raise FormatError("the PLY header is invalid") from error
    body = data[end.end() :]
    if encoding == "ascii":
        body = parse_floats(body, "a PLY file").astype("<f8").tobytes()
    return elements, body


def _elements(statements: list[list[str]], order: str) -> list[_Element]:
    """Parse the lines of a header; invalid ones raise ValueError or LookupError."""

    def dtype(name: str) -> np.dtype[Any]:
        code = _TYPES[name]
        return np.dtype(order + code if order else "<f8")

    elements: list[_Element] = []
    for keyword, *words in statements:
        if keyword == "element":
            name, count = words
            elements.append(_Element(name, int(count)))
        elif keyword == "property" and words[0] == "list":
            _, length, item, name = words
            elements[-1].properties[name] = _Property(dtype(item), dtype(length))
        elif keyword == "property":
            item, name = words
            elements[-1].properties[name] = _Property(dtype(item))
    return elements


def _locate(body: bytes, position: int, element: _Element) -> tuple[dict[str, _Location], int]:
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


def _lengths_match(body: bytes, element: _Element, locations: dict[str, _Location]) -> bool:
    """Compare the assumed lengths of lists with those in the file."""
    for name, prop in element.properties.items():
        if prop.length_dtype is not None:
            starts, lengths = locations[name].starts, locations[name].lengths
            before = _Location(starts - prop.length_dtype.itemsize, np.ones_like(lengths))
            if not np.array_equal(_gather(body, before, prop.length_dtype), lengths):
                return False
    return True


def _locate_by_row(
    body: bytes, position: int, element: _Element
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


def _length_format(prop: _Property) -> struct.Struct | None:
    """Binary format of a list's length; None for a single value."""
    if prop.length_dtype is None:
        return None
    order = prop.length_dtype.str[0].replace("|", "<")
    return struct.Struct(order + prop.length_dtype.char)


def _list_length(
    length_format: struct.Struct, body: bytes, position: int, element: _Element
) -> int:
    try:
        (length,) = length_format.unpack_from(body, position)
    except struct.error:
        raise _truncated(element) from None
    if not (0 <= length <= len(body) and length == int(length)):
        name = printable(element.name.encode())
        raise FormatError(f"a list of the PLY element '{name}' has a length of {length:g}")
    return int(length)


def _truncated(element: _Element) -> FormatError:
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

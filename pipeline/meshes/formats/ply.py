"""PLY files: where the vertices are and which faces they make, and nothing else.

A file is a header that declares elements (vertex, face, ...) with properties (x, y, ...), and
their rows. Rows with lists differ in length, so that first it is found out where each value lies,
and then all values of a property are picked at once. Text is turned into the bytes that a binary
file of 64-bit floats would have.
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
    shown,
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
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class _Property:
    dtype: np.dtype[Any]
    counter: np.dtype[Any] | None = None
    """Type of a list's length; None for a single value."""

    @property
    def smallest(self) -> int:
        return (self.counter or self.dtype).itemsize


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: dict[str, _Property] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """Where a property's values lie."""

    starts: NDArray[np.int64]
    """(rows,), the first byte of each row's values."""
    lengths: NDArray[np.int64]
    """(rows,), how many values each row has."""


def read_ply(data: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Reads a PLY file's vertices and faces, text or binary; all else is skipped.

    Polygons are cut into triangles. Faces of one or two corners are left out.

    Returns:
        Vertices (V, 3), as they come: possibly not finite, possibly in no face. Faces (F, 3),
        all of them rows of the vertices.

    Raises:
        FormatError: no header that makes sense, less data than it declares, or a face with a
            vertex that is not there.
    """
    # 1. What is declared, and where does it lie?
    elements, body = _split(data)
    declared = {element.name: element.properties for element in elements}
    places: dict[str, dict[str, _Place]] = {}
    position = 0
    for element in elements:
        places[element.name], position = _find(body, position, element)

    # 2. Vertices.
    if not declared.get("vertex", {}).keys() >= set("xyz"):
        raise FormatError("no vertices: the header declares none with x, y and z")
    columns = [_pick(body, places["vertex"][k], declared["vertex"][k].dtype) for k in "xyz"]
    with np.errstate(invalid="ignore"):  # casting a signalling NaN
        vertices = np.stack([column.astype(np.float64) for column in columns], axis=1)

    # 3. Faces.
    name = next((name for name in _INDEX_NAMES if name in declared.get("face", {})), None)
    if name is None:
        raise FormatError("no faces: the header declares none with vertex indices")
    place = places["face"][name]
    corners = as_indices(_pick(body, place, declared["face"][name].dtype))
    check_range(corners, place.lengths, len(vertices))
    return vertices, triangulate(vertices, corners, place.lengths)


def _split(data: bytes) -> tuple[list[_Element], bytes]:
    """Takes header and rows apart; the rows are binary whatever they were."""
    end = _END.search(data, 0, _LONGEST_HEADER)
    if not data.startswith(b"ply") or end is None:
        raise FormatError("not a PLY file: no header from 'ply' to 'end_header'")
    lines = re.split(r"[\r\n]+", data[: end.start()].decode("latin-1"))[1:]
    statements = [line.split() for line in lines if line.strip()]
    encoding = next((words[1] for words in statements if words[0] == "format" and words[1:]), "")
    if encoding not in _ORDERS:
        raise FormatError(f"PLY of an unknown format: '{shown(encoding.encode())}'")
    try:
        elements = _elements(statements, _ORDERS[encoding])
    except (ValueError, LookupError) as error:
        raise FormatError("the PLY header makes no sense") from error
    body = data[end.end() :]
    if encoding == "ascii":
        body = parse_floats(body, "a PLY file").astype("<f8").tobytes()
    return elements, body


def _elements(statements: list[list[str]], order: str) -> list[_Element]:
    """Understands a header's lines; raises all sorts at those that are wrong."""

    def dtype(name: str) -> np.dtype[Any]:
        code = _TYPES[name]
        return np.dtype(order + code if order else "<f8")

    elements: list[_Element] = []
    for keyword, *words in statements:
        if keyword == "element":
            name, count = words
            elements.append(_Element(name, int(count)))
        elif keyword == "property" and words[0] == "list":
            _, counter, item, name = words
            elements[-1].properties[name] = _Property(dtype(item), dtype(counter))
        elif keyword == "property":
            item, name = words
            elements[-1].properties[name] = _Property(dtype(item))
    return elements


def _find(body: bytes, position: int, element: _Element) -> tuple[dict[str, _Place], int]:
    """Finds an element's values, the first row at `position`, and where the next one begins."""
    smallest = sum(known.smallest for known in element.properties.values())
    if element.count < 0 or element.count * smallest > len(body) - position:
        raise _truncated(element)
    if element.count == 0 or smallest == 0:
        nothing = np.empty(0, np.int64)
        return dict.fromkeys(element.properties, _Place(nothing, nothing)), position
    # Are all rows as long as the first? Then none needs to be looked at on its own.
    first, end = _walk(body, position, replace(element, count=1))
    rows = (end - position) * np.arange(element.count)
    places = {
        name: _Place(place.starts + rows, np.repeat(place.lengths, element.count))
        for name, place in first.items()
    }
    if rows[-1] + end <= len(body) and _are_lengths(body, element, places):
        return places, int(rows[-1]) + end
    return _walk(body, position, element)


def _are_lengths(body: bytes, element: _Element, places: dict[str, _Place]) -> bool:
    """Whether lists are as long as is thought."""
    for name, known in element.properties.items():
        if known.counter is not None:
            starts, lengths = places[name].starts, places[name].lengths
            before = _Place(starts - known.counter.itemsize, np.ones_like(lengths))
            if not np.array_equal(_pick(body, before, known.counter), lengths):
                return False
    return True


def _walk(body: bytes, position: int, element: _Element) -> tuple[dict[str, _Place], int]:
    """Finds an element's values row by row."""
    starts: dict[str, list[int]] = {name: [] for name in element.properties}
    lengths: dict[str, list[int]] = {name: [] for name in element.properties}
    steps = [
        (starts[name].append, lengths[name].append, _counter(known), known.dtype.itemsize)
        for name, known in element.properties.items()
    ]
    for _ in range(element.count):
        for add_start, add_length, counter, size in steps:
            count = 1
            if counter is not None:
                count = _count(counter, body, position, element)
                position += counter.size
            add_start(position)
            add_length(count)
            position += count * size
    if position > len(body):
        raise _truncated(element)
    places = {
        name: _Place(np.array(starts[name], np.int64), np.array(lengths[name], np.int64))
        for name in element.properties
    }
    return places, position


def _counter(known: _Property) -> struct.Struct | None:
    """Reads the length of a list."""
    if known.counter is None:
        return None
    order = known.counter.str[0].replace("|", "<")
    return struct.Struct(order + known.counter.char)


def _count(counter: struct.Struct, body: bytes, position: int, element: _Element) -> int:
    try:
        (count,) = counter.unpack_from(body, position)
    except struct.error:
        raise _truncated(element) from None
    if not (0 <= count <= len(body) and count == int(count)):
        raise FormatError(
            f"a list of the PLY element '{shown(element.name.encode())}' has a length of {count:g}"
        )
    return int(count)


def _truncated(element: _Element) -> FormatError:
    name = shown(element.name.encode())
    return FormatError(f"truncated: less rows of '{name}' than the {element.count} declared")


def _pick(body: bytes, place: _Place, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values of all rows, one after the other."""
    lengths = place.lengths
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = np.repeat(place.starts, lengths) + within * dtype.itemsize
    symbols = np.frombuffer(body, np.uint8)
    picked = np.empty((len(first), dtype.itemsize), np.uint8)
    for byte in range(dtype.itemsize):
        picked[:, byte] = symbols[first + byte]
    return picked.reshape(-1).view(dtype)

"""Header of PLY files: the elements that it declares, and their properties."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shapegan.pipeline.meshes.formats.text import FormatError, printable

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_END = re.compile(rb"[\r\n]end_header[ \t]*(\r\n|\n|\r|$)")
_MAX_HEADER = 1 << 20
"""Bytes within which the header must end."""


@dataclass(frozen=True)
class Property:
    """A property of an element: a value or a list of values in each row."""

    dtype: np.dtype[Any]
    length_dtype: np.dtype[Any] | None = None
    """Type of the number that gives a list's length; None for a single value."""

    @property
    def min_bytes(self) -> int:
        """Bytes of a value, or of an empty list."""
        return (self.length_dtype or self.dtype).itemsize


@dataclass(frozen=True)
class Element:
    """An element: a table of rows that have the same properties."""

    name: str
    count: int
    properties: dict[str, Property] = field(default_factory=dict)


def read_header(data: bytes) -> tuple[list[Element], bool, bytes]:
    """Read the header of a PLY file.

    Returns:
        The declared elements, whether the body is text, and the body. In a text, the type of all
        values is float64.

    Raises:
        FormatError: the header is missing or invalid.
    """
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
    except FormatError:
        raise
    except (ValueError, LookupError) as error:
        raise FormatError("the PLY header is invalid") from error
    return elements, encoding == "ascii", data[end.end() :]


def _elements(statements: list[list[str]], order: str) -> list[Element]:
    """Parse the lines of a header; invalid ones raise ValueError or LookupError."""

    def dtype(name: str) -> np.dtype[Any]:
        if name not in _TYPES:
            raise FormatError(f"PLY of an unknown type of numbers: '{printable(name.encode())}'")
        code = _TYPES[name]
        return np.dtype(order + code if order else "<f8")

    elements: list[Element] = []
    for keyword, *words in statements:
        if keyword == "element":
            name, count = words
            elements.append(Element(name, int(count)))
        elif keyword == "property" and words[0] == "list":
            _, length, item, name = words
            elements[-1].properties[name] = Property(dtype(item), dtype(length))
        elif keyword == "property":
            item, name = words
            elements[-1].properties[name] = Property(dtype(item))
    return elements

"""Reader of STL files, text or binary: vertices and faces, nothing else."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.stl_text import read_stl_text
from shapegan.pipeline.meshes.formats.text import FormatError

_HEADER = 84
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_LOOK_AHEAD = 1000
"""Bytes within which a binary file has a zero: its count and most of its attributes are small."""


def read_stl(
    data: bytes, notes: list[str] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the triangles of an STL file; of a text file, those of all its solids.

    A file is binary if its length fits the count in its header or if it begins with bytes that no
    text has, even if it begins with "solid".

    Args:
        data: contents of the file.
        notes: gets a line for each part that was left out, and one if a text file may be cut off.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite, and faces (F, 3), rows of the vertices.
        Every face has vertices of its own.

    Raises:
        FormatError: the file is truncated, or its text has an incomplete facet.
    """
    notes = [] if notes is None else notes
    count = int.from_bytes(data[80:_HEADER], "little")
    fits = len(data) >= _HEADER and len(data) == _HEADER + _TRIANGLE.itemsize * count
    unpadded = data.rstrip(b"\0")  # zeros may pad a text at its end
    if fits or not unpadded or b"\0" in unpadded[:_LOOK_AHEAD]:
        return _read_binary(data, count, notes)
    return read_stl_text(data, notes)


def _read_binary(
    data: bytes, count: int, notes: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if len(data) < _HEADER:
        raise FormatError(f"not an STL file: {len(data)} bytes, fewer than the header's {_HEADER}")
    if count == 0:
        raise FormatError("no faces: the header declares none")
    surplus = len(data) - _HEADER - _TRIANGLE.itemsize * count
    if surplus < 0:
        found = (len(data) - _HEADER) // _TRIANGLE.itemsize
        raise FormatError(f"truncated: {found} triangles, fewer than the {count} declared")
    if surplus:
        notes.append(f"left out {surplus} bytes after the {count} triangles that are declared")
    triangles = np.frombuffer(data, _TRIANGLE, count, _HEADER)
    with np.errstate(invalid="ignore"):  # casting a signalling NaN
        vertices = triangles["corners"].reshape(-1, 3).astype(np.float64)
    return vertices, np.arange(len(vertices)).reshape(-1, 3)

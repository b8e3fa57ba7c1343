"""Reader of OFF files: vertices and faces, nothing else."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.text import (
    FormatError,
    Words,
    as_indices,
    check_range,
    parse_floats,
    plain_lines,
)
from shapegan.pipeline.meshes.formats.triangulate import triangulate

# Thousands of ModelNet files have no newline between keyword and counts: OFF490 518 0.
_HEADER = re.compile(rb"\s*(ST)?(C)?(N)?(4?n?)(?:OFF|off)\s*(BINARY)?")


@dataclass(frozen=True)
class _Numbers:
    """Numbers of an OFF file after its keyword."""

    values: NDArray[np.float64]
    """(N,), all of them."""
    counts: NDArray[np.int64]
    """(L,), numbers in each line that has some."""
    vertex_count: int
    face_count: int
    vertex_size: int
    """Numbers of each vertex by the file's keyword."""


def read_off(
    data: bytes, notes: list[str] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the vertices and faces of an OFF file; colours, normals and so on are skipped.

    Usually each vertex and each face has a line of its own. If not, vertices, and then faces, are
    read as a stream of numbers. Polygons are cut into triangles. Faces of one or two corners are
    skipped.

    Args:
        data: contents of the file.
        notes: gets a line if there are more lines than the header declares.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite or in no face, and faces (F, 3), rows
        of the vertices.

    Raises:
        FormatError: a number cannot be parsed, there are fewer lines than the header declares, or
            a face uses a vertex that does not exist.
    """
    numbers = _parse(plain_lines(data))
    try:
        vertices, corners, sizes = _read_lines(numbers)
        surplus = len(numbers.counts) - 1 - numbers.vertex_count - numbers.face_count
        if surplus and notes is not None:
            notes.append(f"left out {surplus} lines after those that the header declares")
    except FormatError:
        stream = _read_stream(numbers)
        if stream is None:
            raise
        vertices, corners, sizes = stream
    check_range(corners, sizes, numbers.vertex_count)
    return vertices, triangulate(vertices, corners, sizes)


def _parse(text: bytes) -> _Numbers:
    """Parse the keyword, the declared counts and all numbers; lines without numbers are skipped."""
    header = _HEADER.match(text)
    if header is None:
        raise FormatError("not an OFF file: it does not begin with 'OFF'")
    if header[4] or header[5]:
        raise FormatError("binary OFF and vertices of other than 3 coordinates are not supported")
    words = Words(np.frombuffer(text[header.end() :], np.uint8))
    counts = words.counts[words.counts > 0]
    values = parse_floats(words.symbols.tobytes(), "an OFF file")
    if len(values) < 2:
        raise FormatError("the counts of vertices and faces are missing")
    vertex_count, face_count = as_indices(values[:2]).tolist()
    size = 3 + 2 * bool(header[1]) + 4 * bool(header[2]) + 3 * bool(header[3])
    return _Numbers(values, counts, vertex_count, face_count, size)


def _read_lines(
    numbers: _Numbers,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Vertices, corners and sizes of faces, each vertex and face in a line of its own."""
    counts, values = numbers.counts, numbers.values
    vertex_count, face_count = numbers.vertex_count, numbers.face_count
    if (
        counts[0] < 2
        or min(vertex_count, face_count) < 0
        or vertex_count + face_count >= len(counts)
    ):
        raise FormatError(
            f"truncated: the header declares {vertex_count} vertices and {face_count} faces, "
            f"but {len(counts) - 1} lines follow"
        )
    # 1. Vertices: the first three numbers of each line.
    first = np.cumsum(counts) - counts
    rows, faces = np.split(np.arange(1, 1 + vertex_count + face_count), [vertex_count])
    if np.any(counts[rows] < 3):
        raise FormatError("a vertex has fewer than 3 numbers")
    vertices = values[first[rows][:, None] + np.arange(3)]

    # 2. Faces: the number of corners, the corners, possibly a colour.
    sizes = as_indices(values[first[faces]])
    if np.any((sizes < 0) | (sizes >= counts[faces])):
        raise FormatError("a face has fewer corners than it declares")
    return vertices, as_indices(values[_corner_places(first[faces] + 1, sizes)]), sizes


def _read_stream(
    numbers: _Numbers,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Vertices, corners and sizes of faces, whatever the lines; None if the numbers do not fit.

    Every number must be used, and every face must have corners that exist.
    """
    if min(numbers.vertex_count, numbers.face_count) < 0:
        return None
    # Some files leave out the third number, the count of edges.
    begins = (3,) if numbers.counts[0] > 2 else (2, 3)
    found = (_read_stream_from(numbers, begin) for begin in begins)
    return next((parts for parts in found if parts is not None), None)


def _read_stream_from(
    numbers: _Numbers, begin: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Read a stream whose vertices begin with number `begin`; see `_read_stream`."""
    values = numbers.values
    middle = begin + numbers.vertex_count * numbers.vertex_size
    places = _face_places(values, middle, numbers.face_count)
    if places is None:
        return None
    vertices = values[begin:middle].reshape(-1, numbers.vertex_size)[:, :3]
    sizes = values[places].astype(np.int64)
    corners = values[_corner_places(places + 1, sizes)]
    if not np.all((corners >= 0) & (corners < len(vertices)) & (corners == np.floor(corners))):
        return None
    return vertices, corners.astype(np.int64), sizes


def _face_places(
    values: NDArray[np.float64], position: int, face_count: int
) -> NDArray[np.int64] | None:
    """Places of the faces' sizes in a stream; None if the faces do not end with the values."""
    places: list[int] = []
    while len(places) < face_count and position < len(values):
        size = values[position]
        if not (1 <= size < len(values) and size == int(size)):
            return None
        places.append(position)
        position += 1 + int(size)
    if len(places) < face_count or position != len(values):
        return None
    return np.array(places, np.int64)


def _corner_places(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places (C,) of the corners of faces, of which the first are at `begins`."""
    step = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places: NDArray[np.int64] = np.repeat(begins, sizes) + step
    return places

"""Reader of OFF files: vertices and faces, nothing else."""

import re

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
_HEADER = re.compile(rb"\s*(?:ST)?C?N?(4?n?)OFF\s*(BINARY)?")


def read_off(data: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the vertices and faces of an OFF file; colours, normals and so on are skipped.

    Polygons are cut into triangles. Faces of one or two corners are skipped.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite or in no face, and faces (F, 3), rows
        of the vertices.

    Raises:
        FormatError: a number cannot be parsed, there are fewer lines than the header declares, or
            a face uses a vertex that does not exist.
    """
    counts, values, vertex_count, face_count = _parse_lines(plain_lines(data))

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
    step = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    corners = as_indices(values[np.repeat(first[faces] + 1, sizes) + step])
    check_range(corners, sizes, vertex_count)
    return vertices, triangulate(vertices, corners, sizes)


def _parse_lines(text: bytes) -> tuple[NDArray[np.int64], NDArray[np.float64], int, int]:
    """Numbers in each line (L,), all numbers, and the declared counts of vertices and faces.

    Lines without numbers are skipped; the first of the others declares the counts.
    """
    header = _HEADER.match(text)
    if header is None:
        raise FormatError("not an OFF file: it does not begin with 'OFF'")
    if header[1] or header[2]:
        raise FormatError("binary OFF and vertices of other than 3 coordinates are not supported")
    words = Words(np.frombuffer(text[header.end() :], np.uint8))
    counts = words.counts[words.counts > 0]
    values = parse_floats(words.symbols.tobytes(), "an OFF file")
    if len(counts) == 0 or counts[0] < 2:
        raise FormatError("the counts of vertices and faces are missing")
    vertex_count, face_count = as_indices(values[:2]).tolist()
    if min(vertex_count, face_count) < 0 or vertex_count + face_count >= len(counts):
        raise FormatError(
            f"truncated: the header declares {vertex_count} vertices and {face_count} faces, "
            f"but {len(counts) - 1} lines follow"
        )
    return counts, values, vertex_count, face_count

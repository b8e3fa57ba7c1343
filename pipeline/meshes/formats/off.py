"""OFF files: where the vertices are and which faces they make, and nothing else."""

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

# ModelNet has thousands of files with the keyword and the counts in one: OFF490 518 0.
_HEADER = re.compile(rb"\s*(?:ST)?C?N?(4?n?)OFF\s*(BINARY)?")


def read_off(data: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Reads an OFF file's vertices and faces; colours, normals and the rest are skipped.

    Polygons are cut into triangles. Faces of one or two corners are left out.

    Returns:
        Vertices (V, 3), as they come: possibly not finite, possibly in no face. Faces (F, 3),
        all of them rows of the vertices.

    Raises:
        FormatError: numbers that are none, less lines than the header says, or a face with a
            vertex that is not there.
    """
    # 1. Lines that have words; the first says how many vertices and faces follow.
    text = plain_lines(data)
    header = _HEADER.match(text)
    if header is None:
        raise FormatError("not an OFF file: it does not begin with 'OFF'")
    if header[1] or header[2]:
        raise FormatError("OFF in binary or with other than three coordinates cannot be read")
    words = Words(np.frombuffer(text[header.end() :], np.uint8))
    counts = words.counts[words.counts > 0]
    values = parse_floats(words.symbols.tobytes(), "an OFF file")
    if len(counts) == 0 or counts[0] < 2:
        raise FormatError("the counts of vertices and faces are missing")
    vertex_count, face_count = as_indices(values[:2]).tolist()
    if min(vertex_count, face_count) < 0 or vertex_count + face_count >= len(counts):
        raise FormatError(
            f"truncated: {vertex_count} vertices and {face_count} faces should be there, "
            f"but {len(counts) - 1} lines are"
        )

    # 2. Vertices: the first three numbers of their lines.
    first = np.cumsum(counts) - counts
    rows, faces = np.split(np.arange(1, 1 + vertex_count + face_count), [vertex_count])
    if np.any(counts[rows] < 3):
        raise FormatError("a vertex has less than 3 numbers")
    vertices = values[first[rows][:, None] + np.arange(3)]

    # 3. Faces: how many corners, the corners, possibly a colour.
    sizes = as_indices(values[first[faces]])
    if np.any((sizes < 0) | (sizes >= counts[faces])):
        raise FormatError("a face has less corners than it says")
    step = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    corners = as_indices(values[np.repeat(first[faces] + 1, sizes) + step])
    check_range(corners, sizes, vertex_count)
    return vertices, triangulate(vertices, corners, sizes)

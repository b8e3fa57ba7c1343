"""Reader of Wavefront OBJ files: vertices and faces, nothing else.

It works on whole arrays instead of line by line: it selects the bytes of all vertex lines, then
those of all face lines, and numpy parses each selection in one call. Half a million faces take
about one second.
"""

import re

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.text import (
    NEWLINE,
    SLASH,
    SPACE,
    FormatError,
    Words,
    check_range,
    parse_floats,
    parse_integers,
    plain_lines,
)
from shapegan.pipeline.meshes.formats.triangulate import triangulate

_SLASH_TO_BLANK = bytes.maketrans(b"/", b" ")
_CORNER = re.compile(r"[+-]?\d+(/([+-]?\d+)?)*")


def read_obj(data: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the vertices and faces of an OBJ file; materials, groups, curves and so on are skipped.

    Polygons are cut into triangles. Faces of one or two corners are skipped.

    Returns:
        Vertices (V, 3) as in the file, possibly not finite or in no face, and faces (F, 3), rows
        of the vertices.

    Raises:
        FormatError: a number cannot be parsed, or a face uses a vertex that does not exist.
    """
    # 1. Lines: find those of vertices and those of faces.
    symbols = np.frombuffer(_joined_lines(data), np.uint8)
    ends = np.flatnonzero(symbols == NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    after = symbols[np.minimum(starts + 1, ends)]
    known = (after == SPACE) | (after == NEWLINE)
    is_vertex = known & (symbols[starts] == ord("v"))
    is_face = known & (symbols[starts] == ord("f"))

    # 2. Vertices: the first three numbers of each line; weights and colours may follow.
    vertices = _vertices(Words(_selected_lines(symbols, starts, ends, is_vertex)))
    if len(vertices) == 0:
        raise FormatError("no vertices")

    # 3. Faces: the first number of each word; texture and normal indices follow the slash.
    words = Words(_selected_lines(symbols, starts, ends, is_face))
    written = _corners(words)
    vertices_before = np.repeat(np.cumsum(is_vertex)[is_face], words.counts)
    corners = np.where(written < 0, written + vertices_before, written - 1)
    check_range(corners, words.counts, len(vertices), written, base=1)
    return vertices, triangulate(vertices, corners, words.counts)


def _joined_lines(data: bytes) -> bytes:
    """Join continued lines, and remove blanks before keywords."""
    text = plain_lines(data)
    if b"\\ " in text:
        # Blanks may follow the backslash of a vertex or face; names may end in a backslash.
        text = re.sub(rb"(?m)^( *(?:[vf] |[-+.\d])[^\n]*\\) +$", rb"\1", text)
    if b"\\\n" in text:
        text = text.replace(b"\\\n", b" ")
    if text.startswith(b" ") or b"\n " in text:
        text = re.sub(rb"(?m)^ +", b"", text)
    return text if text.endswith(b"\n") else text + b"\n"


def _selected_lines(
    symbols: NDArray[np.uint8],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    selected: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Bytes of the selected lines, newlines included, with spaces in place of the keywords."""
    text = symbols[np.repeat(selected, ends + 1 - starts)]
    lengths = (ends + 1 - starts)[selected]
    text[np.cumsum(lengths) - lengths] = SPACE
    return text


def _vertices(words: Words) -> NDArray[np.float64]:
    short = np.flatnonzero(words.counts < 3)
    if len(short):
        count = words.counts[short[0]]
        raise FormatError(f"vertex {short[0] + 1} has {count} numbers, expected 3")
    values = parse_floats(words.symbols.tobytes(), "a vertex")
    first = np.cumsum(words.counts) - words.counts
    return values[first[:, None] + np.arange(3)]


def _corners(words: Words) -> NDArray[np.int64]:
    """Vertex indices as written in the file: the first number of each word."""
    symbols = words.symbols
    separates = (symbols == SPACE) | (symbols == NEWLINE) | (symbols == SLASH)
    numbers = np.flatnonzero(~separates[1:] & separates[:-1]) + 1
    is_first = symbols[numbers - 1] != SLASH
    values = parse_integers(symbols.tobytes().translate(_SLASH_TO_BLANK), len(numbers))
    if values is None or np.count_nonzero(is_first) != len(words):
        printable_words = (words.printable(index) for index in range(len(words)))
        wrong = next((word for word in printable_words if not _CORNER.fullmatch(word)), "")
        raise FormatError(f"a face has '{wrong}' where an index should be")
    first: NDArray[np.int64] = values[is_first]
    return first

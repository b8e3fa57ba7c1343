"""Wavefront OBJ files: where the vertices are and which faces they make, and nothing else.

Whole arrays are read at once instead of line by line: bytes are marked by the kind of their line,
and numpy turns those of a kind into numbers in one go. Half a million faces take a second.
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
    """Reads an OBJ file's vertices and faces; materials, groups, curves and the rest are skipped.

    Polygons are cut into triangles. Faces of one or two corners are left out.

    Returns:
        Vertices (V, 3), as they come: possibly not finite, possibly in no face. Faces (F, 3),
        all of them rows of the vertices.

    Raises:
        FormatError: numbers that are none, or a face with a vertex that is not there.
    """
    # 1. Lines: which are vertices, which are faces?
    symbols = np.frombuffer(_joined_lines(data), np.uint8)
    ends = np.flatnonzero(symbols == NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    after = symbols[np.minimum(starts + 1, ends)]
    known = (after == SPACE) | (after == NEWLINE)
    is_vertex = known & (symbols[starts] == ord("v"))
    is_face = known & (symbols[starts] == ord("f"))

    # 2. Vertices: the first three numbers of their lines; weights and colours may follow.
    vertices = _vertices(Words(_only(symbols, starts, ends, is_vertex)))
    if len(vertices) == 0:
        raise FormatError("no vertices")

    # 3. Faces: the first number of each word; texture and normal indices follow the slash.
    words = Words(_only(symbols, starts, ends, is_face))
    written = _corners(words)
    so_far = np.repeat(np.cumsum(is_vertex)[is_face], words.counts)
    corners = np.where(written < 0, written + so_far, written - 1)
    check_range(corners, words.counts, len(vertices), written, base=1)
    return vertices, triangulate(vertices, corners, words.counts)


def _joined_lines(data: bytes) -> bytes:
    """Lines that begin with their keyword, those that were continued in one piece."""
    text = plain_lines(data)
    if b"\\\n" in text:
        text = text.replace(b"\\\n", b" ")
    if text.startswith(b" ") or b"\n " in text:
        text = re.sub(rb"(?m)^ +", b"", text)
    return text if text.endswith(b"\n") else text + b"\n"


def _only(
    symbols: NDArray[np.uint8],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    chosen: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """The bytes of the chosen lines, ends included, with a space in the place of the keyword."""
    some = symbols[np.repeat(chosen, ends + 1 - starts)]
    lengths = (ends + 1 - starts)[chosen]
    some[np.cumsum(lengths) - lengths] = SPACE
    return some


def _vertices(words: Words) -> NDArray[np.float64]:
    short = np.flatnonzero(words.counts < 3)
    if len(short):
        count = words.counts[short[0]]
        raise FormatError(f"vertex {short[0] + 1} has {count} numbers, expected 3")
    values = parse_floats(words.symbols.tobytes(), "a vertex")
    first = np.cumsum(words.counts) - words.counts
    return values[first[:, None] + np.arange(3)]


def _corners(words: Words) -> NDArray[np.int64]:
    """The indices as written, one for each word."""
    symbols = words.symbols
    apart = (symbols == SPACE) | (symbols == NEWLINE) | (symbols == SLASH)
    numbers = np.flatnonzero(~apart[1:] & apart[:-1]) + 1
    leads = symbols[numbers - 1] != SLASH
    values = parse_integers(symbols.tobytes().translate(_SLASH_TO_BLANK), len(numbers))
    if values is None or np.count_nonzero(leads) != len(words):
        words_shown = (words.shown(index) for index in range(len(words)))
        odd = next((word for word in words_shown if not _CORNER.fullmatch(word)), "")
        raise FormatError(f"a face has '{odd}' where an index should be")
    leading: NDArray[np.int64] = values[leads]
    return leading

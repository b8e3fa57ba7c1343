"""Reader of STL text: facets, and the statements between them that open and close solids.

Facets are found by their full pattern, so names of solids may hold any words. The text between two
facets must be statements that begin with `solid` or `endsolid`, or remarks; anything that begins as
a part of a facet is an incomplete facet, and the file is refused.
"""

import re

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.text import (
    FormatError,
    parse_floats,
    plain_blanks,
    printable,
)
from shapegan.pipeline.meshes.formats.triangulate import triangulate

_BODY = (
    rb"facet(?:\s+normal(?:\s+(?!outer)\S+){0,3})?\s+outer\s*loop"
    rb"((?:\s+vertex(?:\s+[^\sv]+){3}){3,})\s+end\s*loop\s+end\s*facet(?!\S)"
)
_NEXT_FACET = re.compile(rb"\s*" + _BODY)
_ANY_FACET = re.compile(rb"(?<!\S)" + _BODY)
_CLOSE = re.compile(rb"end[ _]*solid(?!\S)")
_OPEN = re.compile(rb"solid(?!\S)")
_PART_OF_FACET = re.compile(rb"facet|normal|outer|loop|vertex|end|[+-]?\.?\d")
_LOOP = re.compile(rb"\bouter\s*loop\b")
_STATEMENT = re.compile(rb"(?<!\S)((solid|facet)(?!\S)|s(o(li?)?)?$)")


def read_stl_text(data: bytes, notes: list[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the triangles of all solids; see `shapegan.pipeline.meshes.formats.stl.read_stl`.

    Raises:
        FormatError: the text is not STL, is cut off, or has an incomplete facet.
    """
    text = plain_blanks(data).lower().rstrip(b"\0\x1a \n")
    loops, gaps = _split(text)
    if not loops and not text.lstrip().startswith((b"solid", b"facet")):
        raise FormatError("not an STL file: neither binary nor a text of facets")
    has_ends = [_check_gap(before, gap) for before, gap in gaps[:-1]]
    opening = gaps[-2][1].strip() if len(gaps) > 1 else b""
    is_closed = _check_end(len(loops), gaps[-1][1], opening, is_one_line=b"\n" not in text)
    if not is_closed and any(has_ends):
        raise FormatError("truncated: the last solid has no endsolid, but another one has")
    if not loops:
        raise FormatError("no faces: the file has no facets")
    if not is_closed:
        notes.append("the solid has no endsolid: the file may be cut off")
    counts = np.array([loop.count(b"vertex") for loop in loops])
    vertices = parse_floats(b"".join(loops).replace(b"vertex", b""), "a vertex").reshape(-1, 3)
    return vertices, triangulate(vertices, np.arange(len(vertices)), counts)


def _split(text: bytes) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """Split a text into the vertices of each facet, and the gaps: what lies between facets.

    Returns:
        The vertices, and the gaps, each with the number of facets before it. Gaps of blanks are
        left out, but for the last one, which follows the last facet.
    """
    loops: list[bytes] = []
    gaps: list[tuple[int, bytes]] = []
    position = 0
    while True:
        facet = _NEXT_FACET.match(text, position)
        if facet is None:
            facet = _ANY_FACET.search(text, position)
            gaps.append((len(loops), text[position : facet.start() if facet else len(text)]))
        if facet is None:
            return loops, gaps
        loops.append(facet[1])
        position = facet.end()


def _check_gap(before: int, gap: bytes) -> bool:
    """Check what lies between two facets; True if it closes a solid.

    Raises:
        FormatError: it has an incomplete facet.
    """
    lines = _lines(gap)
    for line in lines:
        if not _CLOSE.match(line) and _PART_OF_FACET.match(line):
            raise _incomplete(before, line)
    # A facet in the line of a name would pass for a part of the name.
    loop = _LOOP.search(gap, gap.rfind(b"\n") + 1)
    if loop:
        raise _incomplete(before, gap[loop.start() :])
    return any(_CLOSE.match(line) for line in lines)


def _check_end(before: int, gap: bytes, opening: bytes, is_one_line: bool) -> bool:
    """Check what follows the last facet; True if it closes the last solid.

    Args:
        before: number of facets.
        gap: the text.
        opening: the text before the facets of the last solid.
        is_one_line: True if nothing separates names from the statements that follow.

    Raises:
        FormatError: the file is cut off.
    """
    is_closed = is_empty = False
    for line in _lines(gap):
        close = _CLOSE.match(line)
        if close:
            is_closed, is_empty = True, False
            name = line[close.end() :].strip()
            opened = b" " + opening
            if is_one_line and not opened.endswith(b" solid " + name) and _STATEMENT.search(name):
                raise FormatError("truncated: the text ends within a solid")
        elif _OPEN.match(line):
            is_empty = True
        elif _PART_OF_FACET.match(line) or b"solid".startswith(line) or b"facet".startswith(line):
            raise _incomplete(before, line)
    if is_empty:
        raise FormatError("truncated: the last solid has neither facets nor an endsolid")
    return is_closed


def _lines(gap: bytes) -> list[bytes]:
    return [line.strip() for line in gap.split(b"\n") if line.strip()]


def _incomplete(before: int, text: bytes) -> FormatError:
    return FormatError(f"truncated: facet {before + 1} is incomplete at '{printable(text)}'")

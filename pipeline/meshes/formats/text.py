"""Parsing of text files of numbers: lines, words and numbers as whole arrays."""

import re
import warnings

import numpy as np
from numpy.typing import NDArray

SPACE, NEWLINE, SLASH = b" \n/"

_BOM = b"\xef\xbb\xbf"
_BLANKS = bytes.maketrans(b"\t\v\f\r", b"   \n")
_NOT_A_NUMBER = re.compile(rb"[+-]?(1\.!|nan|inf)", re.IGNORECASE)


class FormatError(ValueError):
    """A file that violates its format; the message is one line."""


def plain_blanks(data: bytes) -> bytes:
    """Replace blanks by spaces and line ends by newlines."""
    # Microsoft's C library writes not-a-number as 1.#QNAN and so on: no comment begins there.
    text = data.removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"1.#", b"1.!")
    return text.translate(_BLANKS)


def plain_lines(data: bytes) -> bytes:
    """Replace blanks by spaces and line ends by newlines, and remove comments.

    Returns:
        Text that ends with a newline.
    """
    text = plain_blanks(data)
    if b"#" in text:
        text = re.sub(rb"#[^\n]*", b"", text)
    return text + b"\n"


class Words:
    """Words of a text: their positions, and their number in each line."""

    def __init__(self, symbols: NDArray[np.uint8]) -> None:
        """Find the words in `symbols`, (N,) bytes of a text from `plain_lines`."""
        self.symbols = symbols
        blank = (symbols == SPACE) | (symbols == NEWLINE)
        first = ~blank
        first[1:] &= blank[:-1]
        self.starts = np.flatnonzero(first)
        """(W,), position of each word's first byte."""
        ends = np.flatnonzero(symbols == NEWLINE)
        self.counts = np.diff(np.searchsorted(self.starts, ends), prepend=0)
        """(L,), number of words in each line."""

    def __len__(self) -> int:
        return len(self.starts)

    def printable(self, index: int) -> str:
        """A word in printable form, for messages."""
        return printable(self.symbols[self.starts[index] :][:40].tobytes().split()[0])


def parse_integers(text: bytes, count: int) -> NDArray[np.int64] | None:
    """Read `count` blank-separated integers, or return None if the text is something else.

    Numbers that int64 cannot hold become the nearest that it can.
    """
    values = _parse(text, np.int64)
    return (
        values.astype(np.int64, copy=False) if values is not None and len(values) == count else None
    )


def parse_floats(text: bytes, what: str) -> NDArray[np.float64]:
    """Read blank-separated numbers; all usual spellings of not-a-number become NaN.

    Args:
        text: the words.
        what: subject of the error message, such as "a vertex".

    Raises:
        FormatError: a word is not a number.
    """
    values = _parse(text, np.float64)
    if values is None:
        values = np.array([_number(word, what) for word in text.split()])
    return values.astype(np.float64, copy=False)


def as_indices(values: NDArray[np.number]) -> NDArray[np.int64]:
    """Convert numbers of any type to int64.

    Raises:
        FormatError: one of them is not a whole number.
    """
    if values.dtype.kind == "f":
        wrong = np.flatnonzero(~((np.abs(values) < 2**53) & (values == np.rint(values))))
        if len(wrong) == 0:
            return values.astype(np.int64)
        raise FormatError(f"a face has '{values[wrong[0]]:g}' where an index should be")
    return values.astype(np.int64)


def printable(word: bytes) -> str:
    """At most 24 bytes of a word in printable form, for messages."""
    return word[:24].decode("latin-1").encode("unicode_escape").decode("ascii")


def check_range(
    corners: NDArray[np.int64],
    counts: NDArray[np.int64],
    vertices: int,
    written: NDArray[np.int64] | None = None,
    base: int = 0,
) -> None:
    """Check that faces use existing vertices.

    Args:
        corners: (C,), rows of the vertices, face after face.
        counts: (P,), corners of each face.
        vertices: number of vertices.
        written: (C,), the corners as written in the file, for the message.
        base: number of the first vertex and of the first face in the file, for the message.

    Raises:
        FormatError: a face uses a vertex that does not exist; the message names the first one.
    """
    wrong = np.flatnonzero((corners < 0) | (corners >= vertices))
    if len(wrong):
        face = np.searchsorted(np.cumsum(counts), wrong[0], side="right") + base
        index = (corners if written is None else written)[wrong[0]]
        existing = f"vertices {base} to {vertices - 1 + base}" if vertices else "no vertices"
        raise FormatError(f"face {face} uses vertex {index}; there are {existing}")


def _parse(text: bytes, dtype: type) -> NDArray[np.generic] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # older versions of numpy only warn
        try:
            values: NDArray[np.generic] = np.fromstring(text, dtype, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
    return values


def _number(word: bytes, what: str) -> float:
    try:
        return float(word)
    except ValueError:
        if _NOT_A_NUMBER.match(word):
            return float("nan")
        raise FormatError(f"{what} has '{printable(word)}' where a number should be") from None

"""Text files of numbers: lines, words and numbers as whole arrays."""

import re
import warnings

import numpy as np
from numpy.typing import NDArray

SPACE, NEWLINE, SLASH = b" \n/"

_BOM = b"\xef\xbb\xbf"
_BLANKS = bytes.maketrans(b"\t\v\f\r", b"   \n")
_NOT_A_NUMBER = re.compile(rb"[+-]?(1\.!|nan|inf)", re.IGNORECASE)


class FormatError(ValueError):
    """A file that breaks the rules of its format; the message is one line."""


def plain_lines(data: bytes) -> bytes:
    """Blanks become spaces, ends become newlines, and comments go; no line begins with a blank.

    Always ends with a newline.
    """
    # Microsoft's C library writes not-a-number as 1.#QNAN and the like: no comment begins there.
    text = data.removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"1.#", b"1.!")
    text = text.translate(_BLANKS)
    if b"#" in text:
        text = re.sub(rb"#[^\n]*", b"", text)
    return text + b"\n"


class Words:
    """Words of a text: where each begins, and how many each line has."""

    def __init__(self, symbols: NDArray[np.uint8]) -> None:
        """`symbols`: (N,), bytes as `plain_lines` leaves them."""
        self.symbols = symbols
        blank = (symbols == SPACE) | (symbols == NEWLINE)
        first = ~blank
        first[1:] &= blank[:-1]
        self.starts = np.flatnonzero(first)
        """Where each word begins."""
        ends = np.flatnonzero(symbols == NEWLINE)
        self.counts = np.diff(np.searchsorted(self.starts, ends), prepend=0)
        """Words in each line."""

    def __len__(self) -> int:
        return len(self.starts)

    def shown(self, index: int) -> str:
        """A word, fit for a message."""
        return shown(self.symbols[self.starts[index] :][:40].tobytes().split()[0])


def parse_integers(text: bytes, count: int) -> NDArray[np.int64] | None:
    """Reads `count` blank-separated integers; gives None if the text is something else.

    What does not fit is the nearest that does.
    """
    values = _parse(text, np.int64)
    return (
        values.astype(np.int64, copy=False) if values is not None and len(values) == count else None
    )


def parse_floats(text: bytes, what: str) -> NDArray[np.float64]:
    """Reads blank-separated numbers; those spelt as not-a-number in any way become NaN.

    Args:
        text: the words.
        what: what has these numbers, for the message.

    Raises:
        FormatError: a word is no number.
    """
    values = _parse(text, np.float64)
    if values is None:
        values = np.array([_number(word, what) for word in text.split()])
    return values.astype(np.float64, copy=False)


def as_indices(values: NDArray[np.number]) -> NDArray[np.int64]:
    """Makes indices of numbers of any kind.

    Raises:
        FormatError: one of them is not whole.
    """
    if values.dtype.kind == "f":
        odd = np.flatnonzero(~((np.abs(values) < 2**53) & (values == np.rint(values))))
        if len(odd) == 0:
            return values.astype(np.int64)
        raise FormatError(f"a face has '{values[odd[0]]:g}' where an index should be")
    return values.astype(np.int64)


def shown(word: bytes) -> str:
    """A word out of a file, fit for a message: printable and short."""
    return word[:24].decode("latin-1").encode("unicode_escape").decode("ascii")


def check_range(
    corners: NDArray[np.int64],
    counts: NDArray[np.int64],
    vertices: int,
    written: NDArray[np.int64] | None = None,
    base: int = 0,
) -> None:
    """Sees to it that faces use vertices that are there.

    Args:
        corners: (C,), rows of the vertices, face after face.
        counts: (P,), corners of each face.
        vertices: how many there are.
        written: (C,), the same as the file has them, for the message.
        base: what the file calls the first vertex and the first face.

    Raises:
        FormatError: one does not; the first is named.
    """
    wrong = np.flatnonzero((corners < 0) | (corners >= vertices))
    if len(wrong):
        face = np.searchsorted(np.cumsum(counts), wrong[0], side="right") + base
        index = (corners if written is None else written)[wrong[0]]
        there = f"vertices {base} to {vertices - 1 + base}" if vertices else "no vertices"
        raise FormatError(f"face {face} uses vertex {index}; there are {there}")


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
        raise FormatError(f"{what} has '{shown(word)}' where a number should be") from None

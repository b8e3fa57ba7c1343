"""Rows of PLY text as one sequence of numbers."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.ply_header import Element
from shapegan.pipeline.meshes.formats.text import Words, parse_floats, plain_lines


def parse_rows(body: bytes, elements: list[Element], notes: list[str]) -> NDArray[np.float64]:
    """Numbers of all rows, one row after the other, and of what follows them.

    If every row has a line of its own, the values that a line has beyond those that the header
    declares are left out. Otherwise the lines do not count, and all numbers are returned.

    Args:
        body: the text after the header.
        elements: the declared elements.
        notes: gets a line if values are left out.

    Raises:
        FormatError: a word is not a number.
    """
    words = Words(np.frombuffer(plain_lines(body), np.uint8))
    values = parse_floats(words.symbols.tobytes(), "a PLY file")
    counts = words.counts[words.counts > 0]
    lengths = _row_lengths(values, counts, elements)
    if lengths is None:
        return values
    longer = np.count_nonzero(counts[: len(lengths)] > lengths)
    if not longer:
        return values
    notes.append(f"left out values of {longer} rows that are longer than the header declares")
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = (np.cumsum(counts) - counts)[: len(lengths)]
    rest = values[counts[: len(lengths)].sum() :]
    return np.concatenate([values[np.repeat(first, lengths) + step], rest])


def _row_lengths(
    values: NDArray[np.float64], counts: NDArray[np.int64], elements: list[Element]
) -> NDArray[np.int64] | None:
    """Declared length (R,) of each row if row i is in line i; None if it cannot be there.

    Args:
        values: (N,), all numbers.
        counts: (L,), numbers in each line.
        elements: the declared elements.
    """
    ends = np.cumsum(counts)
    starts, row = ends - counts, 0
    lengths = [np.empty(0, np.int64)]
    for element in elements:
        rows = slice(row, row + max(element.count, 0))
        begins, limits = starts[rows], ends[rows]
        if len(begins) < element.count:
            return None
        position = begins.copy()
        for prop in element.properties.values():
            if np.any(position >= limits):
                return None
            if prop.length_dtype is not None:
                sizes = values[position]
                if not np.all((sizes >= 0) & (sizes <= len(values)) & (sizes == np.floor(sizes))):
                    return None
                position = position + sizes.astype(np.int64)
            position = position + 1
        if np.any(position > limits):
            return None
        lengths.append(position - begins)
        row += element.count
    return np.concatenate(lengths)

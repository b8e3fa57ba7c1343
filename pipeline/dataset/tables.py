r"""Tables as CSV: valid UTF-8, a line for each row, and every text comes back as it was.

Names of files are bytes, and need not be UTF-8; Python holds what is none as lone surrogates. They
may even hold line breaks. In a table these are spelled out as in JSON: byte FF as `\udcff`, a line
feed as `\u000a`. Where a text has such a spelling of its own, its backslash is spelled out, too.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shapegan.pipeline.files import read_text, write_text

_UNFIT = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
"""Whatever some reader takes for the end of a line, and what has no UTF-8."""
_SPELLED = re.compile(r"\\u(00[01][0-9a-f]|005c|007f|0085|202[89]|d[89a-f][0-9a-f]{2})")
"""All that `_UNFIT` can become, and a backslash."""


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table, or raises `OutputError` and leaves what was there."""
    write_text(path, table_text(header, rows))


def read_table(path: Path) -> list[dict[str, Any]]:
    """Reads what `write_table` wrote: texts by their column's name.

    Raises:
        OSError: where the file cannot be read.
        csv.Error: where it is no table.
    """
    rows = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    return [
        {name: _plain(text) if isinstance(text, str) else text for name, text in row.items()}
        for row in rows
    ]


def table_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """What `write_table` writes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_spelled(cell) for cell in row] for row in rows)
    return text.getvalue()


def _spelled(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = _SPELLED.sub(lambda found: r"\u005c" + found[0][1:], cell)
    return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(text: str) -> str:
    return _SPELLED.sub(lambda found: chr(int(found[1], 16)), text)

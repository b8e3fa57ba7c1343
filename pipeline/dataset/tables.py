r"""CSV tables: valid UTF-8, one line per row, and every text is read as it was written.

File names are bytes and need not be UTF-8; Python represents other bytes as lone surrogates. File
names may even contain line breaks. A table escapes both as JSON does: byte FF as `\udcff`, a line
feed as `\u000a`. If a text itself contains such an escape, its backslash is escaped too.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shapegan.pipeline.files import read_text, write_text

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
"""Characters that some reader takes for a line break, and those without UTF-8."""
_ESCAPE = re.compile(r"\\u(00[01][0-9a-f]|005c|007f|0085|202[89]|d[89a-f][0-9a-f]{2})")
"""The escapes of all characters in `_UNSAFE`, and of a backslash."""


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table.

    Raises:
        OutputError: the file cannot be written; an existing one is left unchanged.
    """
    write_text(path, table_text(header, rows))


def read_table(path: Path) -> list[dict[str, Any]]:
    """Read a table that `write_table` wrote, as one dictionary (column -> text) per row.

    Raises:
        OSError: the file cannot be read.
        csv.Error: the file is not a table.
    """
    rows = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    return [
        {name: _unescape(text) if isinstance(text, str) else text for name, text in row.items()}
        for row in rows
    ]


def table_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The text that `write_table` writes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_escape(cell) for cell in row] for row in rows)
    return text.getvalue()


def _escape(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = _ESCAPE.sub(lambda found: r"\u005c" + found[0][1:], cell)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)

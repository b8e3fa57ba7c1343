"""CSV files of a run: rows are appended, and a resumed run drops those after its checkpoint."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from shapegan.pipeline.files import read_text, write_text


def append_row(path: Path, columns: Sequence[str], row: Mapping[str, float]) -> None:
    """Append a row, and write the header first if the file is new; missing values stay empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    if not path.exists():
        writer.writeheader()
    writer.writerow(dict(row))
    with path.open("a", encoding="utf-8") as file:
        file.write(text.getvalue())


def drop_rows_after(path: Path, columns: Sequence[str], total: int) -> None:
    """Drop the rows of a killed run after a step; the first column counts steps."""
    if not path.exists():
        return
    header = ",".join(columns)
    # A killed run may leave part of a line, whose first number may be cut as well.
    lines = read_text(path).splitlines()
    whole = [line for line in lines[1:] if line.count(",") == header.count(",")]
    kept = [row for row in whole if int(row.split(",")[0]) <= total]
    write_text(path, "\n".join([header, *kept]) + "\n")


def read_rows(path: Path, last: int | None = None) -> list[dict[str, float]]:
    """Read the whole rows, or the last ones of them; a row that is being written does not count.

    Raises:
        ValueError, TypeError: the file is damaged.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        return []
    header, *lines = text[: text.rfind("\n") + 1].splitlines() or [""]
    lines = lines if last is None else lines[-last:]
    table = csv.DictReader(io.StringIO("\n".join([header, *lines])))
    return [{name: float(value) for name, value in row.items() if value} for row in table]

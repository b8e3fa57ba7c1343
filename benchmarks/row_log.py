"""Rows of Markdown tables that are shown and kept as soon as they are measured."""

import json
from pathlib import Path
from typing import Any


class Rows:
    """Rows of a table, printed and appended to a file one by one."""

    def __init__(self, file: Path) -> None:
        self._file, self._names = file, list[str]()

    def add(self, table: str, row: dict[str, Any]) -> None:
        """Print a row, after its header if the table is new, and append it to the file."""
        if [table, *row] != self._names:
            self._names = [table, *row]
            print(f"\n| {' | '.join(row)} |\n|{' ---: |' * len(row)}")
        shown = (
            f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()
        )
        print(f"| {' | '.join(shown)} |", flush=True)
        with self._file.open("a") as file:
            file.write(json.dumps({"table": table} | row) + "\n")

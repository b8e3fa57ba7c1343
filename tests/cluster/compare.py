"""Compares the losses of two runs, whose sums were rounded in another order: two metrics.csv."""

import csv
import math
import sys
from pathlib import Path

TOLERANCE = 2e-2
"""Of a column's largest value, after 20 steps. Sums over two processes round otherwise than over
one, and a GAN makes what differs larger from step to step."""
TIMES = ("seconds", "shapes_per_second", "waiting")


def main() -> None:
    """Prints the losses side by side; exit code 1 where they differ."""
    first, second = (read(Path(name)) for name in sys.argv[1:])
    if len(first) != len(second):
        sys.exit(f"{len(first)} rows and {len(second)} rows")
    names = [name for name in first[0] if name not in TIMES and first[0][name]]
    worst = 0.0
    for name in names:
        columns = [[float(row[name]) for row in rows] for rows in (first, second)]
        scale = max(abs(value) for value in columns[0]) or 1.0
        worst = max(worst, *(abs(a - b) / scale for a, b in zip(*columns, strict=True)))
    for mine, other in zip(first, second, strict=True):
        told = ", ".join(f"{name} {mine[name]} {other[name]}" for name in names[4:])
        print(f"step {mine['total']}: {told}")
    print(f"largest difference, of a column's largest value: {worst:.2g}")
    if not math.isfinite(worst) or worst > TOLERANCE:
        sys.exit("FAILED: the losses differ")


def read(path: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv."""
    with path.open() as file:
        return list(csv.DictReader(file))


main()

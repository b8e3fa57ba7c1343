"""Markdown tables."""

from collections.abc import Iterable, Sequence


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers are aligned right, with three significant digits."""
    lines = [[_cell(value) for value in row] for row in rows]
    numeric = [
        bool(lines) and all(line[k][:1].isdigit() or line[k] in ("-", "") for line in lines)
        for k in range(len(header))
    ]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(header), rule, *lines])


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if value != value:
        return "-"
    if value == 0:
        return "0"
    if value < 1e-3:
        return f"{value:.1e}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

"""Readable counts, sizes and durations."""


def duration(seconds: float) -> str:
    """Format a duration with two units: `2 d 3 h`, `5 min 7 s`."""
    for size, large, part, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {large} {int(seconds % size // part)} {small}"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(count: int, noun: str) -> str:
    """Format a count with its noun, in the plural unless the count is 1."""
    plural = "es" if noun.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{count:,} {noun}{plural if count != 1 else ''}"


def readable_size(count: float) -> str:
    """Format a number of bytes with three digits: `1.23 MB`."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"

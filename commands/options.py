"""What commands share in reading their options."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

MOST_DRAWN = 200
"""Shapes on a sheet; more would be a picture that few programs open."""


def words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Splits what may be given several times or with commas."""
    words = (word.strip() for value in values for word in value.split(","))
    return tuple(word for word in words if word)


def numbers(_: click.Context, __: click.Parameter, value: str) -> tuple[int, ...]:
    """Reads whole numbers with commas between."""
    try:
        return tuple(int(word) for word in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"takes whole numbers with commas, got {value!r}") from error


def some_numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """The same, where nothing may be given."""
    return None if value is None else numbers(context, parameter, value)


def seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Reads `90`, `90s`, `30m`, `2h` or `1.5d`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if value is None:
        return None
    number, unit = (value[:-1], value[-1]) if value[-1:] in units else (value, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"takes a time such as 90s, 30m or 2h, got {value!r}")
    return seconds


def png(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """A file that can be made: better said before the work than after."""
    if path is not None and path.suffix.lower() != ".png":
        raise click.BadParameter(f"takes a name that ends in .png, got {path}")
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path


def decorate(function: Any, options: list[Callable[[Any], Any]]) -> Any:
    """Puts options on a command, in the order in which `--help` shows them."""
    for option in reversed(options):
        function = option(function)
    return function

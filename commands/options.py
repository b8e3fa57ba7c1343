"""Options, and checks of options, that several commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shapegan.commands.completion import complete_datasets, complete_runs
from shapegan.commands.recognise import SOURCES, takes

MOST_DRAWN = 200
"""Shapes in one picture; few programs open larger ones."""


def words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Split an option that may be repeated, and hold several words with commas."""
    words = (word.strip() for value in values for word in value.split(","))
    return tuple(word for word in words if word)


def numbers(_: click.Context, __: click.Parameter, value: str) -> tuple[int, ...]:
    """Read whole numbers separated by commas."""
    try:
        return tuple(int(word) for word in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"takes whole numbers with commas, got {value!r}") from error


def some_numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Read whole numbers separated by commas, if the option is given."""
    return None if value is None else numbers(context, parameter, value)


def seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Read a duration such as `90`, `90s`, `30m`, `2h` or `1.5d`, in seconds."""
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


def finite(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    """Refuse infinity and nan; nan passes every range check."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"takes a finite number, got {value}")
    return value


def png(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Check that a PNG file can be made, before the work rather than after it."""
    if path is not None and path.suffix.lower() != ".png":
        raise click.BadParameter(f"takes a name that ends in .png, got {path}")
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path


def refuse_typed(context: click.Context, why: str, *names: str) -> None:
    """Refuse options that were given but would have no effect.

    Args:
        context: Context of the command.
        why: End of the message, after the option.
        names: Parameters of the options.

    Raises:
        click.UsageError: naming the first of them, in the order of the command's options.
    """
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if given and parameter.name in names:
            raise click.UsageError(f"{parameter.opts[0]} {why}")


def decorate(function: Any, options: list[Callable[[Any], Any]]) -> Any:
    """Add options to a command, in the order in which `--help` shows them."""
    for option in reversed(options):
        function = option(function)
    return function


def film_length_options(length: float) -> list[Callable[[Any], Any]]:
    """The options --seconds and --fps of a film, with the default of its length, s."""
    return [
        click.option(
            "--seconds",
            type=click.FloatRange(0.1, 3600),
            callback=finite,
            default=length,
            show_default=True,
            help="Length of the film.",
        ),
        click.option(
            "--fps",
            type=click.IntRange(1, 120),
            default=24,
            show_default=True,
            help="Frames of the film per second.",
        ),
    ]


source = takes("the folder of a run, a checkpoint, or published weights", *SOURCES)
dataset = takes("a dataset that `preprocess` made", "dataset")
source_argument = click.argument(
    "source",
    metavar="SOURCE",
    type=click.Path(path_type=Path),
    callback=source,
    shell_complete=complete_runs,
)


def source_options(function: Any) -> Any:
    """Options of commands that turn latents into shapes."""
    return decorate(
        function,
        [
            click.option(
                "--truncation",
                type=click.FloatRange(min=0),
                default=1.0,
                callback=finite,
                show_default=True,
                help="Shrink latents towards their mean: less variety, fewer odd shapes.",
            ),
            device_option,
        ],
    )


def surface_options(function: Any) -> Any:
    """Options of commands that extract surfaces from fields."""
    return decorate(function, [resolution_option, level_option])


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="cpu, cuda or cuda:1; auto takes CUDA if it is available.",
)
resolution_option = click.option(
    "--resolution",
    type=click.IntRange(2, 2048),
    default=128,
    show_default=True,
    help="Points of the grid along each axis.",
)
level_option = click.option(
    "--level",
    type=click.FloatRange(-1, 1),
    callback=finite,
    help="Value of the field at the surface, frame units; above 0 is thicker."
    "  [default: 0, and 0.04 for published weights]",
)
run_data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=dataset,
    shell_complete=complete_datasets,
    help="Dataset of the run.  [default: where it was during training]",
)
copy_option = click.option(
    "--copy", is_flag=True, help="Copy shards even where they could be hard links."
)

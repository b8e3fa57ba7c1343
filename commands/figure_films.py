"""Options and output of the films of `shapegan figure`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.options import decorate, film_length_options, refuse_typed

if TYPE_CHECKING:
    from shapegan.pipeline.pictures.panel import Picture


out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for pictures and films."
)


def film_options(function: Any) -> Any:
    """Options of figures that may also be films."""
    return decorate(
        function,
        [
            click.option("--film", is_flag=True, help="Also make a film, an mp4 that loops."),
            *film_length_options(6.0),
        ],
    )


def tour_length_options(function: Any) -> Any:
    """Options of the length of a tour."""
    return decorate(function, film_length_options(6.0))


def check_film(options: dict[str, Any], *others: str) -> None:
    """Refuse options of a film without --film, and a film of an odd size.

    Args:
        options: Of the command that runs.
        others: Parameters of further options of the film.

    Raises:
        click.UsageError: one line that names the option.
    """
    if not options["film"]:
        refuse_typed(click.get_current_context(), "takes --film", "seconds", "fps", *others)
    elif options["panel"] % 2:
        raise click.UsageError(f"--panel {options['panel']}: mp4 needs an even number")


def frame_count(options: dict[str, Any]) -> int:
    """Number of frames of the film, at least 2."""
    frames: float = options["seconds"] * options["fps"]
    return max(2, round(frames))


def make_film(
    path: Path,
    draw: "Callable[[Callable[[], None]], list[Picture]]",
    calls: int,
    rate: int,
) -> None:
    """Draw a film with a progress bar, and write it.

    Args:
        path: Of the mp4; its folder exists.
        draw: Makes the frames; calls its argument as it advances.
        calls: Number of these calls.
        rate: Frames per second.

    Raises:
        OutputError: if the film cannot be written.
    """
    from rich.console import Console
    from rich.progress import Progress

    from shapegan.model.generation.films import write_film

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(path.name, total=calls)
        film = draw(functools.partial(progress.advance, task))
    write_film(path, film, rate)
    click.echo(f"{path.name} in {path.parent}", err=True)

"""`shapegan interpolate`: a film from shape to shape."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import (
    decorate,
    film_length_options,
    numbers,
    refuse_typed,
    run_data_option,
    source_argument,
    source_options,
    surface_options,
    words,
)

if TYPE_CHECKING:
    from torch import Tensor

    from shapegan.model.generation.source import Source
    from shapegan.pipeline.pictures.panel import Picture


def film_options(function: Any) -> Any:
    """Options of the film."""
    return decorate(
        function,
        [
            click.option(
                "--seeds",
                callback=numbers,
                default="0,1,2,3",
                show_default=True,
                help="Seeds of the shapes that the path passes through.",
            ),
            click.option(
                "--latents",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE.npy",
                help="Array (S, Z) of latents to use instead of seeds.",
            ),
            click.option(
                "--through",
                multiple=True,
                callback=words,
                metavar="ID,ID,...",
                help="Learned shapes to pass through instead of seeds, of a run of recipe"
                " autodecoder or latent, by id or by the end of an id.",
            ),
            run_data_option,
            click.option(
                "--path",
                "kind",
                type=click.Choice(["spline", "spherical"]),
                default="spline",
                show_default=True,
                help="A smooth cubic spline, or great circles from shape to shape.",
            ),
            click.option(
                "--open",
                "is_open",
                is_flag=True,
                help="End at the last shape, not at the first.",
            ),
            *film_length_options(3.0),
            click.option(
                "--panel",
                type=click.IntRange(64, 1024),
                default=256,
                show_default=True,
                help="Height and width of the film in pixels, an even number.",
            ),
        ],
    )


@click.command()
@source_argument
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for film and strip."
)
@film_options
@surface_options
@source_options
@click.pass_context
def interpolate(context: click.Context, /, source: Path, out: Path, **options: Any) -> None:
    """Make a film of the generator SOURCE, from shape to shape.

    Writes film.mp4, a closed loop through the shapes of --seeds, and film.png, a strip of its
    frames, to the folder --out. `shapegan figure` makes pictures of single shapes.
    """
    if min(options["seeds"]) < 0:
        raise click.UsageError(f"--seeds takes seeds of 0 or more, got {min(options['seeds'])}")
    if options["panel"] % 2:
        raise click.UsageError(f"--panel {options['panel']}: mp4 needs an even number")
    if options["latents"]:
        refuse_typed(context, "has no effect with --latents", "seeds", "truncation")
    if options["through"]:
        refuse_typed(context, "has no effect with --through", "seeds", "truncation", "latents")
    else:
        refuse_typed(context, "has no effect without --through", "data")
    with interruptible("no incomplete files are left"), plain_errors():
        from shapegan.model.distributed import pick_device
        from shapegan.model.generation.films import film_strip, write_film
        from shapegan.model.generation.source import open_source
        from shapegan.model.shapes.image_grid import write_png
        from shapegan.pipeline.files import writing

        opened = open_source(source, pick_device(options["device"]))
        film = _draw_film(opened, _latents(opened, options), options)
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        write_film(out / "film.mp4", film, options["fps"])
        write_png(out / "film.png", film_strip(film))
    click.echo(f"film.mp4 and film.png in {out}", err=True)


def _latents(source: "Source", options: dict[str, Any]) -> "Tensor":
    from shapegan.model.generation.learned import latents_of, learned_by_id
    from shapegan.model.generation.source import load_latents

    if options["through"]:
        return latents_of(learned_by_id(source, options["through"], options["data"]))
    if options["latents"]:
        return load_latents(options["latents"], source)
    return source.latents(options["seeds"], options["truncation"])


def _draw_film(source: "Source", latents: "Tensor", options: dict[str, Any]) -> "list[Picture]":
    from rich.console import Console
    from rich.progress import Progress

    from shapegan.model.generation.films import draw_film
    from shapegan.model.generation.paths import path_through

    if len(latents) < 2:
        raise UserError(
            "a film takes 2 shapes or more: give --seeds 0,1, --through ID,ID or --latents of"
            " 2 rows"
        )
    steps = max(2, round(options["seconds"] * options["fps"]))
    path = path_through(latents, steps, options["kind"], closed=not options["is_open"])
    level = source.level if options["level"] is None else options["level"]
    resolution, panel = options["resolution"], options["panel"]
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("surfaces, then frames", total=2 * steps)
        return draw_film(source, path, resolution, level, panel, lambda: progress.advance(task))

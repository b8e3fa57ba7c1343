"""`shapegan figure`: pictures of single shapes, and of learned latents."""

import contextlib
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.figure_films import (
    check_film,
    film_options,
    frame_count,
    make_film,
    out_option,
    tour_length_options,
)
from shapegan.commands.figure_stages import stages
from shapegan.commands.options import (
    decorate,
    device_option,
    level_option,
    refuse_typed,
    resolution_option,
    run_data_option,
    source_argument,
    source_options,
    surface_options,
    words,
)
from shapegan.commands.suggesting_group import SuggestingGroup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from shapegan.model.generation.source import Source
    from shapegan.pipeline.pictures.panel import Picture

_MANY = 1000
"""Latents for which t-SNE takes long enough to print its progress."""
_STRIP_FRAMES = 4


def shape_options(function: Any) -> Any:
    """Options of figures of one shape."""
    return decorate(
        function,
        [
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Seed of the shape.",
            ),
            click.option(
                "--panel",
                type=click.IntRange(64, 1024),
                default=256,
                show_default=True,
                help="Height and width of each picture, pixels.",
            ),
            source_options,
        ],
    )


@click.group(cls=SuggestingGroup)
def figure() -> None:
    """Draw figures of a generator's shapes."""


figure.add_command(stages)


@figure.command()
@source_argument
@out_option
@click.option("--trilinear", is_flag=True, help="Add a row with 16^3 interpolated trilinearly.")
@level_option
@shape_options
@film_options
@click.option(
    "--shapes",
    type=click.IntRange(2, 64),
    default=4,
    show_default=True,
    help="Shapes that the film passes, from --seed on.",
)
def upscale(source: Path, out: Path, **options: Any) -> None:
    """Draw one shape of the generator SOURCE on grids of 16^3 to 128^3.

    Writes upscale.png to the folder --out. With --film, also writes upscale.mp4: along a path from
    shape to shape, the raster points of 16^3, their trilinear interpolation to 128^3, and the
    network at 128^3, side by side.
    """
    check_film(options, "shapes")
    with interruptible("no incomplete files are left"), plain_errors():
        from shapegan.model.generation.figure_films import draw_upscale_film
        from shapegan.model.generation.figures import draw_upscale
        from shapegan.model.generation.paths import path_through

        opened, latent = _open(source, options)
        level = opened.level if options["level"] is None else options["level"]
        picture = draw_upscale(
            opened, latent, level, options["panel"], trilinear=options["trilinear"]
        )
        _write(out, "upscale.png", picture)
        if options["film"]:
            seeds = range(options["seed"], options["seed"] + options["shapes"])
            latents = opened.latents(seeds, options["truncation"])
            path = path_through(latents, frame_count(options), closed=True)
            draw = functools.partial(draw_upscale_film, opened, path, level, options["panel"])
            make_film(out / "upscale.mp4", draw, 2 * len(path), options["fps"])


@figure.command()
@source_argument
@out_option
@resolution_option
@shape_options
@film_options
def levels(source: Path, out: Path, **options: Any) -> None:
    """Draw one shape of the generator SOURCE at levels from -0.05 to 0.08.

    Writes levels.png to the folder --out; with --film, also levels.mp4, in which the level rises
    and falls again.
    """
    check_film(options)
    with interruptible("no incomplete files are left"), plain_errors():
        from shapegan.model.generation.figure_films import draw_level_film
        from shapegan.model.generation.figures import draw_levels

        opened, latent = _open(source, options)
        settings = (opened, latent, options["resolution"], options["panel"])
        _write(out, "levels.png", draw_levels(*settings))
        if options["film"]:
            frames = frame_count(options)
            draw = functools.partial(draw_level_film, *settings, frames)
            make_film(out / "levels.mp4", draw, frames // 2 + 1, options["fps"])


@figure.command("map")
@source_argument
@out_option
@run_data_option
def latent_map(source: Path, out: Path, data: Path | None) -> None:
    """Draw a map of the latents that SOURCE has learned, by t-SNE.

    SOURCE is a run of recipe autodecoder or latent, or a checkpoint of one. Writes map.png to
    the folder --out; each dot is a training shape, coloured by its category.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.model.generation.latent_map import draw_map
        from shapegan.model.generation.source import open_source

        _, categories, _, places = _embedded(open_source(source), data)
        _write(out, "map.png", draw_map(places, categories))


@figure.command("latent-tour")
@source_argument
@out_option
@run_data_option
@click.option(
    "--through",
    multiple=True,
    callback=words,
    metavar="ID,ID,...",
    help="Learned shapes to pass through, by id or by the end of an id, in this order."
    "  [default: one of each cluster of latents, on a short round trip]",
)
@click.option(
    "--stops",
    type=click.IntRange(2, 64),
    default=8,
    show_default=True,
    help="Number of shapes to pass through, unless --through names them.",
)
@tour_length_options
@click.option(
    "--panel",
    type=click.IntRange(64, 1024),
    default=384,
    show_default=True,
    help="Height of the film in pixels, an even number; it is twice as wide.",
)
@surface_options
@device_option
@click.pass_context
def latent_tour(context: click.Context, /, source: Path, out: Path, **options: Any) -> None:
    """Make a film of a round trip through learned latents.

    SOURCE is a run of recipe autodecoder or latent. Left are the shapes along a smooth closed
    path, in the colour of the category that it passes; right is the map of all latents with the
    path and a moving point. Writes latent-tour.mp4, strip.png and map.png to the folder --out.
    """
    if options["panel"] % 2:
        raise click.UsageError(f"--panel {options['panel']}: mp4 needs an even number")
    if options["through"]:
        refuse_typed(context, "has no effect with --through", "stops")
    with interruptible("no incomplete files are left"), plain_errors():
        from shapegan.model.distributed import pick_device
        from shapegan.model.generation.films import film_strip, write_film
        from shapegan.model.generation.source import open_source
        from shapegan.pipeline.files import writing

        opened = open_source(source, pick_device(options["device"]))
        film, picture = _draw_tour(opened, options)
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        write_film(out / "latent-tour.mp4", film, options["fps"])
        _write(out, "strip.png", film_strip(film, _STRIP_FRAMES))
        _write(out, "map.png", picture)
    click.echo(f"latent-tour.mp4 in {out}", err=True)


def _draw_tour(source: "Source", options: dict[str, Any]) -> "tuple[list[Picture], Picture]":
    """Draw the frames of the film, and the map with the path."""
    from rich.console import Console
    from rich.progress import Progress

    from shapegan.model.generation import latent_tour as tours
    from shapegan.model.generation.latent_map import add_legend
    from shapegan.model.generation.learned import learned_by_id

    # 1. The map and the stops on it
    learned, categories, ids, places = _embedded(source, options["data"])
    if options["through"]:
        through = learned_by_id(source, options["through"], options["data"])
        stops = [ids.index(shape.id) for shape in through]
        if len(set(stops)) < 2:
            raise UserError("a tour takes 2 shapes or more: give --through ID,ID")
    else:
        stops = tours.choose_stops(learned, options["stops"])
    # 2. The path, and its frames
    frames = max(2, round(options["seconds"] * options["fps"]))
    tour = tours.plan_tour(learned, places, stops, frames)
    click.echo(f"through {', '.join(ids[row] for row in stops)}", err=True)
    picture = tours.draw_tour_map(places, categories, tour)
    level = source.level if options["level"] is None else options["level"]
    colours = tours.tour_colours(tour, learned, categories)
    settings = (options["resolution"], level, options["panel"])
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("surfaces, then frames", total=2 * frames)
        advance = functools.partial(progress.advance, task)
        film = tours.draw_tour(source, tour, picture, colours, *settings, advance)
    return film, add_legend(picture, categories)


def _embedded(
    source: "Source", data: Path | None
) -> "tuple[Tensor, list[str], list[str], NDArray[np.float64]]":
    """Learned latents, categories and ids of all shapes, and their places on the map.

    The progress of t-SNE is printed if there are many.

    Raises:
        UserError: if there are too few.
    """
    from shapegan.model.generation.latent_map import MIN_LATENTS, embed_latents
    from shapegan.model.generation.learned import all_learned, latents_of

    shapes = all_learned(source, data)
    if len(shapes) < MIN_LATENTS:
        raise UserError(
            f"a map takes {MIN_LATENTS} learned shapes or more, {source.name} has {len(shapes)}"
        )
    with contextlib.redirect_stdout(sys.stderr):
        latents = latents_of(shapes)
        places = embed_latents(latents, verbose=len(shapes) >= _MANY)
    categories, ids = [one.category for one in shapes], [one.id for one in shapes]
    return latents, categories, ids, places


def _open(source: Path, options: dict[str, Any]) -> "tuple[Source, Tensor]":
    """Open the source, and draw the latent of --seed."""
    from shapegan.model.distributed import pick_device
    from shapegan.model.generation.source import open_source

    opened = open_source(source, pick_device(options["device"]))
    return opened, opened.latent(options["seed"], options["truncation"])


def _write(out: Path, name: str, picture: "Picture") -> None:
    from shapegan.model.shapes.image_grid import write_png
    from shapegan.pipeline.files import writing

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_png(out / name, picture)
    click.echo(f"{name} in {out}", err=True)

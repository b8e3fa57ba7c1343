"""`shapegan interpolate`: films from shape to shape, and one shape in many ways."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import (
    decorate,
    finite,
    numbers,
    refuse_typed,
    source_argument,
    source_options,
    surface_options,
)


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
                help="Of the shapes that the path goes through; the first alone is shown by"
                " --upscale and --levels.",
            ),
            click.option(
                "--latents",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE.npy",
                help="These latents, (S, Z), instead of drawn ones.",
            ),
            click.option(
                "--path",
                "kind",
                type=click.Choice(["spline", "spherical"]),
                default="spline",
                show_default=True,
                help="Smooth at the shapes, or along great circles between them.",
            ),
            click.option("--open", "opened", is_flag=True, help="End at the last shape: no loop."),
            click.option(
                "--seconds",
                type=click.FloatRange(0.1, 3600),
                callback=finite,
                default=3.0,
                show_default=True,
            ),
            click.option("--fps", type=click.IntRange(1, 120), default=24, show_default=True),
            click.option(
                "--panel",
                type=click.IntRange(64, 1024),
                default=256,
                show_default=True,
                help="Height and width of each picture, pixels; an even number.",
            ),
        ],
    )


@click.command()
@source_argument
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for film and pictures."
)
@click.option("--upscale", is_flag=True, help="Instead: one shape from 16^3 to 128^3.")
@click.option(
    "--trilinear", is_flag=True, help="With --upscale: 16^3 upscaled trilinearly below it."
)
@click.option("--levels", is_flag=True, help="Instead: one shape at levels from -0.05 to 0.08.")
@click.option(
    "--map", "mapped", is_flag=True, help="Instead: all that an autodecoder learned, by t-SNE."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="With --map: the run's dataset.  [default: where it was trained]",
)
@film_options
@surface_options
@source_options
@click.pass_context
def interpolate(context: click.Context, /, source: Path, out: Path, **options: Any) -> None:
    """Show how the generator SOURCE leads from shape to shape.

    Writes film.mp4, a closed loop through the shapes of --seeds, and film.png, a strip of it, to
    the folder --out; with --upscale, --levels or --map a picture of that name instead.
    """
    _check(context, options)
    with interruptible("nothing half-written is left"), plain_errors():
        from shapegan.model.distributed import pick_device
        from shapegan.model.generation.source import open_source
        from shapegan.model.shapes.image_grid import write_png
        from shapegan.pipeline.files import writing

        opened = open_source(source, pick_device(options["device"]))
        level = opened.level if options["level"] is None else options["level"]
        pictures = _pictures(opened, level, options)
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            if name == "film.mp4":
                from shapegan.model.generation.films import write_film

                write_film(out / name, picture, options["fps"])
            else:
                write_png(out / name, picture)
    click.echo(f"{' and '.join(pictures)} in {out}", err=True)


def _check(context: click.Context, options: dict[str, Any]) -> None:
    """Refuses what would have no effect."""
    names = {"upscale": "--upscale", "levels": "--levels", "mapped": "--map"}
    ways = [flag for name, flag in names.items() if options[name]]
    if len(ways) > 1:
        raise click.UsageError(f"{' and '.join(ways)} exclude each other")
    if min(options["seeds"]) < 0:
        raise click.UsageError(f"--seeds takes seeds of 0 or more, got {min(options['seeds'])}")
    if options["panel"] % 2:
        raise click.UsageError(f"--panel {options['panel']}: takes an even number, as mp4 does")
    if ways:
        refuse_typed(context, f"has no effect with {ways[0]}", "kind", "opened", "seconds", "fps")
    if not options["upscale"]:
        refuse_typed(context, "is only for --upscale", "trilinear")
    if not options["mapped"]:
        refuse_typed(context, "is only for --map", "data")
    if options["latents"]:
        refuse_typed(context, "has no effect with --latents", "seeds", "truncation")


def _pictures(source: Any, level: float, options: dict[str, Any]) -> dict[str, Any]:
    """File names -> pictures; of the film a list."""
    from shapegan.model.generation import films
    from shapegan.model.generation.source import load_latents

    if options["mapped"]:
        return {"map.png": _map(source, options["data"])}
    if options["latents"]:
        latents = load_latents(options["latents"], source)
    else:
        latents = source.latents(options["seeds"], options["truncation"])
    panel, resolution = options["panel"], options["resolution"]
    if options["upscale"]:
        picture = films.draw_upscale(
            source, latents[0], level, panel, trilinear=options["trilinear"]
        )
        return {"upscale.png": picture}
    if options["levels"]:
        return {"levels.png": films.draw_levels(source, latents[0], resolution, panel)}
    film = _film(source, latents, level, options)
    return {"film.mp4": film, "film.png": films.strip_of(film)}


def _film(source: Any, latents: Any, level: float, options: dict[str, Any]) -> Any:
    from rich.console import Console
    from rich.progress import Progress

    from shapegan.model.generation.films import draw_film
    from shapegan.model.generation.paths import path_through

    if len(latents) < 2:
        raise UserError("a film takes 2 shapes or more: give --seeds 0,1 or --latents of 2 rows")
    steps = max(2, round(options["seconds"] * options["fps"]))
    path = path_through(latents, steps, options["kind"], closed=not options["opened"])
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("surfaces, then pictures", total=2 * steps)
        return draw_film(
            source,
            path,
            options["resolution"],
            level,
            options["panel"],
            lambda: progress.advance(task),
        )


def _map(source: Any, data: Path | None) -> Any:
    from shapegan.model.generation.latent_map import FEWEST, draw_map, lay_out
    from shapegan.model.generation.source import learned_shapes

    shapes = learned_shapes(source, data)
    if len(shapes) < FEWEST:
        raise UserError(f"--map: takes {FEWEST} learned shapes or more, there are {len(shapes)}")
    return draw_map(lay_out(source.learned), [shape.category for shape in shapes])

"""`shapegan inspect`: what a dataset holds."""

import dataclasses
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shapegan.commands.errors import plain_errors
from shapegan.commands.options import MOST_DRAWN, decorate, png


def sheet_options(function: Any) -> Any:
    """Options of the contact sheet."""
    return decorate(
        function,
        [
            click.option(
                "--sheet",
                type=click.Path(dir_okay=False, path_type=Path),
                callback=png,
                metavar="FILE.png",
                help="Draw shapes, one to a row: the mesh as it came, what the two finest voxel"
                " grids make of it, and a slice of the signed distances.",
            ),
            click.option(
                "--id", "ids", metavar="ID", multiple=True, help="Draw this shape; several times."
            ),
            click.option(
                "--worst",
                type=click.IntRange(1, MOST_DRAWN),
                help="Draw so many with the lowest surface recall.",
            ),
            click.option(
                "--count",
                type=click.IntRange(1, MOST_DRAWN),
                default=12,
                show_default=True,
                help="Draw so many at random.",
            ),
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Of the random choice.",
            ),
            click.option(
                "--mesh-root",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                help="Where the meshes lie now.  [default: where `preprocess` found them]",
            ),
            click.option(
                "--azimuth",
                type=click.FloatRange(-360, 360),
                default=215.0,
                show_default=True,
                help="Degrees that the camera stands round the y axis: 215 sees the front of what"
                " faces -z, as in ShapeNet, and 35 of what faces +z.",
            ),
            click.option(
                "--panel",
                type=click.IntRange(128, 512),
                default=208,
                show_default=True,
                help="Height and width of each picture, pixels.",
            ),
        ],
    )


@click.command()
@click.argument(
    "path", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--verify", is_flag=True, help="Compare every shard with its SHA-256.")
@sheet_options
@click.pass_context
def inspect(context: click.Context, /, path: Path, verify: bool, **options: Any) -> None:
    """Say what the dataset DIR holds, and draw some of it.

    Prints counts by category and status, sizes, why meshes were turned away, and how good the
    shapes are. With --sheet it also draws shapes: 12 at random, or those that --id, --worst or
    --count name.
    """
    _check_sheet_options(context)
    with plain_errors():
        from rich.console import Console

        from shapegan.pipeline.dataset.inspection import show, summarise
        from shapegan.pipeline.dataset.reader import Dataset

        show(summarise(path), Console())
        if verify:
            Dataset(path).verify()
            click.echo("\nverified: every shard is as it was written, by its SHA-256")
        if options["sheet"]:
            _draw_sheet(path, options)


def _check_sheet_options(context: click.Context) -> None:
    """Refuses what would have no effect."""
    typed = {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    }
    ways = [typed[name] for name in ("ids", "worst", "count") if name in typed]
    if len(ways) > 1:
        raise click.UsageError(f"{' and '.join(ways)} exclude each other")
    alone = [option for name, option in typed.items() if name not in ("path", "verify", "sheet")]
    if "sheet" not in typed and alone:
        raise click.UsageError(f"{', '.join(alone)}: only together with --sheet")
    if "seed" in typed and {"ids", "worst"} & typed.keys():
        raise click.UsageError(f"--seed has no effect together with {ways[0]}")


def _draw_sheet(path: Path, options: dict[str, Any]) -> None:
    from rich.console import Console

    from shapegan.pipeline.dataset.reader import Dataset
    from shapegan.pipeline.dataset.selection import Choice
    from shapegan.pipeline.pictures.contact_sheet import SheetSettings, write_sheet
    from shapegan.pipeline.pictures.render import Camera

    choice = Choice(**{field.name: options[field.name] for field in dataclasses.fields(Choice)})
    settings = SheetSettings(options["panel"], Camera(azimuth=options["azimuth"]))
    file = options["sheet"]
    with Console(stderr=True).status("drawing"):
        count = write_sheet(file, Dataset(path), choice, options["mesh_root"], settings)
    click.echo(f"\n{count:,} shapes, {choice}, are drawn in {file}")

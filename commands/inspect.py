"""`shapegan inspect`: a summary and pictures of a dataset."""

import dataclasses
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shapegan.commands.completion import complete_datasets
from shapegan.commands.errors import plain_errors
from shapegan.commands.options import MOST_DRAWN, dataset, decorate, png


def picture_options(function: Any) -> Any:
    """Options of the picture."""
    return decorate(
        function,
        [
            click.option(
                "--picture",
                type=click.Path(dir_okay=False, path_type=Path),
                callback=png,
                metavar="FILE.png",
                help="Draw shapes, one per row: the input mesh, the surfaces of the two finest"
                " voxel grids, and a slice through the signed distances.",
            ),
            click.option(
                "--points",
                type=click.Path(dir_okay=False, path_type=Path),
                callback=png,
                metavar="FILE.png",
                help="Draw the point sets of shapes, one shape per row: points inside are blue,"
                " points outside orange.",
            ),
            click.option(
                "--id",
                "ids",
                metavar="ID",
                multiple=True,
                help="Draw this shape, by id or by the end of an id; may be repeated.",
            ),
            click.option(
                "--worst",
                type=click.IntRange(1, MOST_DRAWN),
                help="Draw this many shapes, those with the lowest surface recall.",
            ),
            click.option(
                "--count",
                type=click.IntRange(1, MOST_DRAWN),
                default=12,
                show_default=True,
                help="Draw this many random shapes.",
            ),
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Seed of the random choice.",
            ),
            click.option(
                "--mesh-root",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                help="Folder of the input meshes, if moved.  [default: INPUT of `preprocess`]",
            ),
            click.option(
                "--azimuth",
                type=click.FloatRange(-360, 360),
                default=215.0,
                show_default=True,
                help="Camera angle around the y axis, degrees: 215 shows the front of shapes that"
                " face -z, as in ShapeNet, and 35 of shapes that face +z.",
            ),
            click.option(
                "--panel",
                type=click.IntRange(128, 512),
                default=208,
                show_default=True,
                help="Height and width of each panel, pixels.",
            ),
        ],
    )


@click.command()
@click.argument(
    "path",
    metavar="DIR",
    type=click.Path(exists=True, path_type=Path),
    callback=dataset,
    shell_complete=complete_datasets,
)
@click.option(
    "--verify", is_flag=True, help="Compare every shard with its SHA-256 in the manifest."
)
@picture_options
@click.pass_context
def inspect(context: click.Context, /, path: Path, verify: bool, **options: Any) -> None:
    """Summarise the dataset DIR, and draw some of its shapes.

    Prints counts by category and status, sizes, why meshes were rejected, and the quality of the
    shapes. With --picture it also draws shapes, with --points their point sets: 12 at random, or
    those chosen by --id, --worst or --count.
    """
    _check_picture_options(context)
    with plain_errors():
        from rich.console import Console

        from shapegan.pipeline.dataset.inspection import print_inspection, summarise
        from shapegan.pipeline.dataset.reader import Dataset

        print_inspection(summarise(path), Console())
        if verify:
            Dataset(path).verify()
            click.echo("\nverified: every shard has the SHA-256 of the manifest")
        for what in ("picture", "points"):
            if options[what]:
                _draw(path, options, what)


def _check_picture_options(context: click.Context) -> None:
    """Refuse options that exclude each other or would have no effect.

    Raises:
        click.UsageError: naming the options.
    """
    typed = {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    }
    choices = [typed[name] for name in ("ids", "worst", "count") if name in typed]
    if len(choices) > 1:
        raise click.UsageError(f"{' and '.join(choices)} exclude each other")
    own = ("path", "verify", "picture", "points")
    extra = [option for name, option in typed.items() if name not in own]
    if not {"picture", "points"} & typed.keys() and extra:
        raise click.UsageError(f"{', '.join(extra)}: only together with --picture or --points")
    if "mesh_root" in typed and "picture" not in typed:
        raise click.UsageError("--mesh-root: only together with --picture")
    if "seed" in typed and {"ids", "worst"} & typed.keys():
        raise click.UsageError(f"--seed has no effect together with {choices[0]}")


def _draw(path: Path, options: dict[str, Any], what: str) -> None:
    """Draw the `picture` or the `points` of the chosen shapes."""
    from rich.console import Console

    from shapegan.pipeline.dataset.reader import Dataset
    from shapegan.pipeline.dataset.selection import Choice
    from shapegan.pipeline.pictures.camera import Camera
    from shapegan.pipeline.pictures.contact_sheet import ContactSheetSettings, write_contact_sheet
    from shapegan.pipeline.pictures.point_sheet import write_point_sheet
    from shapegan.pipeline.wording import counted

    choice = Choice(**{field.name: options[field.name] for field in dataclasses.fields(Choice)})
    settings = ContactSheetSettings(options["panel"], Camera(azimuth=options["azimuth"]))
    file, dataset = options[what], Dataset(path)
    with Console(stderr=True).status("drawing"):
        if what == "points":
            count = write_point_sheet(file, dataset, choice, settings)
        else:
            count = write_contact_sheet(file, dataset, choice, options["mesh_root"], settings)
    noun = "the points of " if what == "points" else ""
    verb = "is" if what == "picture" and count == 1 else "are"
    click.echo(f"\n{noun}{counted(count, 'shape')}, {choice}, {verb} drawn in {file}")

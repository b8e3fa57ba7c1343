"""`shapegan watertight`: meshes -> closed meshes of the solids that they enclose."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import decorate, refuse_typed
from shapegan.commands.recognise import takes
from shapegan.commands.run_options import (
    cavities_option,
    check_machine,
    check_made,
    check_output,
    input_options,
    run_settings,
    worker_options,
)


def surface_options(function: Any) -> Any:
    """Options that decide the surfaces."""
    from shapegan.pipeline.config import CONTOURINGS, MESH_FORMATS, WatertightConfig

    default = WatertightConfig()
    return decorate(
        function,
        [
            click.option(
                "--resolution",
                default=default.resolution,
                show_default=True,
                help="Cells of the grid along the longest side of a mesh.",
            ),
            click.option(
                "--format",
                type=click.Choice(MESH_FORMATS),
                default=default.format,
                show_default=True,
                help="File format.",
            ),
            click.option(
                "--contouring",
                type=click.Choice(CONTOURINGS),
                default=default.contouring,
                show_default=True,
                help="`cubes`: marching cubes. `dual`: dual contouring, which keeps sharp edges.",
            ),
            click.option(
                "--sheet-thickness",
                type=float,
                help="Half the thickness given to open surfaces; the longest side of a mesh is 2."
                " 0 leaves them out.  [default: a little more than half a cell, 1.1 / resolution]",
            ),
            cavities_option(default.cavities),
        ],
    )


@click.command()
@click.argument(
    "root",
    metavar="INPUT",
    type=click.Path(exists=True, path_type=Path),
    callback=takes("a mesh or a folder of meshes", "mesh", "meshes", "datasets", "runs"),
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the surfaces."
)
@surface_options
@input_options
@worker_options
@click.option("--dry-run", is_flag=True, help="Print what the run would do, and stop.")
@click.pass_context
def watertight(
    context: click.Context, /, root: Path, out: Path, dry_run: bool, **options: Any
) -> None:
    """Make closed meshes of the solids that meshes enclose.

    INPUT is a mesh, or a folder of meshes as for `preprocess`. Each result is a closed, oriented
    2-manifold in the coordinates of its input, without hidden faces or double walls. The files are
    in the folder `meshes` below --out, and `meshes.csv` has a row for each mesh. If a run was
    interrupted, the same command resumes it.
    """
    if root.is_file():
        refuse_typed(context, "selects meshes of a folder", "categories", "limit", "prefer")
    with interruptible(), plain_errors():
        from rich.console import Console

        from shapegan.pipeline.config import WatertightConfig
        from shapegan.pipeline.dataset.surfaces import MESH_FOLDER
        from shapegan.pipeline.inputs.discover import discover, discover_file
        from shapegan.pipeline.run.forecast import print_surface_forecast
        from shapegan.pipeline.run.progress import RunProgress, print_surface_summary
        from shapegan.pipeline.run.surface_run import make_surfaces

        config = WatertightConfig(
            **{field.name: options[field.name] for field in dataclasses.fields(WatertightConfig)}
        )
        check_output(root, out)
        check_machine(options)
        if root.is_file():
            found = discover_file(root)
        else:
            found = discover(
                root,
                options["categories"],
                options["limit"],
                prefer=options["prefer"],
                left_out=out / MESH_FOLDER,
            )
        for note in filter(None, [*found.notes, found.unread]):
            click.echo(note, err=True)
        console = Console(stderr=True)
        if dry_run:
            print_surface_forecast(out, found.jobs, config, console)
            return
        with RunProgress(len(found.jobs), console) as progress:
            settings = run_settings(options)
            _, reports, rejections = make_surfaces(
                root.resolve(), found.jobs, config, out.resolve(), settings, progress
            )
        print_surface_summary(out, reports, rejections, console)
        check_made(sum(report.status == "ok" for report in reports), out)

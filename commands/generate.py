"""`shapegan generate`: a generator -> meshes."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import (
    refuse_typed,
    source_argument,
    source_options,
    surface_options,
)


@click.command()
@source_argument
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the meshes."
)
@click.option("--count", type=click.IntRange(1, 100_000), default=16, show_default=True)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the first shape; the next ones follow. A seed is the same shape at any --count.",
)
@click.option(
    "--latents",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.npy",
    help="Shapes of these latents, (S, Z), instead of drawn ones.",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["obj", "ply", "stl", "glb"]),
    default="obj",
    show_default=True,
)
@click.option(
    "--largest-component",
    "largest",
    is_flag=True,
    help="Keep only the part with the most surface; what is loose, such as a wheel, goes too.",
)
@click.option(
    "--direct",
    is_flag=True,
    help="Only draw sheet.png, by marching rays through the network: no grid, no meshes.",
)
@surface_options
@source_options
@click.pass_context
def generate(context: click.Context, /, source: Path, out: Path, **options: Any) -> None:
    """Make meshes with the generator SOURCE.

    SOURCE is the folder of a run, a checkpoint, or a file of the authors' published weights. Meshes
    are closed and wound outwards, in the frame that the generator was trained in; sheet.png in the
    same folder shows the first 64. Empty shapes are told, and have no file.
    """
    if options["latents"]:
        refuse_typed(context, "has no effect with --latents", "seed", "count", "truncation")
    if options["direct"]:
        why = "has no effect with --direct"
        refuse_typed(context, why, "resolution", "suffix", "largest")
    with interruptible("files that are there are whole"), plain_errors():
        from rich.console import Console
        from rich.progress import track

        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import meshes
        from shapegan.model.generation.source import load_latents, open_source

        opened = open_source(source, pick_device(options["device"]))
        if options["latents"]:
            asked = meshes.by_row(load_latents(options["latents"], opened))
        else:
            seeds = range(options["seed"], options["seed"] + options["count"])
            asked = meshes.by_seed(opened, seeds, options["truncation"])
        level = opened.level if options["level"] is None else options["level"]
        settings = meshes.MeshSettings(
            options["resolution"], level, options["suffix"], options["largest"]
        )
        if options["direct"]:
            meshes.write_direct(opened, asked, out, settings)
            click.echo(f"{meshes.SHEET_NAME} in {out}", err=True)
            return
        console = Console(stderr=True)
        empty = []
        steps = iter(track(asked, "meshes", console=console, disable=not console.is_terminal))

        def done(written: meshes.Written) -> None:
            next(steps, None)
            if written.path is None:
                empty.append(written.name)

        meshes.write_meshes(opened, asked, out, settings, done)
        if len(empty) == len(asked):
            raise UserError(
                f"all {len(asked)} shapes are empty at level {level:g}: train for longer, or try"
                " another --level"
            )
    told = f"; empty at level {level:g}: {', '.join(empty)}" if empty else ""
    click.echo(f"{len(asked) - len(empty)} meshes and {meshes.SHEET_NAME} in {out}{told}", err=True)

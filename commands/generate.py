"""`shapegan generate`: a generator -> meshes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import (
    refuse_typed,
    run_data_option,
    source_argument,
    source_options,
    surface_options,
    words,
)
from shapegan.pipeline.config import MESH_FORMATS
from shapegan.pipeline.wording import counted

if TYPE_CHECKING:
    from shapegan.model.generation.meshes import MeshSettings, NamedLatent
    from shapegan.model.generation.source import Source


@click.command()
@source_argument
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the meshes."
)
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=16,
    show_default=True,
    help="Number of shapes.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the first shape; the next ones follow. A seed gives the same shape at any"
    " --count.",
)
@click.option(
    "--latents",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.npy",
    help="Array (S, Z) of latents to use instead of seeds.",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    callback=words,
    metavar="ID,...",
    help="Learned shapes instead of seeds, of a run of recipe autodecoder or latent, by id or by"
    " the end of an id; `all` for all of them.",
)
@run_data_option
@click.option(
    "--save-latents",
    is_flag=True,
    help="Write latents.npy, an array (S, Z), and latents.csv, the id and name of each row, too.",
)
@click.option(
    "--no-meshes", is_flag=True, help="With --save-latents: write no meshes and no picture."
)
@click.option(
    "--category",
    metavar="NAME",
    help="Make shapes of this category only, by id, folder or name; for runs of recipe latent on"
    " several categories.",
)
@click.option(
    "--format",
    type=click.Choice(MESH_FORMATS),
    default="obj",
    show_default=True,
    help="File format of the meshes.",
)
@click.option(
    "--largest-component",
    "largest_only",
    is_flag=True,
    help="Keep only the connected component with the largest area. Loose parts, such as wheels,"
    " are lost.",
)
@click.option(
    "--sphere-tracing",
    is_flag=True,
    help="Draw shapes.png only, by sphere tracing through the network, without grid or meshes.",
)
@surface_options
@source_options
@click.pass_context
def generate(context: click.Context, /, source: Path, out: Path, **options: Any) -> None:
    """Make meshes with the generator SOURCE.

    SOURCE is the folder of a run, a checkpoint, or a file of the authors' published weights. Meshes
    are closed, with outward faces, in the frame in which the generator was trained; shapes.png in
    the same folder shows the first 64. Empty shapes are reported, and have no file.
    """
    _check_options(context, options)
    with interruptible("all files written so far are complete"), plain_errors():
        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import meshes
        from shapegan.model.generation.source import open_source

        opened = open_source(source, pick_device(options["device"]))
        latents = _latents(opened, options)
        level = opened.level if options["level"] is None else options["level"]
        settings = meshes.MeshSettings(
            options["resolution"], level, options["format"], options["largest_only"]
        )
        if options["save_latents"]:
            _save_latents(out, latents)
        if options["sphere_tracing"]:
            meshes.write_sphere_traced(opened, latents, out, settings)
            click.echo(f"{meshes.GRID_NAME} in {out}", err=True)
        elif not options["no_meshes"]:
            click.echo(_write_meshes(opened, latents, out, settings), err=True)


def _check_options(context: click.Context, options: dict[str, Any]) -> None:
    """Refuse options that would have no effect."""
    if options["latents"]:
        refuse_typed(
            context, "has no effect with --latents", "seed", "count", "truncation", "category"
        )
    if options["shapes"]:
        names = ("seed", "count", "truncation", "category", "latents")
        refuse_typed(context, "has no effect with --shape", *names)
    else:
        refuse_typed(context, "has no effect without --shape", "data")
    if options["no_meshes"] and not options["save_latents"]:
        raise click.UsageError("--no-meshes needs --save-latents: nothing would be written")
    if options["sphere_tracing"]:
        why = "has no effect with --sphere-tracing"
        refuse_typed(context, why, "resolution", "format", "largest_only", "no_meshes")


def _latents(source: "Source", options: dict[str, Any]) -> "list[NamedLatent]":
    from shapegan.model.generation.meshes import latents_by_row, latents_by_seed
    from shapegan.model.generation.source import load_latents

    if options["shapes"]:
        from shapegan.model.generation.learned import learned_by_id

        return [one.named for one in learned_by_id(source, options["shapes"], options["data"])]
    if options["latents"]:
        return latents_by_row(load_latents(options["latents"], source))
    seeds = range(options["seed"], options["seed"] + options["count"])
    return latents_by_seed(source, seeds, options["truncation"], options["category"])


def _save_latents(out: Path, latents: "list[NamedLatent]") -> None:
    from shapegan.model.generation.learned import LATENTS_NAME, TABLE_NAME, write_latents

    write_latents(out, latents)
    shapes = counted(len(latents), "shape")
    click.echo(f"{LATENTS_NAME} and {TABLE_NAME} of {shapes} in {out}", err=True)


def _write_meshes(
    source: "Source", latents: "list[NamedLatent]", out: Path, settings: "MeshSettings"
) -> str:
    """Write all meshes and return the report.

    Raises:
        UserError: if every shape is empty.
    """
    from rich.console import Console
    from rich.progress import track

    from shapegan.model.generation.meshes import GRID_NAME, write_meshes

    console = Console(stderr=True)
    results = track(
        write_meshes(source, latents, out, settings),
        "meshes",
        total=len(latents),
        console=console,
        disable=not console.is_terminal,
    )
    empty = [written.name for written in results if written.path is None]
    if len(empty) == len(latents):
        raise UserError(
            f"all {len(latents)} shapes are empty at level {settings.level:g}: train for longer, or"
            " try another --level"
        )
    made = counted(len(latents) - len(empty), "mesh")
    note = f"; empty at level {settings.level:g}: {', '.join(empty)}" if empty else ""
    return f"{made} and {GRID_NAME} in {out}{note}"

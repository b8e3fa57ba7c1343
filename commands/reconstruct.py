"""`shapegan reconstruct`: a mesh -> the latent of an autodecoder that fits it best."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.completion import complete_runs
from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import device_option, surface_options
from shapegan.commands.options import source as source_callback
from shapegan.commands.recognise import takes


@click.command()
@click.argument(
    "mesh",
    metavar="MESH",
    type=click.Path(path_type=Path),
    callback=takes("the file of a mesh", "mesh"),
)
@click.option(
    "--run",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    callback=source_callback,
    shell_complete=complete_runs,
    help="Run or checkpoint of `train --recipe autodecoder`.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for latent.npy, mesh.obj and reconstruction.json.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=800, show_default=True, help="Steps of Adam."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the points that are fitted and compared.",
)
@surface_options
@device_option
def reconstruct(mesh: Path, source: Path, out: Path, **options: Any) -> None:
    """Find the latent of an autodecoder whose shape fits MESH best.

    MESH is processed as by `preprocess`. Writes the latent and its mesh, in the coordinates of
    MESH, and prints the chamfer distance of the two.
    """
    with interruptible("no incomplete files are left"), plain_errors():
        from rich.console import Console

        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import reconstruction
        from shapegan.model.generation.source import open_source

        names = ("steps", "resolution", "level", "seed")
        settings = reconstruction.ReconstructionSettings(**{name: options[name] for name in names})
        opened = open_source(source, pick_device(options["device"]))
        with Console(stderr=True).status("searching for the latent"):
            found = reconstruction.reconstruct_mesh(mesh, opened, settings)
            reconstruction.write_reconstruction(found, out, mesh, opened, settings)
    if found.chamfer is None:
        click.echo(f"the shape is empty at this level; its latent is in {out}", err=True)
        return
    frame = opened.generator.config.frame
    click.echo(
        f"chamfer distance: {found.chamfer:.6f} (sum of both mean squared distances, {frame} frame)"
    )

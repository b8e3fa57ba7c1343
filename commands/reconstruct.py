"""`shapegan reconstruct`: meshes -> the latents of an autodecoder that fit them best."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.completion import complete_datasets, complete_runs
from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import device_option, refuse_typed, surface_options
from shapegan.commands.options import source as source_callback
from shapegan.commands.recognise import own_kind, takes


@click.command()
@click.argument(
    "mesh",
    metavar="MESH",
    type=click.Path(path_type=Path),
    callback=takes("the file of a mesh, or a dataset", "mesh", "dataset"),
    shell_complete=complete_datasets,
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
    help="Folder for latent.npy, mesh.obj and reconstruction.json; of a dataset, for a folder of"
    " these for each shape, reconstructions.json and reconstructions.png.",
)
@click.option(
    "--split",
    help="Split of the dataset.  [default: test; all shapes of a dataset without splits]",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Shapes of a dataset whose latents are optimised together.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=800, show_default=True, help="Steps of Adam."
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help="Points of a shape in each step.  [default: 8192; 2048 of a dataset]",
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
@click.pass_context
def reconstruct(
    context: click.Context, /, mesh: Path, source: Path, out: Path, **options: Any
) -> None:
    """Find the latent of an autodecoder whose shape fits MESH best.

    MESH is processed as by `preprocess`. Writes the latent and its mesh, in the coordinates of
    MESH, and prints the chamfer distance of the two.

    MESH may be a dataset: this reconstructs each shape of a split, and prints the mean and the
    median chamfer distance. The same command resumes it.
    """
    if own_kind(mesh) == "dataset":
        _reconstruct_split(mesh, source, out, options)
        return
    refuse_typed(context, "takes a dataset", "split", "batch")
    with interruptible("no incomplete files are left"), plain_errors():
        from rich.console import Console

        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import reconstruction
        from shapegan.model.generation.source import open_source

        settings = reconstruction.ReconstructionSettings(**_settings(options))
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


def _reconstruct_split(data: Path, source: Path, out: Path, options: dict[str, Any]) -> None:
    with interruptible(), plain_errors():
        from rich.console import Console

        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import split_reconstruction, split_report
        from shapegan.model.generation.reconstruction import ReconstructionSettings
        from shapegan.model.generation.source import open_source
        from shapegan.pipeline.dataset.reader import Dataset

        each = {"samples": split_reconstruction.SPLIT_SAMPLES} | _settings(options)
        settings = split_reconstruction.SplitSettings(
            ReconstructionSettings(**each), options["split"], options["batch"]
        )
        opened = open_source(source, pick_device(options["device"]))
        dataset = Dataset(data)
        with Console(stderr=True).status("") as status:
            found = split_reconstruction.reconstruct_split(
                opened, dataset, out, settings, status.update
            )
            status.update("drawing the picture")
            split_report.write_report(out, found, opened, dataset)
    click.echo(split_report.as_text(found, opened.generator.config.frame), nl=False)


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    """Settings of a shape; those that were not given are left out."""
    names = ("steps", "resolution", "level", "seed", "samples")
    return {name: options[name] for name in names if options[name] is not None}

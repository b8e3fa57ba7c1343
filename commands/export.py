"""`shapegan export`: a dataset as files of another project."""

from pathlib import Path

import click

from shapegan.commands.completion import complete_datasets
from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import dataset
from shapegan.commands.progress import progress_of
from shapegan.pipeline.exchange.kinds import EXPORTS


@click.command()
@click.argument(
    "path",
    metavar="DATASET",
    type=click.Path(exists=True, path_type=Path),
    callback=dataset,
    shell_complete=complete_datasets,
)
@click.option("--to", required=True, type=click.Choice(EXPORTS), help="Format of the files.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the files.")
@click.option(
    "--name",
    default="",
    help="Name of the data source in DeepSDF's files and splits, such as ShapeNetV2."
    "  [default: that of DATASET's folder]",
)
def export(path: Path, to: str, out: Path, name: str) -> None:
    """Write DATASET as files for another project.

    deepsdf, occnet and shapegan are the formats of DeepSDF, of Occupancy Networks and of the code
    of Kleineberg et al. 2020; npz, npy and webdataset are plain arrays. Frames and signs are those
    that each project expects. If a run was interrupted, the same command resumes it.
    """
    with interruptible(), plain_errors():
        from shapegan.pipeline.exchange.export import export_dataset

        with progress_of("shapes") as progress:
            notes = export_dataset(path, to, out, name, progress)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{path} is exported to {out}", err=True)

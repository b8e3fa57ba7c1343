"""`shapegan import`: files of another project become a dataset."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.progress import progress_of
from shapegan.pipeline.exchange.kinds import IMPORTS


@click.command("import")
@click.argument("folder", metavar="SOURCE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--from", "source", required=True, type=click.Choice(IMPORTS), help="Format of the files."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the new dataset."
)
@click.option(
    "--points",
    type=click.IntRange(1, 2**24),
    help="Points of each set.  [default: as many as 9 of 10 shapes have]",
)
@click.option(
    "--radius",
    type=click.FloatRange(0.1, 10),
    help="Distance of the farthest vertex from the origin in the files."
    "  [default: 1/1.03 for deepsdf, 1 for shapegan]",
)
@click.option(
    "--splits",
    multiple=True,
    help="Split files or fractions, as for `preprocess`; shapes in no file are left out."
    "  [default: the lists in SOURCE]",
)
@click.option("--shard-size", default=64, show_default=True, help="Shapes per shard.")
@click.option("--seed", default=0, show_default=True, help="Seed of the order of the points.")
def import_(folder: Path, out: Path, **options: Any) -> None:
    """Make a dataset of another project's files.

    SOURCE is their folder. deepsdf is a data source of DeepSDF, with SdfSamples. shapegan is a
    folder that the code of Kleineberg et al. 2020 prepared, with voxels_64, uniform, surface or
    cloud. occnet is a dataset of Occupancy Networks, with points.npz and pointcloud.npz. If a run
    was interrupted, the same command resumes it.
    """
    with interruptible(), plain_errors():
        from rich.console import Console

        from shapegan.pipeline.exchange.importing import ImportSettings, import_dataset
        from shapegan.pipeline.run.progress import print_summary

        with progress_of("shapes") as progress:
            settings = ImportSettings(**options)
            manifest, rejections, notes = import_dataset(folder, out, settings, progress)
        for note in notes:
            click.echo(note, err=True)
        print_summary(out, manifest, rejections, Console(stderr=True))

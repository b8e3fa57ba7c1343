"""`shapegan subset`: a part of a dataset as a dataset of its own."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.completion import complete_datasets
from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import copy_option, dataset, words
from shapegan.commands.progress import progress_of
from shapegan.pipeline.wording import counted


@click.command()
@click.argument(
    "path",
    metavar="DATASET",
    type=click.Path(exists=True, path_type=Path),
    callback=dataset,
    shell_complete=complete_datasets,
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the new dataset."
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    callback=words,
    help="Take shapes of this synset id, its name, or folder; separate several with commas.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    callback=words,
    help="Take shapes of this split; separate several with commas.",
)
@click.option(
    "--ids",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take shapes that this file lists, in a format of `preprocess --splits`, such as one id"
    " per line in a .txt file.",
)
@copy_option
def subset(path: Path, out: Path, copy: bool, **selected: Any) -> None:
    """Make a dataset of chosen shapes of DATASET.

    Takes the shapes that meet all given conditions. Shards that stay whole keep their bytes:
    they are hard links where the file system can, otherwise copies. Parts of others are joined into
    new shards. If a run was interrupted, the same command resumes it.
    """
    if not any(selected.values()):
        raise UserError("subset takes --category, --split or --ids")
    with interruptible(), plain_errors():
        from shapegan.pipeline.editing.subset import Selection, subset_dataset

        with progress_of("shards") as progress:
            made, notes = subset_dataset(
                path, out, Selection(**selected), copy=copy, progress=progress
            )
    for note in notes:
        click.echo(note, err=True)
    shapes, shards = counted(made.counts.get("ok", 0), "shape"), counted(len(made.shards), "shard")
    click.echo(f"{shapes} in {shards}, below {out}", err=True)

"""`shapegan merge`: several datasets become one."""

from pathlib import Path

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import copy_option
from shapegan.commands.progress import progress_of
from shapegan.commands.recognise import check_kind
from shapegan.pipeline.wording import counted


@click.command()
@click.argument(
    "inputs",
    metavar="DATASET...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the new dataset."
)
@copy_option
def merge(inputs: tuple[Path, ...], out: Path, copy: bool) -> None:
    """Merge datasets of equal settings into one.

    Shards keep their bytes: they are hard links where the file system can, otherwise copies. Each
    is compared with its SHA-256. `meshes.csv` and the splits are merged as well. If a run was
    interrupted, the same command resumes it.
    """
    if len(inputs) < 2:
        raise UserError("merge takes two datasets or more")
    for path in inputs:
        check_kind(path, "DATASET", "a dataset that `preprocess` made", ["dataset"])
    with interruptible(), plain_errors():
        from shapegan.pipeline.editing.merge import merge_datasets

        with progress_of("shards") as progress:
            made = merge_datasets(inputs, out, copy=copy, progress=progress)
    shapes, shards = counted(made.counts.get("ok", 0), "shape"), counted(len(made.shards), "shard")
    click.echo(f"{shapes} in {shards}, below {out}", err=True)

"""`shapegan split`: other splits for a finished dataset."""

from pathlib import Path

import click

from shapegan.commands.completion import complete_datasets
from shapegan.commands.errors import plain_errors
from shapegan.commands.options import dataset


@click.command()
@click.argument(
    "path",
    metavar="DATASET",
    type=click.Path(exists=True, path_type=Path),
    callback=dataset,
    shell_complete=complete_datasets,
)
@click.argument("splits", metavar="[SPLITS]...", nargs=-1)
@click.option("--by", type=click.Choice(["category"]), help="Make a split of each category.")
@click.option("--remove", is_flag=True, help="Remove all splits.")
def split(path: Path, splits: tuple[str, ...], by: str | None, remove: bool) -> None:
    """Replace the splits of the finished dataset DATASET.

    SPLITS are fractions, such as 0.8,0.1,0.1 or train=0.9,test=0.1, or files, as for `preprocess
    --splits`. No shard is touched; shapes in no split stay in the dataset.
    """
    if (len(splits) > 0) + (by is not None) + remove != 1:
        raise click.UsageError("give one of SPLITS, --by category and --remove")
    with plain_errors():
        from shapegan.pipeline.editing.split import split_dataset

        change = split_dataset(path, splits, by or "")
    for note in change.notes:
        click.echo(note, err=True)
    sizes = ", ".join(f"{name} {len(ids):,}" for name, ids in change.splits.items())
    click.echo(f"splits of {path}: {sizes or 'none'}", err=True)

"""The command `shapegan`; each of its commands is a module in `shapegan.commands`."""

import os

import click

from shapegan import __version__
from shapegan.commands.evaluate import evaluate
from shapegan.commands.export import export
from shapegan.commands.figure import figure
from shapegan.commands.generate import generate
from shapegan.commands.import_ import import_
from shapegan.commands.inspect import inspect
from shapegan.commands.interpolate import interpolate
from shapegan.commands.merge import merge
from shapegan.commands.preprocess import preprocess
from shapegan.commands.reconstruct import reconstruct
from shapegan.commands.samples import samples
from shapegan.commands.split import split
from shapegan.commands.status import status
from shapegan.commands.subset import subset
from shapegan.commands.suggesting_group import SuggestingGroup
from shapegan.commands.train import train
from shapegan.commands.view import view
from shapegan.commands.watertight import watertight


@click.group(cls=SuggestingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shapegan")
@click.pass_context
def main(context: click.Context) -> None:
    """Turn meshes into signed distances, and train generators of 3D shapes on them."""
    # torch reads it when it is imported. Threads that wait sleep then, and leave their cores to
    # others. On an idle machine they are slower for it, so `train`, which measures how many threads
    # are fastest, does without.
    if context.invoked_subcommand != "train":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


for _command in (
    preprocess,
    watertight,
    train,
    status,
    generate,
    interpolate,
    figure,
    evaluate,
    reconstruct,
    inspect,
    split,
    merge,
    subset,
    export,
    import_,
    samples,
    view,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()

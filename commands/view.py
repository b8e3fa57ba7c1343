"""`shapegan view`: a generator or a dataset in the browser."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import device_option

if TYPE_CHECKING:
    from shapegan.model.viewer.dataset_page import DatasetPage
    from shapegan.model.viewer.generator_page import GeneratorPage
    from shapegan.model.viewer.nearest import Nearest
    from shapegan.model.viewer.page import Page


@click.command()
@click.argument("path", metavar="SOURCE_OR_DATASET", type=click.Path(path_type=Path))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; 0.0.0.0 lets in whoever reaches this machine.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="0 takes a free one.",
)
@device_option
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The generator's dataset: the nearest training shape stands beside each shape.",
)
@click.option(
    "--mesh-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the dataset's meshes lie now.  [default: where `preprocess` found them]",
)
def view(
    path: Path, host: str, port: int, device: str, data: Path | None, mesh_root: Path | None
) -> None:
    """Open a page in the browser on a generator or a dataset.

    SOURCE_OR_DATASET is the folder of a run, a checkpoint, a file of the authors' published
    weights, or a dataset. A generator has sliders, a walk from shape to shape, and meshes to
    download; a dataset is leafed through, with its meshes, voxels, points and slices. The page's
    address is printed, nothing is loaded from elsewhere, and Ctrl-C ends it.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.pipeline.schema import MANIFEST_NAME

        if not path.exists():
            raise UserError(
                f"there is no {path}: expected a run, a checkpoint, published weights or a dataset"
            )
        if (path / MANIFEST_NAME).exists():
            if data:
                raise UserError(f"--data goes with a generator, and {path} is a dataset")
            _view_dataset(path, host, port, mesh_root)
        else:
            if mesh_root:
                raise UserError(f"--mesh-root goes with a dataset, and {path} is none")
            _view_generator(path, host, port, device, data)


def _view_dataset(path: Path, host: str, port: int, mesh_root: Path | None) -> None:
    from shapegan.model.viewer.dataset_browser import Shelf
    from shapegan.model.viewer.dataset_page import DatasetPage
    from shapegan.model.viewer.page import Page
    from shapegan.pipeline.dataset.reader import Dataset

    shelf = Shelf(Dataset(path), mesh_root)
    page = Page(host, port, path.resolve().name)
    _serve(page, DatasetPage(page, shelf))


def _view_generator(path: Path, host: str, port: int, device: str, data: Path | None) -> None:
    from shapegan.model.distributed import pick_device
    from shapegan.model.generation.source import open_source
    from shapegan.model.viewer.generated import Controls, Shapes
    from shapegan.model.viewer.generator_page import GeneratorPage
    from shapegan.model.viewer.page import Page

    source = open_source(path, pick_device(device))
    nearest = _nearest(data, source.split) if data else None
    page = Page(host, port, source.name)
    _serve(page, GeneratorPage(page, Shapes(source), Controls(level=source.level), nearest))


def _nearest(data: Path, split: str) -> "Nearest":
    from rich.console import Console

    from shapegan.model.viewer.nearest import Nearest
    from shapegan.pipeline.dataset.reader import Dataset

    with Console(stderr=True).status("reading the training shapes"):
        return Nearest(Dataset(data), split)


def _serve(page: "Page", shown: "DatasetPage | GeneratorPage") -> None:
    """Keeps a page up until Ctrl-C or SIGTERM, which are how it is meant to end."""
    with contextlib.ExitStack() as stack:
        stack.callback(page.close)
        stack.callback(shown.close)
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        # Told last: whoever knows the address may end it at once.
        click.echo(f"{page.address}  (Ctrl-C ends it)")
        page.wait(shown.check)

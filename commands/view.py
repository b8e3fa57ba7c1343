"""`shapegan view`: a generator or a dataset in the browser."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shapegan.commands.completion import complete_datasets, complete_runs_and_datasets
from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import dataset, device_option
from shapegan.commands.recognise import SOURCES, takes
from shapegan.pipeline.extras import naming_extras

if TYPE_CHECKING:
    from shapegan.model.viewer.dataset_page import DatasetPage
    from shapegan.model.viewer.generator_page import GeneratorPage
    from shapegan.model.viewer.page import Page
    from shapegan.model.viewer.training_shapes import TrainingShapes


@click.command()
@click.argument(
    "path",
    metavar="SOURCE_OR_DATASET",
    type=click.Path(path_type=Path),
    callback=takes("a run, a checkpoint, published weights or a dataset", *SOURCES, "dataset"),
    shell_complete=complete_runs_and_datasets,
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; 0.0.0.0 admits everyone who can reach this machine.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="0 selects a free port.",
)
@device_option
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=dataset,
    shell_complete=complete_datasets,
    metavar="DIR",
    help="The generator's dataset, to show the nearest training shape beside each shape.",
)
@click.option(
    "--mesh-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the dataset's input meshes.  [default: where `preprocess` found them]",
)
def view(
    path: Path, host: str, port: int, device: str, data: Path | None, mesh_root: Path | None
) -> None:
    """Show a generator or a dataset in the browser.

    SOURCE_OR_DATASET is the folder of a run, a checkpoint, a file of the authors' published
    weights, or a dataset. The page of a generator has sliders, a walk from shape to shape, and
    meshes to download; that of a dataset shows its meshes, voxels, points and slices, one mesh at a
    time. Prints the page's address; Ctrl-C ends it. The page loads nothing from other servers.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.pipeline.schema import MANIFEST_NAME

        if not path.exists():
            raise UserError(
                f"there is no {path}: expected a run, a checkpoint, published weights or a dataset"
            )
        if (path / MANIFEST_NAME).exists():
            if data:
                raise UserError(f"--data is for generators, and {path} is a dataset")
            _view_dataset(path, host, port, mesh_root)
        else:
            if mesh_root:
                raise UserError(f"--mesh-root is for datasets, and {path} is not a dataset")
            _view_generator(path, host, port, device, data)


def _view_dataset(path: Path, host: str, port: int, mesh_root: Path | None) -> None:
    from shapegan.model.viewer.dataset_browser import DatasetBrowser
    from shapegan.model.viewer.dataset_page import DatasetPage
    from shapegan.model.viewer.page import Page
    from shapegan.pipeline.dataset.reader import Dataset

    browser = DatasetBrowser(Dataset(path), mesh_root)
    page = Page(host, port, path.resolve().name)
    _serve(page, DatasetPage(page, browser))


@naming_extras("view of a generator", "train,view")
def _view_generator(path: Path, host: str, port: int, device: str, data: Path | None) -> None:
    from shapegan.model.distributed import pick_device
    from shapegan.model.generation.source import open_source
    from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
    from shapegan.model.viewer.generator_page import GeneratorPage
    from shapegan.model.viewer.page import Page

    source = open_source(path, pick_device(device))
    training = _training_shapes(data, source.split) if data else None
    page = Page(host, port, source.name)
    shapes, controls = GeneratedShapes(source), Controls(level=source.level)
    _serve(page, GeneratorPage(page, shapes, controls, training))


def _training_shapes(data: Path, split: str) -> "TrainingShapes":
    from rich.console import Console

    from shapegan.model.viewer.training_shapes import TrainingShapes
    from shapegan.pipeline.dataset.reader import Dataset

    with Console(stderr=True).status("reading the training shapes"):
        return TrainingShapes(Dataset(data), split)


def _serve(page: "Page", content: "DatasetPage | GeneratorPage") -> None:
    """Keep a page up until Ctrl-C or SIGTERM, which are its normal ends."""
    with contextlib.ExitStack() as stack:
        stack.callback(page.close)
        stack.callback(content.close)
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        # Printed last: whoever reads the address may interrupt the command at once.
        click.echo(f"{page.address}  (Ctrl-C ends it)")
        page.wait(content.check)

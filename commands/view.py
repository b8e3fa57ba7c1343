"""`shapegan view`: a generator or a dataset in the browser."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shapegan.commands.completion import (
    complete_datasets,
    complete_runs,
    complete_runs_and_datasets,
)
from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import dataset, device_option
from shapegan.commands.recognise import SOURCES, takes
from shapegan.pipeline.extras import naming_extras

if TYPE_CHECKING:
    from shapegan.model.generation.learned import LearnedShape
    from shapegan.model.generation.source import Source
    from shapegan.model.viewer.dataset_page import DatasetPage
    from shapegan.model.viewer.generated_shapes import Choice
    from shapegan.model.viewer.generator_page import GeneratorPage
    from shapegan.model.viewer.page import Page
    from shapegan.model.viewer.training_shapes import TrainingShapes


_MAX_LEARNED = 500
"""Training shapes of recipe `latent` that a page lists: the page waits until all are encoded."""


@click.command()
@click.argument(
    "path",
    metavar="SOURCE_OR_DATASET",
    type=click.Path(path_type=Path),
    callback=takes("a run, a checkpoint, published weights or a dataset", *SOURCES, "dataset"),
    shell_complete=complete_runs_and_datasets,
)
@click.argument(
    "other",
    metavar="[OTHER_SOURCE]",
    required=False,
    type=click.Path(path_type=Path),
    callback=takes("a run, a checkpoint or published weights", *SOURCES),
    shell_complete=complete_runs,
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
    help="The generator's dataset, to show the nearest training shape beside each shape, and to"
    " list the learned shapes of a run whose dataset was moved.",
)
@click.option(
    "--films",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for recorded films.  [default: the browser downloads them]",
)
@click.option(
    "--mesh-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the dataset's input meshes.  [default: where `preprocess` found them]",
)
def view(
    path: Path,
    other: Path | None,
    host: str,
    port: int,
    device: str,
    data: Path | None,
    films: Path | None,
    mesh_root: Path | None,
) -> None:
    """Show a generator or a dataset in the browser.

    SOURCE_OR_DATASET is the folder of a run, a checkpoint, a file of the authors' published
    weights, or a dataset. The page of a generator has sliders, thumbnails to click, a walk from
    shape to shape, and meshes and films to save; those of an autodecoder and of recipe `latent`
    also have a map of training shapes. With OTHER_SOURCE, two generators are shown side by side,
    for the same latents. The page of a dataset shows its meshes, voxels, points and slices, one
    mesh at a time. Prints the page's address; Ctrl-C ends it. The page loads nothing from other
    servers.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.pipeline.schema import MANIFEST_NAME

        for one in (path, *([other] if other else [])):
            if not one.exists():
                raise UserError(
                    f"there is no {one}: expected a run, a checkpoint, published weights or a"
                    " dataset"
                )
        if (path / MANIFEST_NAME).exists():
            for name, given in (("--data", data), ("--films", films), ("OTHER_SOURCE", other)):
                if given:
                    raise UserError(f"{name} is for generators, and {path} is a dataset")
            _view_dataset(path, host, port, mesh_root)
        else:
            if mesh_root:
                raise UserError(f"--mesh-root is for datasets, and {path} is not a dataset")
            _view_generators([path, other] if other else [path], host, port, device, data, films)


def _view_dataset(path: Path, host: str, port: int, mesh_root: Path | None) -> None:
    from shapegan.model.viewer.dataset_browser import DatasetBrowser
    from shapegan.model.viewer.dataset_page import DatasetPage
    from shapegan.model.viewer.page import Page
    from shapegan.pipeline.dataset.reader import Dataset

    browser = DatasetBrowser(Dataset(path), mesh_root)
    page = Page(host, port, path.resolve().name)
    _serve(page, DatasetPage(page, browser))


@naming_extras("view of a generator", "train,view")
def _view_generators(
    paths: Sequence[Path],
    host: str,
    port: int,
    device: str,
    data: Path | None,
    films: Path | None,
) -> None:
    from shapegan.model.distributed import pick_device
    from shapegan.model.generation.source import open_source
    from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
    from shapegan.model.viewer.generator_page import GeneratorPage
    from shapegan.model.viewer.page import Page

    sources = [open_source(path, pick_device(device)) for path in paths]
    _check_latents(sources)
    learned, notes = zip(*(_learned(source, data) for source in sources), strict=True)
    first = GeneratedShapes(sources[0], learned=learned[0])
    others = [
        GeneratedShapes(source, learned=shapes, directions=first.directions)
        for source, shapes in zip(sources[1:], learned[1:], strict=True)
    ]
    training = _training_shapes(data, sources[0].split) if data else None
    page = Page(host, port, " and ".join(source.name for source in sources))
    content = GeneratorPage(
        page,
        first,
        Controls(*_initial_choices(learned), level=sources[0].level),
        training,
        others[0] if others else None,
        note="\n\n".join(note for note in notes if note),
        films=films,
    )
    _serve(page, content)


def _initial_choices(learned: "Sequence[Sequence[LearnedShape]]") -> "tuple[Choice, Choice]":
    """Two shapes to show first: learned ones that all sources have, far apart, else two seeds."""
    others = [{shape.id for shape in shapes} for shapes in learned[1:]]
    common = [shape.id for shape in learned[0] if all(shape.id in ids for ids in others)]
    return (common[0], common[len(common) // 2]) if common else (0, 1)


def _check_latents(sources: "Sequence[Source]") -> None:
    sizes = [source.generator.config.latent for source in sources]
    if len(set(sizes)) > 1:
        listed = " and ".join(
            f"those of {source.name} have {size:,}"
            for source, size in zip(sources, sizes, strict=True)
        )
        raise UserError(
            f"two runs are compared by latents of the same length, and {listed} numbers"
        )


def _learned(source: "Source", data: Path | None) -> "tuple[Sequence[LearnedShape], str]":
    """Learned shapes of a source, and a note why there are none although it has learned some."""
    from rich.console import Console

    from shapegan.model.generation.learned import all_learned
    from shapegan.pipeline.errors import PlainError

    if source.learned is None and source.encoder is None:
        return (), ""
    problem = ""
    # `--data` may name any dataset to compare with, so the run's own comes first.
    for folder in (None, *([data] if data else [])):
        try:
            with Console(stderr=True).status(f"reading the learned shapes of {source.name}"):
                return all_learned(source, folder, _MAX_LEARNED), ""
        except PlainError as error:
            problem = str(error)
    return (), f"No learned shapes are listed, because {problem}. `--data` names their dataset."


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

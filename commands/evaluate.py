"""`shapegan evaluate`: a generator beside real shapes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import device_option, level_option, source_argument

if TYPE_CHECKING:
    from shapegan.model.generation.evaluation import Evaluation
    from shapegan.pipeline.dataset.reader import Dataset

_SWEEP = "-0.02,0,0.02,0.04,0.06"


def _levels(_context: click.Context, _option: click.Parameter, value: str) -> tuple[float, ...]:
    """Levels with commas; nothing for none."""
    try:
        levels = tuple(float(word) for word in value.split(",") if word.strip())
    except ValueError as error:
        raise click.BadParameter(f"got {value!r}, takes numbers with commas: {_SWEEP}") from error
    if not all(-1 <= level <= 1 for level in levels):
        raise click.BadParameter(f"got {value!r}, takes levels from -1 to 1")
    return levels


@click.command()
@source_argument
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Dataset that `preprocess` made.",
)
@click.option("--split", default="test", show_default=True, help="Real shapes to compare with.")
@click.option(
    "--count",
    type=click.IntRange(2, 100_000),
    help="Generated shapes.  [default: as many as there are real ones]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the first shape."
)
@level_option
@click.option(
    "--levels",
    default=_SWEEP,
    show_default=True,
    callback=_levels,
    metavar="LEVELS",
    help="Compared by chamfer distance beside --level; an empty string: none.",
)
@click.option(
    "--resolution",
    type=click.IntRange(8, 512),
    help="Points of the grid along each axis.  [default: the dataset's finest voxels]",
)
@click.option(
    "--emd-points",
    "earth_points",
    type=click.IntRange(0, 2048),
    default=256,
    show_default=True,
    help="Points of each cloud that the earth mover's distance is taken of; 0: leave it out. Time"
    " grows with the cube.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for evaluation.json, evaluation.md and nearest.png.",
)
@click.option(
    "--renders",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for 20 shaded views of each generated and each real shape, for the shading FID.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@device_option
def evaluate(source: Path, data: Path, **options: Any) -> None:
    """Compare what the generator SOURCE makes with real shapes.

    SOURCE is the folder of a run, a checkpoint, or a file of the authors' published weights. Prints
    coverage, minimum matching distance and 1-nearest-neighbour accuracy, each by chamfer and by
    earth mover's distance, Jensen-Shannon divergence, and how many shapes are whole; beside it
    training shapes in the place of generated ones.
    """
    with interruptible("nothing is half-written"), plain_errors():
        from rich.console import Console

        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import evaluation, report
        from shapegan.model.generation.source import open_source
        from shapegan.pipeline.dataset.reader import Dataset

        names = ("split", "count", "seed", "resolution", "level", "levels", "earth_points")
        settings = evaluation.EvaluationSettings(**{name: options[name] for name in names})
        opened = open_source(source, pick_device(options["device"]))
        dataset = Dataset(data)
        with Console(stderr=True).status("") as status:
            found = evaluation.evaluate(opened, dataset, settings, status.update)
            if options["out"]:
                _write(found, dataset, options["out"])
            if options["renders"]:
                status.update("drawing views")
                _write_views(found, options["renders"])
        text = report.as_json(found) if options["as_json"] else report.as_markdown(found)
    click.echo(text, nl=False)


def _write(found: "Evaluation", dataset: "Dataset", out: Path) -> None:
    from shapegan.model.generation import evaluation, report
    from shapegan.model.shapes.image_grid import write_png
    from shapegan.pipeline.files import write_text, writing

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_text(out / "evaluation.json", report.as_json(found))
    write_text(out / "evaluation.md", report.as_markdown(found))
    if found.nearest:
        write_png(out / "nearest.png", evaluation.draw_nearest(found, dataset))


def _write_views(found: "Evaluation", folder: Path) -> None:
    from shapegan.model.generation.evaluation import names_of
    from shapegan.model.shapes.fid_views import VIEW, write_views

    write_views(folder / "generated", list(names_of(found)), found.surfaces, VIEW)
    write_views(folder / "real", found.real_ids, found.reals, VIEW)

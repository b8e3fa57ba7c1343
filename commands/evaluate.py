"""`shapegan evaluate`: scores of a generator against real shapes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.completion import complete_datasets
from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.options import dataset as dataset_option
from shapegan.commands.options import device_option, level_option, refuse_typed, source_argument

if TYPE_CHECKING:
    from shapegan.model.generation.evaluation import Evaluation
    from shapegan.pipeline.dataset.reader import Dataset

_SWEEP = "-0.02,0,0.02,0.04,0.06"


def _levels(_context: click.Context, _option: click.Parameter, value: str) -> tuple[float, ...]:
    """Parse levels separated by commas; an empty string gives none."""
    try:
        levels = tuple(float(word) for word in value.split(",") if word.strip())
    except ValueError as error:
        raise click.BadParameter(
            f"got {value!r}, takes numbers separated by commas, such as {_SWEEP}"
        ) from error
    if not all(-1 <= level <= 1 for level in levels):
        raise click.BadParameter(f"got {value!r}, takes levels from -1 to 1")
    return levels


@click.command()
@source_argument
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    callback=dataset_option,
    shell_complete=complete_datasets,
    help="Dataset made by `preprocess`.",
)
@click.option(
    "--split",
    help="Split of the real shapes.  [default: test; all shapes of a dataset without splits]",
)
@click.option(
    "--count",
    type=click.IntRange(2, 100_000),
    help="Generated shapes.  [default: as many as real ones]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the first shape.",
)
@level_option
@click.option(
    "--levels",
    default=_SWEEP,
    show_default=True,
    callback=_levels,
    metavar="LEVELS",
    help='Further levels, compared by chamfer distance only; "" for none.',
)
@click.option(
    "--resolution",
    type=click.IntRange(8, 512),
    help="Points of the grid along each axis.  [default: the dataset's finest voxels]",
)
@click.option(
    "--emd-points",
    type=click.IntRange(0, 2048),
    default=256,
    show_default=True,
    help="Points of each cloud for the earth mover's distance (EMD); 0 leaves it out. Time grows"
    " with the cube of this number.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for evaluation.json, evaluation.md and nearest.png.",
)
@click.option(
    "--renders",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for 20 shaded views of each generated and real shape, for the shading-image FID.",
)
@click.option(
    "--reconstructions",
    is_flag=True,
    help="Score learned shapes instead, of recipe autodecoder or latent: the chamfer distance of"
    " each from the training shape, of --count of them or of all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@device_option
@click.pass_context
def evaluate(context: click.Context, /, source: Path, data: Path, **options: Any) -> None:
    """Compare the shapes of the generator SOURCE with real ones.

    SOURCE is the folder of a run, a checkpoint, or a file of the authors' published weights. Prints
    coverage, minimum matching distance (MMD) and 1-nearest-neighbour accuracy (1-NNA), each by
    chamfer and by earth mover's distance, Jensen-Shannon divergence (JSD), and the share of
    watertight shapes; for comparison also the scores of training shapes.
    """
    if options["reconstructions"]:
        ignored = ("split", "seed", "levels", "emd_points", "renders")
        refuse_typed(context, "has no effect with --reconstructions", *ignored)
        _score_reconstructions(source, data, options)
        return
    with interruptible("no incomplete files are left"), plain_errors():
        from rich.console import Console

        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import evaluation, report
        from shapegan.model.generation.source import open_source
        from shapegan.pipeline.dataset.reader import Dataset

        names = ("split", "count", "seed", "resolution", "level", "levels", "emd_points")
        settings = evaluation.EvaluationSettings(**{name: options[name] for name in names})
        opened = open_source(source, pick_device(options["device"]))
        dataset = Dataset(data)
        with Console(stderr=True).status("") as status:
            found = evaluation.evaluate(opened, dataset, settings, status.update)
            if not found.settings.split:
                click.echo(
                    f"{data} has no splits: compared with all {len(found.real.ids):,} shapes, those"
                    " of the training included; `shapegan split` makes splits",
                    err=True,
                )
            if options["out"]:
                _write(found, dataset, options["out"])
            if options["renders"]:
                status.update("drawing the views")
                _write_views(found, options["renders"])
        text = report.as_json(found) if options["as_json"] else report.as_markdown(found)
    click.echo(text, nl=False)


def _score_reconstructions(source: Path, data: Path, options: dict[str, Any]) -> None:
    with interruptible("no incomplete files are left"), plain_errors():
        from rich.console import Console

        from shapegan.model.distributed import pick_device
        from shapegan.model.generation import learned
        from shapegan.model.generation.source import open_source
        from shapegan.pipeline.dataset.reader import Dataset
        from shapegan.pipeline.files import write_text, writing

        opened = open_source(source, pick_device(options["device"]))
        with Console(stderr=True).status("") as status:
            scores = learned.score_reconstructions(
                opened,
                Dataset(data),
                options["count"],
                options["resolution"],
                options["level"],
                status.update,
            )
        as_json = learned.reconstructions_as_json(scores)
        if out := options["out"]:
            with writing(out):
                out.mkdir(parents=True, exist_ok=True)
            write_text(out / learned.SCORES_NAME, as_json)
        text = as_json if options["as_json"] else learned.reconstructions_as_text(scores)
    click.echo(text, nl=False)


def _write(found: "Evaluation", dataset: "Dataset", out: Path) -> None:
    from shapegan.model.generation import report
    from shapegan.model.shapes.image_grid import write_png
    from shapegan.pipeline.files import write_text, writing

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_text(out / "evaluation.json", report.as_json(found))
    write_text(out / "evaluation.md", report.as_markdown(found))
    if found.nearest:
        write_png(out / "nearest.png", report.draw_nearest(found, dataset))


def _write_views(found: "Evaluation", folder: Path) -> None:
    from shapegan.model.generation.meshes import seed_name
    from shapegan.model.shapes.fid_views import VIEW_SIZE, write_views

    first = found.settings.seed
    names = [seed_name(first + number) for number in range(len(found.generated))]
    write_views(folder / "generated", names, found.generated, VIEW_SIZE)
    write_views(folder / "real", found.real.ids, found.real.surfaces, VIEW_SIZE)

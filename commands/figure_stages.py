"""`shapegan figure stages`: the same shapes after each stage of a run."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.errors import interruptible, plain_errors
from shapegan.commands.figure_films import out_option
from shapegan.commands.options import device_option, source_argument, surface_options


@click.command()
@source_argument
@out_option
@click.option(
    "--count",
    type=click.IntRange(1, 16),
    default=6,
    show_default=True,
    help="Shapes in each row.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the first."
)
@click.option(
    "--panel",
    type=click.IntRange(64, 1024),
    default=192,
    show_default=True,
    help="Height and width of each picture, pixels.",
)
@surface_options
@device_option
def stages(source: Path, out: Path, **options: Any) -> None:
    """Draw the same shapes after each stage of the run SOURCE.

    Writes stages.png to the folder --out: a row for each stage that has ended, such as before and
    after refinement.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.model.distributed import pick_device
        from shapegan.model.generation.stage_figure import draw_stages
        from shapegan.model.shapes.image_grid import write_png
        from shapegan.pipeline.files import writing

        picture = draw_stages(
            source,
            range(options["seed"], options["seed"] + options["count"]),
            options["resolution"],
            options["level"] or 0.0,
            options["panel"],
            pick_device(options["device"]),
        )
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        write_png(out / "stages.png", picture)
        click.echo(f"stages.png in {out}", err=True)

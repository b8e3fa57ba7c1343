"""`shapegan figure`: pictures of single shapes, and of learned latents."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shapegan.commands.errors import UserError, interruptible, plain_errors
from shapegan.commands.options import (
    dataset,
    decorate,
    level_option,
    resolution_option,
    source_argument,
    source_options,
)
from shapegan.commands.suggesting_group import SuggestingGroup

if TYPE_CHECKING:
    from torch import Tensor

    from shapegan.model.generation.source import Source
    from shapegan.pipeline.pictures.panel import Picture

out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the picture."
)


def shape_options(function: Any) -> Any:
    """Options of figures of one shape."""
    return decorate(
        function,
        [
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Seed of the shape.",
            ),
            click.option(
                "--panel",
                type=click.IntRange(64, 1024),
                default=256,
                show_default=True,
                help="Height and width of each picture, pixels.",
            ),
            source_options,
        ],
    )


@click.group(cls=SuggestingGroup)
def figure() -> None:
    """Draw figures of a generator's shapes."""


@figure.command()
@source_argument
@out_option
@click.option("--trilinear", is_flag=True, help="Add a row with 16^3 interpolated trilinearly.")
@level_option
@shape_options
def upscale(source: Path, out: Path, **options: Any) -> None:
    """Draw one shape of the generator SOURCE on grids of 16^3 to 128^3.

    Writes upscale.png to the folder --out.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.model.generation.figures import draw_upscale

        opened, latent = _open(source, options)
        level = opened.level if options["level"] is None else options["level"]
        picture = draw_upscale(
            opened, latent, level, options["panel"], trilinear=options["trilinear"]
        )
        _write(out, "upscale.png", picture)


@figure.command()
@source_argument
@out_option
@resolution_option
@shape_options
def levels(source: Path, out: Path, **options: Any) -> None:
    """Draw one shape of the generator SOURCE at levels from -0.05 to 0.08.

    Writes levels.png to the folder --out.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.model.generation.figures import draw_levels

        opened, latent = _open(source, options)
        picture = draw_levels(opened, latent, options["resolution"], options["panel"])
        _write(out, "levels.png", picture)


@figure.command("map")
@source_argument
@out_option
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=dataset,
    help="Dataset of the run.  [default: where it was during training]",
)
def latent_map(source: Path, out: Path, data: Path | None) -> None:
    """Draw a map of the latents that the autodecoder SOURCE has learned, by t-SNE.

    SOURCE is the folder of a run, or a checkpoint. Writes map.png to the folder --out; each dot is
    a training shape, coloured by its category.
    """
    with interruptible("nothing was written"), plain_errors():
        from shapegan.model.generation.latent_map import MIN_LATENTS, draw_map, embed_latents
        from shapegan.model.generation.source import learned_shapes, open_source

        opened = open_source(source)
        shapes = learned_shapes(opened, data)
        if opened.learned is None or len(shapes) < MIN_LATENTS:
            raise UserError(
                f"a map takes {MIN_LATENTS} learned shapes or more, {opened.name} has {len(shapes)}"
            )
        picture = draw_map(embed_latents(opened.learned), [shape.category for shape in shapes])
        _write(out, "map.png", picture)


def _open(source: Path, options: dict[str, Any]) -> "tuple[Source, Tensor]":
    """Open the source, and draw the latent of --seed."""
    from shapegan.model.distributed import pick_device
    from shapegan.model.generation.source import open_source

    opened = open_source(source, pick_device(options["device"]))
    return opened, opened.latent(options["seed"], options["truncation"])


def _write(out: Path, name: str, picture: "Picture") -> None:
    from shapegan.model.shapes.image_grid import write_png
    from shapegan.pipeline.files import writing

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_png(out / name, picture)
    click.echo(f"{name} in {out}", err=True)

"""`shapegan train`: a dataset -> a generator."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.errors import plain_errors
from shapegan.commands.options import MOST_DRAWN, decorate, device_option, seconds, some_numbers


def recipe_options(function: Any) -> Any:
    """Options that decide what is trained."""
    return decorate(
        function,
        [
            click.option(
                "--recipe",
                type=click.Choice(["voxel", "point", "autodecoder"]),
                default="voxel",
                show_default=True,
                help="A GAN on voxels, a GAN on points with refinement, or DeepSDF's own training.",
            ),
            click.option(
                "--preset",
                type=click.Choice(["paper", "fast", "demo"]),
                default="fast",
                show_default=True,
                help="What was published, what gets there sooner, or a toy.",
            ),
            click.option(
                "--stages",
                callback=some_numbers,
                metavar="SIZES",
                help="Only these: resolutions, or points to a shape.  [default: the preset's]",
            ),
            click.option(
                "--batch-size",
                type=click.IntRange(min=1),
                help="Shapes to a step, over all devices.  [default: the preset's]",
            ),
            click.option("--split", default="train", show_default=True, help="Shapes to train on."),
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Of weights, latents and the order of shapes.",
            ),
        ],
    )


def training_options(function: Any) -> Any:
    """Options that decide how a run is done; what is learned does not depend on them."""
    return decorate(
        function,
        [
            click.option(
                "--steps",
                type=click.IntRange(min=1),
                help="Of the whole run, divided among its stages.  [default: the preset's epochs]",
            ),
            click.option(
                "--time",
                "seconds",
                callback=seconds,
                metavar="TIME",
                help="Of the whole run, such as 30m or 2h, divided among its stages.",
            ),
            device_option,
            click.option(
                "--precision",
                type=click.Choice(["fp32", "bf16", "tf32"]),
                default="fp32",
                show_default=True,
            ),
            click.option("--compile", "compiled", is_flag=True, help="Use torch.compile."),
            click.option(
                "--chunk",
                type=click.IntRange(min=1),
                default=2**17,
                show_default=True,
                help="Points that the generator works on at once: less takes less memory.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Processes that read ahead, where shapes are not kept in memory.",
            ),
            click.option(
                "--pin",
                type=click.Choice(["auto", "none", "ram", "device"]),
                default="auto",
                show_default=True,
                help="Where all shapes are kept, if they fit.",
            ),
            click.option(
                "--save-every",
                default="5m",
                show_default=True,
                callback=seconds,
                metavar="TIME",
                help="Between checkpoints.",
            ),
            click.option(
                "--sample-every",
                default="3m",
                show_default=True,
                callback=seconds,
                metavar="TIME",
                help="Between sheets of samples.",
            ),
            click.option(
                "--samples",
                "previews",
                type=click.IntRange(0, MOST_DRAWN),
                default=16,
                show_default=True,
                help="Shapes on such a sheet; 0: no sheets.",
            ),
        ],
    )


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Dataset that `preprocess` made.  [default: datasets, or the one in it]",
)
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what the run makes.  [default: runs/RECIPE-PRESET]",
)
@recipe_options
@training_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def train(data: Path | None, run: Path | None, dry_run: bool, **options: Any) -> None:
    """Train a generator of shapes on a dataset.

    Checkpoints, sheets of samples, metrics.csv and TensorBoard's events go to the run's folder. The
    same command again goes on with it; Ctrl-C and SIGTERM finish the step, save, and leave. Several
    GPUs: torchrun --nproc-per-node N -m -- shapegan.cli train ...
    """
    with plain_errors():
        from rich.console import Console

        from shapegan.model.default_data import resolve_data
        from shapegan.model.presets import Overrides, resolve_config
        from shapegan.model.schedule import Budget
        from shapegan.model.training.forecast import forecast
        from shapegan.model.training.progress import TrainingProgress, tell_forecast
        from shapegan.model.training.trainer import TrainSettings
        from shapegan.model.training.trainer import train as run_training

        if options["steps"] and options["seconds"]:
            raise click.UsageError("--steps and --time exclude each other")
        overrides = Overrides(
            options["stages"], options["batch_size"], options["split"], options["seed"]
        )
        config = resolve_config(options["recipe"], options["preset"], overrides)
        names = ("device", "precision", "compiled", "chunk", "workers", "pin", "previews")
        settings = TrainSettings(
            data=resolve_data(data),
            run=run or Path("runs") / f"{options['recipe']}-{options['preset']}",
            budget=Budget(options["steps"], options["seconds"]),
            save_seconds=options["save_every"],
            preview_seconds=options["sample_every"],
            **{name: options[name] for name in names},
        )
        console = Console(stderr=True)
        if dry_run:
            tell_forecast(config, forecast(config, settings), console)
            return
        with TrainingProgress(config, console) as meter:
            run_training(config, settings, meter)

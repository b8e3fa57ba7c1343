"""`shapegan train`: a dataset -> a generator."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from shapegan.commands.completion import complete_datasets
from shapegan.commands.errors import plain_errors
from shapegan.commands.options import (
    MOST_DRAWN,
    dataset,
    decorate,
    device_option,
    seconds,
    some_numbers,
)

if TYPE_CHECKING:
    from shapegan.model.config import TrainConfig
    from shapegan.model.training.settings import TrainSettings


def recipe_options(function: Any) -> Any:
    """Options that decide what is trained."""
    return decorate(
        function,
        [
            click.option(
                "--recipe",
                type=click.Choice(["voxel", "point", "autodecoder", "latent"]),
                default="voxel",
                show_default=True,
                help="A GAN on voxels, a GAN on points with refinement, DeepSDF's autodecoder, or a"
                " decoder of voxels with a flow prior.",
            ),
            click.option(
                "--preset",
                type=click.Choice(["paper", "fast", "best", "demo"]),
                default="fast",
                show_default=True,
                help="Settings to start from: the published ones, faster ones, a night's on a GPU"
                " (recipes voxel and latent), or a toy's.",
            ),
            click.option(
                "--config",
                "config_file",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="YAML or JSON: a whole config, such as --dry-run prints or a run's config.json"
                " holds; or changes to a preset, named in the file or by --preset.",
            ),
            click.option(
                "--stages",
                callback=some_numbers,
                metavar="SIZES",
                help="Train these stages only: resolutions, or points per shape."
                "  [default: the preset's]",
            ),
            click.option(
                "--batch-size",
                type=click.IntRange(min=1),
                help="Shapes per step, over all devices.  [default: the preset's]",
            ),
            click.option("--split", help="Split to train on.  [default: train]"),
            click.option(
                "--seed",
                type=click.IntRange(min=0),
                help="Seed of weights, latents and the order of shapes.  [default: 0]",
            ),
            click.option(
                "--set",
                "settings",
                multiple=True,
                callback=key_values,
                metavar="KEY=VALUE...",
                help="Change any setting by its dotted name, such as critic.width=0.5"
                " stages.0.batch=16; --dry-run prints all names. Applied last.",
            ),
            click.argument("more_settings", nargs=-1, callback=key_values, metavar=""),
        ],
    )


def key_values(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read KEY=VALUE pairs; those that follow the first of --set arrive as arguments."""
    pairs = {}
    for word in values:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--set: got {word}, takes KEY=VALUE")
        pairs[key] = value
    return pairs


def training_options(function: Any) -> Any:
    """Options that decide how a run is done; what is learned does not depend on them."""
    return decorate(
        function,
        [
            click.option(
                "--steps",
                type=click.IntRange(min=1),
                help="Steps of the run, divided among its stages.  [default: the preset's epochs]",
            ),
            click.option(
                "--time",
                "seconds",
                callback=seconds,
                metavar="TIME",
                help="Wall time of the run, such as 30m or 2h, from the start of the process to its"
                " exit, within 5 % or 10 s; divided among the stages.",
            ),
            device_option,
            click.option(
                "--precision",
                type=click.Choice(["auto", "fp32", "bf16", "tf32"]),
                default="auto",
                show_default=True,
                help="Arithmetic of the networks; tf32 is for CUDA. auto: bf16 on GPUs that compute"
                " with it, otherwise fp32.",
            ),
            click.option(
                "--graphs/--no-graphs",
                default=True,
                show_default=True,
                help="Run steps as CUDA graphs on a GPU, which is faster and gives the same.",
            ),
            click.option("--compile", "compiled", is_flag=True, help="Use torch.compile."),
            click.option(
                "--chunk",
                type=click.IntRange(min=1),
                help="Points that the generator evaluates at once: fewer take less memory."
                "  [default: by a GPU's free memory, or 131,072]",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Processes that read ahead if the shapes are not kept in memory.",
            ),
            click.option(
                "--pin",
                type=click.Choice(["auto", "none", "ram", "device"]),
                default="auto",
                show_default=True,
                help="Memory that keeps all shapes; auto chooses by the free memory.",
            ),
            click.option(
                "--save-every",
                default="5m",
                show_default=True,
                callback=seconds,
                metavar="TIME",
                help="Time between checkpoints.",
            ),
            click.option(
                "--preview-every",
                default="3m",
                show_default=True,
                callback=seconds,
                metavar="TIME",
                help="Time between previews. They take at most 5 % of a run's time, and are smaller"
                " or fewer where they would take more.",
            ),
            click.option(
                "--preview-shapes",
                type=click.IntRange(0, MOST_DRAWN),
                default=16,
                show_default=True,
                help="Shapes in a preview; 0: no previews, and no scores.",
            ),
            click.option(
                "--quality-every",
                default="10m",
                show_default=True,
                callback=seconds,
                metavar="TIME",
                help="Time between scores of generated shapes against the validation split, if the"
                " previews' time allows.",
            ),
            click.option(
                "--log",
                type=click.Choice(["wandb"]),
                help="Log to Weights & Biases, too; WANDB_MODE=offline keeps it on this machine.",
            ),
        ],
    )


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=dataset,
    shell_complete=complete_datasets,
    help="Dataset that `preprocess` made.  [default: datasets, or the only one in it]",
)
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the run.  [default: runs/RECIPE-PRESET, or runs/RECIPE-FILE with --config]",
)
@recipe_options
@training_options
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the whole config as YAML, and the steps and memory of each stage; train nothing.",
)
@click.pass_context
def train(
    context: click.Context, /, data: Path | None, run: Path | None, dry_run: bool, **options: Any
) -> None:
    """Train a generator of shapes on a dataset.

    The run's folder receives checkpoints, previews, metrics.csv and TensorBoard events. The same
    command again resumes the run; Ctrl-C and SIGTERM finish the step, save, and exit. Several GPUs:
    torchrun --nproc-per-node N -m -- shapegan.cli train ...

    \b
    Every setting can be changed:
      shapegan train --set critic.width=0.5 objective.critic_steps=5
      shapegan train --dry-run > mine.yaml
      shapegan train --config mine.yaml
    """  # noqa: D301 - click's mark of a paragraph that keeps its lines
    with plain_errors():
        from rich.console import Console

        from shapegan.model.config_file import config_text
        from shapegan.model.training.forecast import forecast_training
        from shapegan.model.training.progress import TrainingProgress, print_forecast
        from shapegan.model.training.trainer import train as run_training
        from shapegan.pipeline.extras import naming_extras, require

        if options["log"]:  # before the data are read
            with naming_extras(f"--log {options['log']}"):
                require(options["log"])
        if options["steps"] and options["seconds"]:
            raise click.UsageError("--steps and --time exclude each other")
        config = _config_of(context, options)
        settings = _settings_of(config, data, run, options)
        console = Console(stderr=True)
        if dry_run:
            forecasts = forecast_training(config, settings)
            click.echo(config_text(config), nl=False)
            print_forecast(forecasts, console)
            return
        with TrainingProgress(config, console) as progress:
            run_training(config, settings, progress)


def _config_of(context: click.Context, options: dict[str, Any]) -> "TrainConfig":
    from shapegan.model.config_file import load_config
    from shapegan.model.overrides import Overrides, override
    from shapegan.model.presets import preset

    if options["more_settings"] and not options["settings"]:
        unexpected = next(iter(options["more_settings"]))
        raise click.UsageError(f"unexpected argument {unexpected}=...: settings follow --set")
    changes = Overrides(
        options["stages"],
        options["batch_size"],
        options["split"],
        options["seed"],
        options["settings"] | options["more_settings"],
    )
    if options["config_file"] is None:
        return override(preset(options["recipe"], options["preset"]), changes)
    # The defaults of --recipe and --preset must not overrule the file.
    typed = {
        name: options[name]
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        else None
        for name in ("recipe", "preset")
    }
    return override(load_config(options["config_file"], typed["recipe"], typed["preset"]), changes)


def _settings_of(
    config: "TrainConfig", data: Path | None, run: Path | None, options: dict[str, Any]
) -> "TrainSettings":
    from shapegan.model.default_data import resolve_data
    from shapegan.model.schedule import Budget
    from shapegan.model.training.settings import TrainSettings, process_start

    file = options["config_file"]
    name = f"{config.recipe}-{options['preset'] if file is None else file.stem}"
    names = ("device", "precision", "compiled", "graphs", "chunk", "workers", "pin")
    return TrainSettings(
        data=resolve_data(data),
        run=run or Path("runs") / name,
        budget=Budget(options["steps"], options["seconds"]),
        save_seconds=options["save_every"],
        preview_seconds=options["preview_every"],
        quality_seconds=options["quality_every"],
        preview_shapes=options["preview_shapes"],
        log=options["log"] or "",
        began=process_start(),
        **{name: options[name] for name in names},
    )

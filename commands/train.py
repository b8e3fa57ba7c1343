"""`shapegan train`: a dataset -> a generator."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from shapegan.commands.completion import complete_datasets
from shapegan.commands.errors import plain_errors
from shapegan.commands.options import dataset
from shapegan.commands.train_options import recipe_options, training_options

if TYPE_CHECKING:
    from shapegan.model.config import TrainConfig
    from shapegan.model.training.settings import TrainSettings


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
        threads=options["threads"] or "auto",
        began=process_start(),
        **{name: options[name] for name in names},
    )

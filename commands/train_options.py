"""Options of `shapegan train`."""

from pathlib import Path
from typing import Any

import click

from shapegan.commands.options import MOST_DRAWN, decorate, device_option, seconds, some_numbers


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
                help="A GAN with a critic of voxels, a GAN with a critic of points, DeepSDF's"
                " autodecoder, or an autoencoder with a prior for its codes.",
            ),
            click.option(
                "--preset",
                type=click.Choice(["paper", "fast", "best", "demo"]),
                default="fast",
                show_default=True,
                help="Settings to start from. paper: the published ones (not for latent). fast: for"
                " minutes on a CPU. best: for a night on a GPU (voxel and latent). demo: a toy.",
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
            click.option(
                "--split",
                help="Split to train on.  [default: train; all shapes of a dataset without splits]",
            ),
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
                "--threads",
                type=click.IntRange(min=1),
                help="Threads of the CPU, for each process.  [default: the run's, or the fastest of"
                " a short measurement]",
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

"""What does each part of the preset `fast` do for a voxel GAN? Prints a Markdown table.

Trains the preset as it is, and with one thing changed at a time, for the same CPU time and from the
same seed; judges as `training.py` does.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import click
import torch
from training import held_out, judge, oracle, table, trained_for

from shapegan.model.choices import Overrides, choose_config
from shapegan.model.config import Objective, TrainConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig

Change = Callable[[TrainConfig], TrainConfig]


def setting(**values: object) -> Change:
    """Changes settings of the run."""
    return lambda config: dataclasses.replace(config, **values)  # type: ignore[arg-type]


def generating(**values: object) -> Change:
    """Changes the generator."""

    def change(config: TrainConfig) -> TrainConfig:
        generator = dataclasses.replace(config.generator, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, generator=generator)

    return change


def judging(**values: object) -> Change:
    """Changes the critic."""

    def change(config: TrainConfig) -> TrainConfig:
        assert isinstance(config.critic, VoxelCriticConfig)
        critic = dataclasses.replace(config.critic, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, critic=critic)

    return change


RELATIVISTIC = Objective("relativistic", "r1+r2", penalty_weight=0.03, critic_steps=1)
VARIANTS: dict[str, Change] = {
    "fast": setting(),
    "another seed": setting(seed=1),
    "WGAN-GP, 5 critic steps": setting(objective=Objective()),
    "WGAN-GP, 1 critic step": setting(objective=Objective(critic_steps=1)),
    "relativistic, R1 + R2": setting(objective=RELATIVISTIC),
    "clip at 0.1 throughout": setting(clip_voxels=0.0),
    "hard clip": setting(squash="hard"),
    "no running average": setting(ema_halflife=0.0),
    "4 octaves of encoding": generating(frequencies=4),
    "begins at random": generating(initialisation="published"),
    "critic sees gradients": judging(gradients=True),
    "critic of patches too": judging(patches=(32, 64)),
    "spectral norm": judging(spectral=True),
}


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("work"), show_default=True)
@click.option("--minutes", default=4.0, show_default=True, help="CPU minutes of each.")
@click.option("--only", default=";".join(VARIANTS), help="Some of them, split by semicolons.")
@click.option("--stages", default="8,16", show_default=True, help="As of `shapegan train`.")
def main(data: Path, work: Path, minutes: float, only: str, stages: str) -> None:
    """Trains, judges, prints."""
    torch.set_num_threads(1)
    names = only.split(";")
    if unknown := [name for name in names if name not in VARIANTS]:
        raise click.UsageError(f"expected some of {'; '.join(VARIANTS)}, got {unknown[0]!r}")
    sizes = tuple(int(size) for size in stages.split(","))
    preset = choose_config("voxel", "fast", Overrides(stages=sizes))
    real = held_out(data)
    rows = [oracle(data, real)]
    for name in names:
        run = work / name.replace(" ", "-").replace(",", "")
        generator, *done = trained_for(minutes, True, VARIANTS[name](preset), data, run)
        rows += judge(name, generator, real, work, *done, levels=(0.0,))
        # Each row as soon as it is there: the whole takes an hour.
        click.echo(table(rows[-1:]).splitlines()[-1], err=True)
    click.echo(table(rows))


if __name__ == "__main__":
    main()

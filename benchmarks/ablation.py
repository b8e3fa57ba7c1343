"""Ablation of the preset `fast` for a voxel GAN. Prints a Markdown table.

Trains the preset as it is, and with one change at a time, each from the same seed and for the same
CPU time or number of steps. Scores are those of `training_quality.py`.
"""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import torch
from training_quality import (
    Length,
    RealShapes,
    ScoredShapes,
    real_shapes,
    score_generator,
    score_split,
    table,
    trained_for,
)

from shapegan.model.config import TrainConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.objective_config import Optimiser
from shapegan.model.overrides import Overrides, override
from shapegan.model.presets import preset
from shapegan.model.training.trainer import TrainSettings

Change = Callable[[TrainConfig], TrainConfig]


def changed_run(**values: object) -> Change:
    """Change settings of the run."""
    return lambda config: dataclasses.replace(config, **values)  # type: ignore[arg-type]


def changed_generator(**values: object) -> Change:
    """Change settings of the generator."""

    def change(config: TrainConfig) -> TrainConfig:
        generator = dataclasses.replace(config.generator, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, generator=generator)

    return change


def changed_critic(**values: object) -> Change:
    """Change settings of the critic."""

    def change(config: TrainConfig) -> TrainConfig:
        assert isinstance(config.critic, VoxelCriticConfig)
        critic = dataclasses.replace(config.critic, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, critic=critic)

    return change


def changed_optimiser(**values: object) -> Change:
    """Change settings of the optimisers."""

    def change(config: TrainConfig) -> TrainConfig:
        optimiser = dataclasses.replace(config.optimiser, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, optimiser=optimiser)

    return change


def stage_setting(**values: object) -> Change:
    """Change all stages."""

    def change(config: TrainConfig) -> TrainConfig:
        stages = [dataclasses.replace(stage, **values) for stage in config.stages]  # type: ignore[arg-type]
        return dataclasses.replace(config, stages=tuple(stages))

    return change


def shrinking_to_the_end(config: TrainConfig) -> TrainConfig:
    """Join the last two stages: the offset of thin parts shrinks until the end."""
    *first, shrinking, last = config.stages
    assert shrinking.size == last.size, "the last size has two stages"
    assert shrinking.weight is not None
    assert last.weight is not None
    joined = dataclasses.replace(
        shrinking,
        epochs=shrinking.epochs + last.epochs,
        weight=shrinking.weight + last.weight,
    )
    return dataclasses.replace(config, stages=(*first, joined))


def changed_objective(**values: object) -> Change:
    """Change settings of the losses."""

    def change(config: TrainConfig) -> TrainConfig:
        objective = dataclasses.replace(config.objective, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, objective=objective)

    return change


def combined(first: Change, second: Change) -> Change:
    """Make both changes."""
    return lambda config: second(first(config))


WGAN_GP = {"loss": "wasserstein", "penalty": "gradient", "penalty_weight": 10.0}

VARIANTS: dict[str, Change] = {
    "fast": changed_run(),
    "another seed": changed_run(seed=1),
    "loose parts cost nothing": changed_objective(wholeness_weight=0.0),
    "nothing is reconstructed": combined(
        changed_generator(prior_spread=0.0), changed_objective(reconstruction_weight=0.0)
    ),
    "codes are standard normal": changed_generator(prior_spread=0.0),
    "codes of 64 numbers": changed_generator(latent=64),
    "Adam": changed_optimiser(name="adam"),
    "WGAN-GP, 5 critic steps": changed_objective(**WGAN_GP, critic_steps=5),
    "WGAN-GP, 1 critic step": changed_objective(**WGAN_GP),
    "WGAN-GP, RMSprop at 1e-4": combined(
        changed_objective(**WGAN_GP, critic_steps=5), changed_run(optimiser=Optimiser())
    ),
    "logistic, R1 of weight 0.3": changed_objective(loss="logistic", penalty="r1"),
    "logistic, R1 of weight 0.03": changed_objective(
        loss="logistic", penalty="r1", penalty_weight=0.03
    ),
    "relativistic, R1 alone": changed_objective(penalty="r1"),
    "penalties of weight 1": changed_objective(penalty_weight=1.0),
    "penalties of weight 0.1": changed_objective(penalty_weight=0.1),
    "penalties at each fourth step": changed_objective(penalty_every=4),
    "clip at 0.1 throughout": changed_run(clip=0.1, clip_voxels=0.0),
    "hard clip": changed_run(clip_mode="hard"),
    "no running average": changed_run(ema_halflife=0.0),
    "generator of width 128": changed_generator(width=128),
    "critic of full width": changed_critic(width=1.0),
    "4 octaves of encoding": changed_generator(frequencies=4),
    "begins at random": changed_generator(initialisation="published"),
    "critic sees distances alone": changed_critic(gradients=False),
    "the same, another seed": combined(changed_critic(gradients=False), changed_run(seed=1)),
    "true fields on shifted lattices": stage_setting(thin_offset=0.0, thin_offset_end=None),
    "the offset shrinks to the end": shrinking_to_the_end,
    "stored grids": stage_setting(lattice=0, thin_offset=0.0, thin_offset_end=None),
    "clip at 1.5 voxels": changed_run(clip_voxels=1.5),
    "rates that stay": changed_optimiser(halvings=0),
    "not folded": changed_generator(symmetry="none"),
}


@dataclass(frozen=True)
class Variant:
    """A variant of the preset, to be trained."""

    name: str
    stages: tuple[int, ...]
    length: Length
    settings: TrainSettings
    real: RealShapes

    def train_and_score(self) -> list[ScoredShapes]:
        """Train the variant in this process, on one thread, and score its shapes."""
        torch.set_num_threads(1)
        config = VARIANTS[self.name](
            override(preset("voxel", "fast"), Overrides(stages=self.stages))
        )
        generator, *done = trained_for(self.length, config, self.settings)
        work = self.settings.run.parent
        return list(score_generator(self.name, generator, self.real, work, *done, levels=(0.0,)))


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("work"), show_default=True)
@click.option("--cpu-minutes", type=float, help="Of each variant.")
@click.option("--steps", type=int, help="Of each variant.")
@click.option("--only", default=";".join(VARIANTS), help="Names of variants, split by semicolons.")
@click.option(
    "--stages", default="8,16,32", show_default=True, help="--stages of `shapegan train`."
)
@click.option("--device", default="cpu", show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Trainings at the same time.")
def main(
    data: Path,
    work: Path,
    cpu_minutes: float | None,
    steps: int | None,
    only: str,
    stages: str,
    device: str,
    jobs: int,
) -> None:
    """Train the variants, score them, and print the table."""
    if (cpu_minutes is None) == (steps is None):
        raise click.UsageError("expected --cpu-minutes or --steps")
    names = only.split(";")
    if unknown := [name for name in names if name not in VARIANTS]:
        raise click.UsageError(f"expected some of {'; '.join(VARIANTS)}, got {unknown[0]!r}")
    sizes = tuple(int(size) for size in stages.split(","))
    real = real_shapes(data)
    variants = [
        Variant(
            name,
            sizes,
            Length(cpu_minutes=cpu_minutes, steps=steps),
            TrainSettings(data, work / name.replace(" ", "-").replace(",", ""), device),
            real,
        )
        for name in names
    ]
    rows = [score_split("train", data, real)]
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        for scored in pool.map(Variant.train_and_score, variants):
            # Print each row as soon as it is known: all of them take an hour.
            click.echo(table(scored).splitlines()[-1], err=True)
            rows += scored
    click.echo(table(rows))


if __name__ == "__main__":
    main()

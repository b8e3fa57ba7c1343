"""Ablation of the preset `fast` for voxel GANs, as a Markdown table.

Trains the preset, and variants with one change each, from the same seed, for the same CPU time or
number of steps. Scores are those of `training_quality.py`.
"""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import torch
from training_quality import Length, ScoredShapes, held_out, oracle, score, table, trained_for

from shapegan.model.config import Objective, Optimiser, TrainConfig
from shapegan.model.metrics.scores import Reference
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.presets import Overrides, resolve_config
from shapegan.model.training.trainer import TrainSettings

Change = Callable[[TrainConfig], TrainConfig]


def setting(**values: object) -> Change:
    """Change settings of the run."""
    return lambda config: dataclasses.replace(config, **values)  # type: ignore[arg-type]


def generator_setting(**values: object) -> Change:
    """Change the generator."""

    def change(config: TrainConfig) -> TrainConfig:
        generator = dataclasses.replace(config.generator, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, generator=generator)

    return change


def critic_setting(**values: object) -> Change:
    """Change the critic."""

    def change(config: TrainConfig) -> TrainConfig:
        assert isinstance(config.critic, VoxelCriticConfig)
        critic = dataclasses.replace(config.critic, **values)  # type: ignore[arg-type]
        return dataclasses.replace(config, critic=critic)

    return change


def stage_setting(**values: object) -> Change:
    """Change all stages."""

    def change(config: TrainConfig) -> TrainConfig:
        stages = [dataclasses.replace(stage, **values) for stage in config.stages]  # type: ignore[arg-type]
        return dataclasses.replace(config, stages=tuple(stages))

    return change


def r1(weight: float, every: int = 1) -> Objective:
    """Logistic loss with an R1 penalty."""
    return Objective("logistic", "r1", weight, every, critic_steps=1)


def both(first: Change, second: Change) -> Change:
    """Apply one change after the other."""
    return lambda config: second(first(config))


RELATIVISTIC = Objective("relativistic", "r1+r2", penalty_weight=0.03, critic_steps=1)
VARIANTS: dict[str, Change] = {
    "fast": setting(),
    "another seed": setting(seed=1),
    "WGAN-GP, 5 critic steps": setting(objective=Objective()),
    "WGAN-GP, 1 critic step": setting(objective=Objective(critic_steps=1)),
    "WGAN-GP, RMSprop at 1e-4": setting(objective=Objective(), optimiser=Optimiser()),
    "R1 of weight 0.3": setting(objective=r1(0.3)),
    "R1 of weight 0.1": setting(objective=r1(0.1)),
    "R1 of weight 0.01": setting(objective=r1(0.01)),
    "R1 at each fourth step": setting(objective=r1(0.03, every=4)),
    "relativistic, R1 + R2": setting(objective=RELATIVISTIC),
    "clip at 1.5 voxels": setting(clip_voxels=1.5),
    "true fields": stage_setting(thin_offset=0.0, thin_offset_end=None),
    "true fields of the stored grids": stage_setting(
        lattice=0, thin_offset=0.0, thin_offset_end=None
    ),
    "not folded": generator_setting(symmetry="none"),
    "hard clip": setting(clip_mode="hard"),
    "no running average": setting(ema_halflife=0.0),
    "generator of width 256": generator_setting(width=256),
    "critic of full width": critic_setting(width=1.0),
    "4 octaves of encoding": generator_setting(frequencies=4),
    "begins at random": generator_setting(initialisation="published"),
    "critic sees distances alone": critic_setting(gradients=False),
    "the same, another seed": both(critic_setting(gradients=False), setting(seed=1)),
    "critic of patches too": critic_setting(patches=(32, 64)),
    "spectral norm": critic_setting(spectral=True),
}


@dataclass(frozen=True)
class Variant:
    """One training: its changes, stages, length and settings."""

    name: str
    stages: tuple[int, ...]
    length: Length
    settings: TrainSettings
    reference: Reference

    def scores(self) -> list[ScoredShapes]:
        """Train in this process, on one thread, and score the result."""
        torch.set_num_threads(1)
        config = VARIANTS[self.name](resolve_config("voxel", "fast", Overrides(stages=self.stages)))
        generator, *done = trained_for(self.length, config, self.settings)
        work = self.settings.run.parent
        return list(score(self.name, generator, self.reference, work, *done, levels=(0.0,)))


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("work"), show_default=True)
@click.option("--cpu-minutes", type=float, help="Length of each training.")
@click.option("--steps", type=int, help="Length of each training.")
@click.option("--only", default=";".join(VARIANTS), help="Variants, separated by semicolons.")
@click.option("--stages", default="8,16", show_default=True, help="As of `shapegan train`.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Trainings at a time.")
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
    """Train, score and print."""
    if (cpu_minutes is None) == (steps is None):
        raise click.UsageError("expected --cpu-minutes or --steps")
    names = only.split(";")
    if unknown := [name for name in names if name not in VARIANTS]:
        raise click.UsageError(f"expected some of {'; '.join(VARIANTS)}, got {unknown[0]!r}")
    sizes = tuple(int(size) for size in stages.split(","))
    reference = held_out(data)
    variants = [
        Variant(
            name,
            sizes,
            Length(cpu_minutes=cpu_minutes, steps=steps),
            TrainSettings(data, work / name.replace(" ", "-").replace(",", ""), device),
            reference,
        )
        for name in names
    ]
    rows = [oracle(data, reference)]
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        for scores in pool.map(Variant.scores, variants):
            # Each row as soon as it is ready, because all of them take an hour.
            click.echo(table(scores).splitlines()[-1], err=True)
            rows += scores
    click.echo(table(rows))


if __name__ == "__main__":
    main()

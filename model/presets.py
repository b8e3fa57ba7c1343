"""Presets: what each recipe trains, and where its figures come from.

`paper` holds what was published; `fast` what made better shapes in the same time (docs/training.md
has the measurements); `demo` a toy that is done in minutes.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from shapegan.model.config import Objective, Optimiser, Stage, TrainConfig, TrainConfigError
from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import RESOLUTIONS, VoxelCriticConfig

PRESETS = ("paper", "fast", "demo")

_R1 = Objective(loss="logistic", penalty="r1", penalty_weight=0.03, critic_steps=1)
_ADAM = Optimiser("adam", rate=1e-3, critic_rate=1e-3, betas=(0.0, 0.99))


def _paper_voxel() -> TrainConfig:
    """Kleineberg et al. 2020, sec. 3.1 and the authors' train_hybrid_progressive_gan.py.

    The published weights give true distances up to 0.1, so the clip is at 0.1 and nothing is
    rescaled (the authors' later code trains on distances divided by 0.1).
    """
    return TrainConfig(
        recipe="voxel",
        stages=tuple(Stage(size, 16, 250, fade_in=10) for size in (8, 16, 32, 64)),
        critic=VoxelCriticConfig(),
    )


def _paper_point() -> TrainConfig:
    """Kleineberg et al. 2020, sec. 3.2 and 3.3, and the authors' train_point_gan.py and _ref.py."""
    counts = ((1024, 32), (2048, 32), (4096, 32), (8192, 24), (16384, 12))
    return TrainConfig(
        recipe="point",
        stages=(
            *(Stage(count, batch, 300) for count, batch in counts),
            Stage(32768, 6, 900),
            Stage(8192, 16, 60, refine=True),
            Stage(16384, 8, 60, refine=True),
        ),
        generator=GeneratorConfig(norm=True, bounded=False, frame="sphere"),
        critic=PointCriticConfig(),
        clip_mode="none",
    )


def _paper_autodecoder() -> TrainConfig:
    """Park et al. 2019 (DeepSDF), sec. 5 and the authors' examples/chairs/specs.json.

    Their weight normalisation and dropout are left out.
    """
    return TrainConfig(
        recipe="autodecoder",
        stages=(Stage(16384, 64, 2001),),
        generator=GeneratorConfig(latent=256, width=512, frame="sphere"),
        optimiser=Optimiser("adam", rate=5e-4, critic_rate=1e-3, halvings=4),
        latent_spread=1 / 16,
    )


def _fast_voxel() -> TrainConfig:
    return TrainConfig(
        recipe="voxel",
        stages=(
            Stage(8, 8, 50, share=1),
            Stage(16, 8, 100, fade_in=5, share=7),
            Stage(32, 8, 50, fade_in=5, share=7),
        ),
        generator=GeneratorConfig(
            latent=64, width=128, depth=6, bounded=False, initialisation="sphere"
        ),
        critic=VoxelCriticConfig(width=0.5, gradients=True),
        objective=_R1,
        optimiser=_ADAM,
        clip_voxels=1.5,
        clip_mode="soft",
        ema_halflife=200,
    )


def _fast_point() -> TrainConfig:
    return TrainConfig(
        recipe="point",
        stages=(
            Stage(1024, 8, 100, share=4),
            Stage(2048, 8, 100, share=4),
            Stage(2048, 8, 50, refine=True, share=3),
        ),
        generator=GeneratorConfig(
            latent=64,
            width=128,
            depth=6,
            bounded=False,
            initialisation="sphere",
            frame="sphere",
        ),
        critic=PointCriticConfig(features=(64, 128, 256), head=(128,)),
        objective=_R1,
        optimiser=_ADAM,
        clip=0.1,
        clip_mode="soft",
        ema_halflife=200,
    )


def _fast_autodecoder() -> TrainConfig:
    return TrainConfig(
        recipe="autodecoder",
        stages=(Stage(2048, 16, 400),),
        generator=GeneratorConfig(
            latent=64, width=128, bounded=False, initialisation="sphere", frame="sphere"
        ),
        optimiser=Optimiser("adam", rate=1e-3, critic_rate=5e-3, halvings=4),
        ema_halflife=100,
    )


def _demo_voxel() -> TrainConfig:
    return TrainConfig(
        recipe="voxel",
        stages=(Stage(8, 8, 60, share=1), Stage(16, 8, 100, fade_in=10, share=4)),
        generator=GeneratorConfig(
            latent=32, width=128, depth=6, bounded=False, initialisation="sphere"
        ),
        critic=VoxelCriticConfig(width=0.5),
        objective=_R1,
        optimiser=_ADAM,
        clip_voxels=1.5,
        clip_mode="soft",
        ema_halflife=50,
    )


def _demo_point() -> TrainConfig:
    return TrainConfig(
        recipe="point",
        stages=(Stage(1024, 8, 200, share=4), Stage(1024, 8, 20, refine=True, share=1)),
        generator=GeneratorConfig(
            latent=32,
            width=128,
            depth=6,
            bounded=False,
            initialisation="sphere",
            frame="sphere",
        ),
        critic=PointCriticConfig(features=(64, 128, 256), head=(128,)),
        objective=_R1,
        optimiser=_ADAM,
        clip_mode="soft",
        ema_halflife=50,
    )


def _demo_autodecoder() -> TrainConfig:
    return TrainConfig(
        recipe="autodecoder",
        stages=(Stage(1024, 8, 200),),
        generator=GeneratorConfig(
            latent=32,
            width=128,
            depth=6,
            bounded=False,
            initialisation="sphere",
            frame="sphere",
        ),
        optimiser=Optimiser("adam", rate=1e-3, critic_rate=5e-3, halvings=2),
    )


_TABLE: dict[tuple[str, str], Callable[[], TrainConfig]] = {
    ("voxel", "paper"): _paper_voxel,
    ("point", "paper"): _paper_point,
    ("autodecoder", "paper"): _paper_autodecoder,
    ("voxel", "fast"): _fast_voxel,
    ("point", "fast"): _fast_point,
    ("autodecoder", "fast"): _fast_autodecoder,
    ("voxel", "demo"): _demo_voxel,
    ("point", "demo"): _demo_point,
    ("autodecoder", "demo"): _demo_autodecoder,
}


def preset(recipe: str, name: str) -> TrainConfig:
    """The config of a recipe of `config.RECIPES` and a preset of `PRESETS`."""
    return _TABLE[recipe, name]()


@dataclass(frozen=True)
class Overrides:
    """What is asked for beside a preset."""

    stages: tuple[int, ...] | None = None
    """Sizes; None: the preset's."""
    batch: int | None = None
    """Shapes to a step; None: the preset's."""
    split: str = "train"
    seed: int = 0


def resolve_config(recipe: str, name: str, overrides: Overrides) -> TrainConfig:
    """A preset with what the user wants otherwise.

    Raises:
        TrainConfigError: with one line.
    """
    config = preset(recipe, name)
    stages = config.stages
    if overrides.stages is not None:
        stages = _chosen_stages(recipe, stages, overrides.stages)
    if overrides.batch is not None:
        stages = tuple(dataclasses.replace(stage, batch=overrides.batch) for stage in stages)
    return dataclasses.replace(config, stages=stages, split=overrides.split, seed=overrides.seed)


def _chosen_stages(
    recipe: str, stages: tuple[Stage, ...], sizes: tuple[int, ...]
) -> tuple[Stage, ...]:
    """The preset's stages of these sizes; one that it lacks is trained as its last stage is.

    The last that does not refine: a shape is refined once there is one.
    """
    if recipe == "voxel" and (wrong := [size for size in sizes if size not in RESOLUTIONS]):
        listed = ", ".join(str(size) for size in RESOLUTIONS)
        raise TrainConfigError(f"--stages: got {wrong[0]}, takes some of {listed}")
    last = [stage for stage in stages if not stage.refine][-1]
    chosen: list[Stage] = []
    for size in sizes:
        there = [stage for stage in stages if stage.size == size]
        chosen += there or [dataclasses.replace(last, size=size)]
    return tuple(chosen)

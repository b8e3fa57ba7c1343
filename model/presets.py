"""Presets: named configs of each recipe, with their sources.

`paper` holds the published settings. `fast` makes better shapes in the same time
(docs/results/training-quality.md), on a CPU as well. `best` is for a night on a GPU: wider networks
on the 64^3 grids, up to the true field. `demo` is a toy that trains in minutes. Recipe `latent` is
not a published one, so it has no `paper`.

Where an offset of thin parts shrinks, another stage has the smallest one: a generator and its
running average follow a shrinking target only slowly.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from shapegan.model.config import RECIPES, Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError, check
from shapegan.model.networks.autoencoder_config import AutoencoderConfig
from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.networks.latent_generator import LatentGeneratorConfig
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.objective_config import Objective, Optimiser

PRESETS = ("paper", "fast", "best", "demo")

_RELATIVISTIC = Objective(
    loss="relativistic",
    penalty="r1+r2",
    penalty_weight=0.3,
    critic_steps=1,
    reconstruction_weight=20.0,
    wholeness_weight=1.0,
)
_lattice = partial(Stage, lattice=64)
"""Stage of shifted lattices of the 64^3 grid."""
_MUON = Optimiser("muon", rate=1e-3, critic_rate=1e-3, betas=(0.0, 0.99))


def _paper_voxel() -> TrainConfig:
    """Kleineberg et al. 2020, section 3.1, and the authors' train_hybrid_progressive_gan.py.

    The published weights give true distances of up to 0.1, so the clip is 0.1 and distances are
    not rescaled. The authors' later code trains on distances divided by 0.1.
    """
    return TrainConfig(
        recipe="voxel",
        stages=tuple(Stage(size, 16, 250, fade_in=10) for size in (8, 16, 32, 64)),
        critic=VoxelCriticConfig(),
    )


def _paper_point() -> TrainConfig:
    """Kleineberg et al. 2020, sections 3.2 and 3.3; the authors' train_point_gan.py and _ref.py."""
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
    """Park et al. 2019 (DeepSDF), and the authors' examples/chairs/specs.json.

    Without their weight normalisation and dropout.
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
            _lattice(8, 8, 50, weight=1, thin_offset=0.1),
            _lattice(16, 8, 150, fade_in=5, weight=9, thin_offset=0.075, thin_offset_end=0.055),
            _lattice(32, 4, 20, fade_in=0.8, weight=2.5, thin_offset=0.055, thin_offset_end=0.02),
            _lattice(32, 4, 30, weight=3.5, thin_offset=0.02),
        ),
        generator=GeneratorConfig(
            latent=12,
            width=64,
            depth=6,
            bounded=False,
            initialisation="sphere",
            symmetry="auto",
            prior_spread=0.35,
        ),
        critic=VoxelCriticConfig(width=0.5, gradients=True),
        objective=_RELATIVISTIC,
        optimiser=replace(_MUON, halvings=3),
        clip=0.03,
        clip_voxels=0.6,
        clip_mode="soft",
        ema_halflife=100,
    )


def _fast_point() -> TrainConfig:
    return TrainConfig(
        recipe="point",
        stages=(
            Stage(4096, 8, 50, weight=8, thin_offset=0.08, thin_offset_end=0.06),
            Stage(8192, 4, 20, weight=2, thin_offset=0.06, thin_offset_end=0.025),
            Stage(8192, 4, 30, weight=3, thin_offset=0.025),
        ),
        generator=GeneratorConfig(
            latent=12,
            width=64,
            depth=6,
            bounded=False,
            initialisation="sphere",
            frame="sphere",
            symmetry="auto",
            prior_spread=0.35,
        ),
        critic=PointCriticConfig(features=(32, 11), head=(64,), grid=16, convolutions=(48, 96)),
        objective=replace(_RELATIVISTIC, wholeness_every=4),
        optimiser=replace(_MUON, halvings=3),
        clip=0.05,
        clip_mode="soft",
        ema_halflife=100,
    )


def _fast_autodecoder() -> TrainConfig:
    return TrainConfig(
        recipe="autodecoder",
        stages=(Stage(2048, 16, 400),),
        generator=GeneratorConfig(
            latent=64, width=128, bounded=False, initialisation="sphere", frame="sphere"
        ),
        optimiser=Optimiser("muon", rate=1e-3, critic_rate=5e-3, halvings=4),
        ema_halflife=100,
    )


def _fast_latent() -> TrainConfig:
    return TrainConfig(
        recipe="latent",
        stages=(Stage(64, 8, 110, thin_offset=0.05, thin_offset_end=0.02),),
        generator=LatentGeneratorConfig(symmetry="auto", prior_spread=0.25),
        autoencoder=AutoencoderConfig(stretch=0.2),
        optimiser=Optimiser("muon", rate=2e-3, critic_rate=4e-3, betas=(0.9, 0.99)),
        ema_halflife=70,
    )


def _best_voxel() -> TrainConfig:
    """`fast` with the published widths; it ends on the stored 64^3 grids, and on true fields."""
    fast = _fast_voxel()
    return replace(
        fast,
        stages=(
            _lattice(8, 16, 100, weight=1, thin_offset=0.1),
            _lattice(16, 16, 400, fade_in=10, weight=6, thin_offset=0.075),
            _lattice(32, 16, 300, fade_in=5, weight=9, thin_offset=0.075, thin_offset_end=0.04),
            Stage(64, 8, 100, fade_in=5, weight=4, thin_offset=0.04, thin_offset_end=0.0),
            Stage(64, 8, 100, weight=4),
        ),
        generator=replace(fast.deepsdf, latent=32, width=256, depth=8, prior_spread=0.5),
        critic=VoxelCriticConfig(gradients=True),
        objective=replace(_RELATIVISTIC, wholeness_every=4),
        optimiser=replace(fast.optimiser, rate=5e-4, critic_rate=5e-4),
        ema_halflife=1000,
    )


def _best_latent() -> TrainConfig:
    fast = _fast_latent()
    assert fast.autoencoder is not None
    return replace(
        fast,
        stages=(
            Stage(64, 16, 1500, weight=10, thin_offset=0.05, thin_offset_end=0.0),
            Stage(64, 64, 500, prior=True, weight=1.5),
        ),
        generator=LatentGeneratorConfig(
            code=64, channels=32, hidden=512, prior_width=512, prior_depth=6, symmetry="auto"
        ),
        autoencoder=replace(fast.autoencoder, near_points=8192, far_points=2048),
        optimiser=replace(fast.optimiser, rate=1e-3, critic_rate=1e-3),
        ema_halflife=500,
    )


def _demo_voxel() -> TrainConfig:
    fast = _fast_voxel()
    return replace(
        fast,
        stages=(
            _lattice(8, 8, 60, weight=1, thin_offset=0.1),
            _lattice(16, 8, 100, fade_in=10, weight=6, thin_offset=0.075),
        ),
        generator=replace(fast.deepsdf, latent=6),  # few shapes, so few kinds
        ema_halflife=50,
    )


def _demo_point() -> TrainConfig:
    fast = _fast_point()
    return replace(
        fast,
        stages=(
            Stage(2048, 8, 100, weight=1, thin_offset=0.08),
            Stage(4096, 8, 60, weight=2, thin_offset=0.08, thin_offset_end=0.06),
        ),
        generator=replace(fast.deepsdf, latent=6),
        ema_halflife=50,
    )


def _demo_autodecoder() -> TrainConfig:
    fast = _fast_autodecoder()
    return replace(
        fast,
        stages=(Stage(1024, 8, 200),),
        generator=replace(fast.deepsdf, latent=32, depth=6),
        optimiser=replace(fast.optimiser, halvings=2),
        ema_halflife=0,
    )


def _demo_latent() -> TrainConfig:
    fast = _fast_latent()
    return replace(
        fast,
        stages=(Stage(32, 8, 40),),
        generator=LatentGeneratorConfig(code=16, channels=8, symmetry="auto", prior_spread=0.25),
        autoencoder=AutoencoderConfig(stretch=0.2, near_points=1024, far_points=256),
    )


_TABLE: dict[tuple[str, str], Callable[[], TrainConfig]] = {
    ("voxel", "paper"): _paper_voxel,
    ("point", "paper"): _paper_point,
    ("autodecoder", "paper"): _paper_autodecoder,
    ("voxel", "fast"): _fast_voxel,
    ("point", "fast"): _fast_point,
    ("autodecoder", "fast"): _fast_autodecoder,
    ("latent", "fast"): _fast_latent,
    ("voxel", "best"): _best_voxel,
    ("latent", "best"): _best_latent,
    ("latent", "demo"): _demo_latent,
    ("voxel", "demo"): _demo_voxel,
    ("point", "demo"): _demo_point,
    ("autodecoder", "demo"): _demo_autodecoder,
}


def preset(recipe: str, name: str) -> TrainConfig:
    """Config of a recipe of `config.RECIPES` and a preset of `PRESETS`.

    Raises:
        TrainConfigError: there is no such recipe, or it has no such preset.
    """
    check(recipe in RECIPES, "recipe", recipe, " or ".join(RECIPES))
    if (recipe, name) not in _TABLE:
        raise TrainConfigError(f"--preset: got {name}, takes {' or '.join(presets_of(recipe))}")
    return _TABLE[recipe, name]()


def presets_of(recipe: str) -> tuple[str, ...]:
    """Presets of a recipe."""
    return tuple(name for name in PRESETS if (recipe, name) in _TABLE)

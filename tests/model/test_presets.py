from dataclasses import replace

import pytest
import torch
from support.training import SHAPES

from shapegan.model.config import RECIPES, VOXEL_RECIPES, Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.distributed import Ranks
from shapegan.model.networks.any_generator import build_generator
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.presets import PRESETS, preset, presets_of
from shapegan.model.recipes.build import build_recipe
from shapegan.model.recipes.execution import Execution

every_preset = pytest.mark.parametrize(
    ("recipe", "name"), [(recipe, name) for recipe in RECIPES for name in presets_of(recipe)]
)


def resolved(config: TrainConfig) -> TrainConfig:
    """As for 200 training shapes that are symmetric and of one category."""
    values = {"generator.symmetry": "x", "generator.prior_shapes": "200"}
    values |= {"generator.categories": "[]"} if config.recipe == "latent" else {}
    return config.replaced(values)


def weights(config: TrainConfig) -> int:
    """Number of the generator's weights."""
    network = build_generator(resolved(config).generator)
    return sum(one.numel() for one in network.parameters())


@every_preset
def test_a_preset_has_its_recipe_and_is_restored_from_json(recipe: str, name: str) -> None:
    config = preset(recipe, name)
    assert config.recipe == recipe
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert (config.split, config.seed) == ("train", 0)
    assert config.generator.frame == ("cube" if recipe in VOXEL_RECIPES else "sphere")


@every_preset
def test_networks_of_every_preset_can_be_built(recipe: str, name: str) -> None:
    config = resolved(preset(recipe, name))
    built = build_recipe(config, Ranks(), Execution(torch.device("cpu")), SHAPES)
    built.begin(0)
    others = {"autodecoder": "latents", "latent": "encoder"}
    assert set(built.networks) == {"generator", others.get(recipe, "critic")}


@every_preset
def test_only_points_are_refined_and_only_after_others(recipe: str, name: str) -> None:
    refined = [stage.refine for stage in preset(recipe, name).stages]
    assert refined == sorted(refined)
    assert recipe == "point" or not any(refined)


def test_papers_voxels() -> None:
    """Kleineberg et al. 2020, section 3.1 and the authors' code."""
    config = preset("voxel", "paper")
    assert config.stages == tuple(Stage(size, 16, 250, 10) for size in (8, 16, 32, 64))
    assert config.critic == VoxelCriticConfig()
    objective, optimiser = config.objective, config.optimiser
    assert (objective.loss, objective.penalty) == ("wasserstein", "gradient")
    assert (objective.penalty_weight, objective.critic_steps, objective.penalty_every) == (10, 5, 1)
    assert (optimiser.name, optimiser.rate, optimiser.critic_rate) == ("rmsprop", 1e-4, 1e-4)
    assert (config.clip, config.clip_voxels, config.clip_mode) == (0.1, 0.0, "hard")
    assert config.ema_halflife == 0
    generator = config.generator
    assert (generator.latent, generator.width, generator.depth) == (128, 256, 8)
    assert (generator.bounded, generator.norm) == (True, False)


def test_papers_points() -> None:
    """Kleineberg et al. 2020, sections 3.2 and 3.3 and the authors' code."""
    config = preset("point", "paper")
    stages = [(stage.size, stage.batch, stage.epochs, stage.refine) for stage in config.stages]
    assert stages == [
        (1024, 32, 300, False),
        (2048, 32, 300, False),
        (4096, 32, 300, False),
        (8192, 24, 300, False),
        (16384, 12, 300, False),
        (32768, 6, 900, False),
        (8192, 16, 60, True),
        (16384, 8, 60, True),
    ]
    assert config.critic == PointCriticConfig()
    assert config.objective == preset("voxel", "paper").objective
    assert config.optimiser == preset("voxel", "paper").optimiser
    assert (config.generator.norm, config.generator.bounded) == (True, False)


def test_papers_autodecoder() -> None:
    """Park et al. 2019 and the authors' specs of chairs."""
    config = preset("autodecoder", "paper")
    (stage,) = config.stages
    assert (stage.size, stage.batch, stage.epochs) == (16384, 64, 2001)
    generator, optimiser = config.generator, config.optimiser
    assert (generator.latent, generator.width, generator.depth) == (256, 512, 8)
    assert (optimiser.name, optimiser.rate, optimiser.critic_rate) == ("adam", 5e-4, 1e-3)
    # Every 500 epochs
    assert optimiser.halvings == 4
    assert (config.clip, config.latent_weight) == (0.1, 1e-4)
    assert config.latent_spread == pytest.approx(1 / 256**0.5)


def test_a_recipe_of_ours_has_no_published_settings() -> None:
    assert presets_of("voxel") == PRESETS
    assert presets_of("latent") == ("fast", "best", "demo")
    with pytest.raises(TrainConfigError, match="--preset: got paper, takes fast or best or demo"):
        preset("latent", "paper")


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    says = "recipe: got vox, takes voxel or point or autodecoder or latent"
    with pytest.raises(TrainConfigError, match=says):
        preset("vox", "fast")


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_demo_is_smaller(recipe: str) -> None:
    larger = "fast" if recipe == "latent" else "paper"
    assert weights(preset(recipe, "demo")) < weights(preset(recipe, larger)) / 2


def test_the_best_voxels_end_on_the_true_field_with_published_widths() -> None:
    best, paper = preset("voxel", "best"), preset("voxel", "paper")
    last = best.stages[-1]
    assert (last.size, last.lattice, last.thin_offset_at(1.0)) == (64, 0, 0.0)
    offsets = [stage.thin_offset_at(at) for stage in best.stages for at in (0.0, 1.0)]
    assert offsets == sorted(offsets, reverse=True)
    assert (best.deepsdf.width, best.deepsdf.depth) == (paper.deepsdf.width, paper.deepsdf.depth)
    assert best.critic == replace(VoxelCriticConfig(), gradients=True)


@pytest.mark.parametrize(
    ("recipe", "name"), [("voxel", "fast"), ("voxel", "best"), ("point", "fast")]
)
def test_the_smallest_offset_stays_for_a_stage(recipe: str, name: str) -> None:
    """A generator whose target shrinks to the very end is still thicker than the target."""
    *_, before, last = preset(recipe, name).stages
    assert last.size == before.size
    assert before.thin_offset > before.thin_offset_at(1.0)
    assert last.thin_offset_at(0.0) == last.thin_offset_at(1.0)
    assert last.thin_offset == pytest.approx(before.thin_offset_at(1.0))


@pytest.mark.parametrize("recipe", VOXEL_RECIPES)
def test_the_best_is_larger_than_fast(recipe: str) -> None:
    assert weights(preset(recipe, "best")) > 2 * weights(preset(recipe, "fast"))

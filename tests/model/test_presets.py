from dataclasses import replace

import pytest
import torch
from support.training import SHAPES

from shapegan.model.config import RECIPES, Stage, TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.networks.generator import Generator
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.presets import PRESETS, preset
from shapegan.model.recipes.build import build_recipe
from shapegan.model.recipes.execution import Execution


def resolved(recipe: str, name: str) -> TrainConfig:
    """A preset whose symmetry has been decided, as it is when a run starts."""
    config = preset(recipe, name)
    symmetry = "x" if config.generator.symmetry == "auto" else config.generator.symmetry
    return replace(config, generator=replace(config.generator, symmetry=symmetry))


every_recipe = pytest.mark.parametrize("recipe", RECIPES)
every_preset = pytest.mark.parametrize("name", PRESETS)


@every_recipe
@every_preset
def test_a_preset_has_its_recipe_and_is_restored_from_json(recipe: str, name: str) -> None:
    config = preset(recipe, name)
    assert config.recipe == recipe
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert (config.split, config.seed) == ("train", 0)
    assert config.generator.frame == ("cube" if recipe == "voxel" else "sphere")


@every_recipe
@every_preset
def test_networks_of_every_preset_can_be_built(recipe: str, name: str) -> None:
    built = build_recipe(resolved(recipe, name), Ranks(), Execution(torch.device("cpu")), SHAPES)
    built.begin(0)
    assert set(built.networks) == {"generator", "latents" if recipe == "autodecoder" else "critic"}


@every_recipe
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


@every_recipe
def test_the_demo_is_smaller(recipe: str) -> None:
    def weights(name: str) -> int:
        return sum(one.numel() for one in Generator(resolved(recipe, name).generator).parameters())

    assert weights("demo") < weights("paper") / 2

"""Settings of a training that cannot work, and what belongs to which recipe."""

import dataclasses
from typing import Any

import pytest
from support.training import AUTODECODER, LATENT, POINT, VOXEL

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError


def stage_of(size: int, **settings: float) -> dict[str, Any]:
    return {"stages": [{"size": size, "batch": 1, "epochs": 1, **settings}]}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"seed": -1}, "seed: got -1, takes 0 to 2^63 - 1"),
        ({"recipe": "mesh"}, "recipe: got mesh, takes voxel or point or autodecoder"),
        ({"stages": []}, "stages: got none, takes at least one"),
        ({"stages": [{"size": 12, "batch": 1, "epochs": 1}]}, "stages: got [12], takes"),
        ({"stages": [{"size": 128, "batch": 1, "epochs": 1}]}, "stages: got [128], takes"),
        ({"stages": [{"size": 8, "batch": 0, "epochs": 1}]}, "batch size: got 0, takes 1 or more"),
        ({"stages": [{"size": 8, "epochs": 1}]}, "batch"),
        ({"clip_mode": "flat"}, "clip_mode: got flat, takes hard or soft or none"),
        ({"clip": 0}, "clip: got 0, takes more than 0"),
        ({"sead": 1}, "unknown setting: sead (did you mean seed?)"),
        ({"generator": {"wide": 1}}, "generator.wide (did you mean generator.width?)"),
        ({"generator": {"frame": "box"}}, "generator.frame: got 'box', takes cube or sphere"),
        ({"generator": {"depth": 7}}, "even depth"),
        ({"critic": None}, "critic: got None, takes a VoxelCriticConfig"),
        ({"critic": {"width": 0}}, "width"),
        ({"recipe": "autodecoder"}, "critic: got"),
        ({"objective": {"loss": "hinge"}}, "loss: got hinge, takes"),
        ({"objective": {"critic_steps": 0}}, "critic_steps: got 0"),
        ({"optimiser": {"name": "sgd"}}, "optimiser: got sgd"),
        ({"optimiser": {"rate": 0}}, "rate: got 0"),
        ({"optimiser": {"betas": [0.9]}}, "betas"),
        ({"seed": "one"}, "seed: got 'one', takes a whole number"),
        ({"stages": [{"size": 8, "batch": 1, "epochs": 1, "weight": 0}]}, "weight: got 0, takes"),
        (stage_of(16, lattice=8), "lattice: got 8, takes 0, or one of (8, 16, 32, 64) from 16 on"),
        (stage_of(16, lattice=48), "lattice: got 48, takes 0, or one of"),
        (stage_of(16, lattice=64, thin_offset=-0.1), "thin_offset: got (-0.1, -0.1), takes 0 or"),
        (
            stage_of(16, thin_offset=0.1),
            "thin_offset: got 0.1, takes 0 unless lattice or size is 64",
        ),
        (stage_of(16, thin_offset_end=0.1), "takes 0 unless lattice or size is 64"),
        ({"generator": {"prior_spread": 0.3}}, "prior_spread: got 0.3, takes 0 unless a GAN"),
        ({"generator": {"prior_shapes": 0}}, "prior_shapes of at least 1 or none, got 0.0 and 0"),
        ({"generator": {"symmetry": "y"}}, "generator.symmetry: got 'y', takes none or x or auto"),
    ],
)
def test_settings_that_cannot_work_give_one_line(values: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainConfigError) as caught:
        TrainConfig.from_dict(VOXEL.to_dict() | values)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "settings", "says"),
    [
        (POINT, {"lattice": 64}, "lattice: got 64, takes 0 in recipe point"),
        (AUTODECODER, {"lattice": 64}, "lattice: got 64, takes 0 in recipe autodecoder"),
        (AUTODECODER, {"thin_offset": 0.1}, "thin_offset: got 0.1, takes 0 in recipe autodecoder"),
        (POINT, {"thin_offset": 0.1, "refine": True}, "takes 0 in refinement"),
        (POINT, {"thin_offset_end": 0.1, "refine": True}, "takes 0 in refinement"),
    ],
)
def test_lattices_and_thin_parts_belong_to_some_recipes(
    config: TrainConfig, settings: dict[str, float], says: str
) -> None:
    with pytest.raises(TrainConfigError) as caught:
        TrainConfig.from_dict(config.to_dict() | stage_of(64, **settings))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_points_of_any_number_have_thin_parts() -> None:
    config = TrainConfig.from_dict(POINT.to_dict() | stage_of(100, thin_offset=0.1))
    assert config.stages[0].thin_parts


def test_the_offset_of_thin_parts_moves_linearly() -> None:
    stage = Stage(16, 2, 1, lattice=64, thin_offset=0.08, thin_offset_end=0.04)
    assert [stage.thin_offset_at(at) for at in (0.0, 0.5, 1.0)] == pytest.approx([0.08, 0.06, 0.04])
    constant = Stage(16, 2, 1, lattice=64, thin_offset=0.08)
    assert constant.thin_offset_at(0.7) == 0.08
    assert (stage.grid, stage.thin_parts) == (64, True)
    assert (Stage(16, 2, 1).grid, Stage(16, 2, 1).thin_parts) == (16, False)


def test_voxel_stages_ascend_and_points_need_not() -> None:
    with pytest.raises(TrainConfigError, match="ascending"):
        dataclasses.replace(VOXEL, stages=VOXEL.stages[::-1])
    dataclasses.replace(POINT, stages=POINT.stages[::-1])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("critic.widht", "1", "unknown setting: critic.widht (did you mean critic.width?)"),
        ("critic_step", "1", "did you mean objective.critic_steps?"),
        ("objective.critic_steps", "2.5", "objective.critic_steps: got 2.5, takes a whole number"),
        ("critic.width", "wide", "critic.width: got 'wide', takes a number"),
        ("critic.width", "-1", "width"),
        ("generator.depth", "7", "even depth"),
        ("objective.loss", "hinge", "loss: got hinge, takes"),
        ("stages.5.batch", "1", "unknown setting: stages.5.batch"),
    ],
)
def test_unusable_single_values_are_refused_in_a_line(name: str, value: str, says: str) -> None:
    with pytest.raises(TrainConfigError) as caught:
        VOXEL.replaced({name: value})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"autoencoder.noise": "-1"}, "noise: got -1"),
        ({"autoencoder.near_points": "0"}, "near_points: got 0, takes 1 or more"),
        ({"autoencoder.far_points": "-1"}, "far_points: got -1, takes 0 or more"),
        ({"autoencoder.inside_weight": "0"}, "inside_weight: got 0"),
        ({"stages.0.prior": "true"}, "prior: got"),
        ({"stages.1.prior": "false"}, "prior: got False, takes true in the last stage, or"),
        ({"generator.prior_spread": "0.2"}, "prior: got True, takes true in the last stage, or"),
        ({"optimiser.halvings": "1"}, "halvings: got 1, takes 0 in recipe latent"),
        ({"stages.0.size": "12"}, "stages: got"),
        ({"generator.code": "0"}, "at least 1"),
        ({"generator.width": "3"}, "unknown setting"),
    ],
)
def test_unusable_settings_of_a_latent_prior_are_refused(
    changes: dict[str, str], message: str
) -> None:
    with pytest.raises(TrainConfigError, match=message):
        LATENT.replaced(changes)


def test_each_recipe_has_its_own_generator_and_only_one_has_an_autoencoder() -> None:
    with pytest.raises(TrainConfigError, match=r"generator: got .* takes a LatentGeneratorConfig"):
        dataclasses.replace(LATENT, generator=VOXEL.generator)
    with pytest.raises(TrainConfigError, match=r"generator: got .* takes a GeneratorConfig"):
        dataclasses.replace(VOXEL, generator=LATENT.generator)
    with pytest.raises(TrainConfigError, match="autoencoder: got None"):
        dataclasses.replace(LATENT, autoencoder=None)
    with pytest.raises(TrainConfigError, match="prior: got True, takes false in recipe voxel"):
        VOXEL.replaced({"stages.1.prior": "true"})

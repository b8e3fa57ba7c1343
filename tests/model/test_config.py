"""The configuration of a training: JSON, differences, single values."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.training import AUTODECODER, CONFIGS, POINT, VOXEL

from shapegan.model.config import CLIP_MODES, Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.objective_config import LOSSES, OPTIMISERS, PENALTIES, Objective, Optimiser

above_zero = st.floats(1e-9, 1e9)
counts = st.integers(1, 1000)
flags = st.booleans()


def stages(sizes: list[int]) -> st.SearchStrategy[tuple[Stage, ...]]:
    def stage(size: int) -> st.SearchStrategy[Stage]:
        fade_in = st.floats(0, 1)
        weight = st.none() | above_zero
        return st.builds(Stage, st.just(size), counts, st.floats(1, 1e4), fade_in, flags, weight)

    return st.tuples(*map(stage, sizes))


generators = st.builds(
    GeneratorConfig,
    latent=counts,
    width=counts,
    depth=st.sampled_from([4, 6, 8]),
    norm=st.just(False),
    bounded=flags,
    scale=above_zero,
    frequencies=st.integers(0, 8),
    frame=st.sampled_from(["cube", "sphere"]),
    initialisation=st.sampled_from(["published", "he", "sphere"]),
)
objectives = st.builds(
    Objective,
    st.sampled_from(LOSSES),
    st.sampled_from(PENALTIES),
    st.floats(0, 100),
    counts,
    counts,
)
optimisers = st.builds(
    Optimiser,
    st.sampled_from(OPTIMISERS),
    above_zero,
    above_zero,
    st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    st.integers(0, 9),
)
critics = {
    "voxel": st.builds(
        VoxelCriticConfig,
        features=st.tuples(counts, counts, counts, counts),
        width=above_zero,
        scale=above_zero,
        gradients=flags,
    ),
    "point": st.builds(
        PointCriticConfig,
        features=st.lists(counts, min_size=2, max_size=4).map(tuple),
        head=st.lists(counts, min_size=1, max_size=3).map(tuple),
        scale=above_zero,
    ),
    "autodecoder": st.none(),
}
sizes = {
    "voxel": st.lists(st.sampled_from([8, 16, 32, 64]), min_size=1).map(sorted),
    "point": st.lists(st.integers(2, 2**20), min_size=1),
    "autodecoder": st.lists(st.integers(2, 2**20), min_size=1),
}


@st.composite
def configs(draw: Any) -> TrainConfig:
    recipe = draw(st.sampled_from(["voxel", "point", "autodecoder"]))
    return TrainConfig(
        recipe,
        draw(stages(draw(sizes[recipe]))),
        draw(generators),
        draw(critics[recipe]),
        draw(objectives),
        draw(optimisers),
        clip=draw(above_zero),
        clip_voxels=draw(st.floats(0, 9)),
        clip_mode=draw(st.sampled_from(CLIP_MODES)),
        ema_halflife=draw(st.floats(0, 1e6)),
        latent_weight=draw(st.floats(0, 1)),
        latent_spread=draw(above_zero),
        split=draw(st.text(max_size=5)),
        seed=draw(st.integers(0, 2**63 - 1)),
    )


@given(configs())
@examples(50)
def test_a_config_is_restored_from_json(config: TrainConfig) -> None:
    again = TrainConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert config.difference(again) == []


@given(configs(), configs())
@examples(20)
def test_configs_without_difference_are_equal(one: TrainConfig, other: TrainConfig) -> None:
    assert (one.difference(other) == []) == (one == other)
    assert len(one.difference(other)) == len(other.difference(one))


def test_a_difference_is_a_line_for_each_setting() -> None:
    other = dataclasses.replace(
        VOXEL,
        seed=3,
        generator=dataclasses.replace(VOXEL.generator, width=32),
        stages=(VOXEL.stages[0], dataclasses.replace(VOXEL.stages[1], batch=2), Stage(32, 2, 1)),
    )
    found = VOXEL.difference(other)
    assert found[:3] == ["stages.1.batch: 4 -> 2", "generator.width: 16 -> 32", "seed: 0 -> 3"]
    assert "stages.2.size: None -> 32" in found
    assert len(found) == 3 + len(dataclasses.fields(Stage)) - 2  # two fields of a stage are None


def test_a_difference_of_recipes_names_the_recipe() -> None:
    assert VOXEL.difference(POINT)[0] == "recipe: voxel -> point"
    assert any(line.startswith("critic") for line in VOXEL.difference(AUTODECODER))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_lists_of_json_become_tuples(config: TrainConfig) -> None:
    again = TrainConfig.from_dict(config.to_dict())
    assert isinstance(again.stages, tuple)
    assert isinstance(again.optimiser.betas, tuple)
    if again.critic is not None:
        assert isinstance(again.critic.features, tuple)


def test_settings_that_are_gone_are_left_out_if_they_did_nothing() -> None:
    config = VOXEL
    values = config.to_dict()
    values["critic"] |= {"spectral": False, "patches": []}
    assert TrainConfig.from_dict(values) == config
    assert values["critic"]["spectral"] is False
    values["critic"]["spectral"] = True
    with pytest.raises(TrainConfigError, match=r"critic\.spectral"):
        TrainConfig.from_dict(values)


def test_single_values_are_replaced_by_name() -> None:
    found = VOXEL.replaced(
        {
            "critic.width": "0.5",
            "objective.critic_steps": "3",
            "optimiser.betas": "0.5,0.9",
            "stages.1.batch": "2",
            "stages.0.weight": "2e1",
            "generator.frame": "sphere",
            "critic.gradients": "true",
        }
    )
    assert isinstance(found.critic, VoxelCriticConfig)
    assert (found.critic.width, found.critic.gradients) == (0.5, True)
    assert found.objective.critic_steps == 3
    assert found.optimiser.betas == (0.5, 0.9)
    assert [stage.batch for stage in found.stages] == [4, 2]
    assert [stage.weight for stage in found.stages] == [20.0, None]
    assert found.generator.frame == "sphere"
    assert len(VOXEL.difference(found)) == 7
    assert VOXEL.replaced({}) == VOXEL

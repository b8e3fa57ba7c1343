import copy
import dataclasses

import pytest
import torch
from support.adversarial import (
    CONFIGS,
    THICKENED,
    batch_of,
    begun,
    changed,
    each_task,
    weights,
)
from support.training import POINT, REFINED, VOXEL, flat

from shapegan.model.config import TrainConfig
from shapegan.model.networks.voxel_critic import VoxelCritic
from shapegan.model.recipes.build import stream_config
from shapegan.model.recipes.objectives import (
    draw_latents,
)
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.stream import StreamConfig


@pytest.mark.parametrize("halflife", [1.0, 5.0])
def test_the_average_follows_the_generator(halflife: float) -> None:
    config = dataclasses.replace(POINT, ema_halflife=halflife)
    recipe, batch = begun(config), batch_of(config)
    mean = weights(recipe, "generator")
    assert all(map(torch.equal, mean.values(), recipe.result.state_dict().values()))
    for step in range(12):
        recipe.step(batch, StepProgress(step, 1.0, 0.0))
        kept = min(0.5 ** (1 / halflife), (2 + step) / (11 + step))
        for key, now in weights(recipe, "generator").items():
            mean[key] = kept * mean[key] + (1 - kept) * now
    for key, value in recipe.result.state_dict().items():
        torch.testing.assert_close(value, mean[key], rtol=1e-5, atol=1e-6)
    assert changed(recipe, "generator", recipe.result.state_dict())


def test_without_an_average_the_result_is_the_generator_itself() -> None:
    recipe = begun(dataclasses.replace(VOXEL, ema_halflife=0))
    assert recipe.result is recipe.networks["generator"]


def test_the_critic_grows_and_keeps_its_weights() -> None:
    recipe = begun(VOXEL)
    before, generator = weights(recipe, "critic"), recipe.networks["generator"]
    recipe.begin(1)
    critic = recipe.networks["critic"]
    assert isinstance(critic, VoxelCritic)
    assert critic.resolution == 16
    assert not changed(recipe, "critic", before)
    assert recipe.networks["generator"] is generator
    again = weights(recipe, "critic")
    recipe.begin(1)
    assert recipe.networks["critic"] is critic
    assert not changed(recipe, "critic", again)


def test_the_point_critic_and_its_optimiser_stay() -> None:
    recipe = begun(POINT)
    recipe.step(batch_of(POINT), StepProgress(0, 1.0, 0.0))
    before = flat(recipe.state()["optimisers"])
    critic = recipe.networks["critic"]
    recipe.begin(1)
    assert recipe.networks["critic"] is critic
    assert flat(recipe.state()["optimisers"]).keys() == before.keys()


def test_weights_begin_as_the_seed_says() -> None:
    one, same, other = (
        begun(dataclasses.replace(VOXEL, seed=seed)).state()["networks"] for seed in (1, 1, 2)
    )
    for key, value in flat(one).items():
        assert torch.equal(value, flat(same)[key])
    assert not torch.equal(
        one["generator"]["layers.0.weight"], other["generator"]["layers.0.weight"]
    )
    assert not torch.equal(one["critic"]["hidden.weight"], other["critic"]["hidden.weight"])


@each_task
def test_a_step_is_a_function_of_state_batch_and_moment(name: str) -> None:
    config = CONFIGS[name]
    recipes = [begun(config, stage=1) for _ in range(2)]
    for step in range(2):
        recipes[0].step(batch_of(config, 1), StepProgress(step, 0.5, 0.0))
    recipes[1].load(copy.deepcopy(recipes[0].state()))
    torch.manual_seed(123)
    values = [one.step(batch_of(config, 1), StepProgress(2, 0.5, 0.0)) for one in recipes]
    assert values[0] == values[1]


def test_every_step_of_every_stage_draws_its_own_latents() -> None:
    recipe, drawn = begun(VOXEL), []
    for stage in range(2):
        recipe.begin(stage)
        for step in range(3):
            drawn += [draw_latents(recipe._random(step, which), 2, 4) for which in range(2)]
    assert len({tuple(row.tolist()) for latents in drawn for row in latents}) == 24


def test_preview_latents_are_the_same_at_every_time() -> None:
    recipe = begun(VOXEL)
    first = recipe.preview(5)
    recipe.step(batch_of(VOXEL), StepProgress(0, 1.0, 0.0))
    assert torch.equal(recipe.preview(5), first)
    assert first.shape == (5, 4)
    assert not torch.equal(begun(dataclasses.replace(VOXEL, seed=1)).preview(5), first)


@pytest.mark.parametrize(
    ("config", "stage", "expected"),
    [
        (VOXEL, 1, StreamConfig("voxels", 16, 4)),
        (POINT, 0, StreamConfig("points", 256, 4)),
        (REFINED, 1, StreamConfig("points", 512, 4, sets=("uniform", "surface"))),
        (THICKENED, 0, StreamConfig("points", 256, 4, thin_parts=True)),
    ],
)
def test_a_stage_reads_what_it_needs(
    config: TrainConfig, stage: int, expected: StreamConfig
) -> None:
    assert stream_config(config, config.stages[stage]) == expected

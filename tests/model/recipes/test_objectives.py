import dataclasses
from typing import Any

import pytest
import torch
from support.adversarial import (
    CONFIGS,
    batch_of,
    begun,
    changed,
    each_task,
    weights,
    with_objective,
)
from support.training import POINT, R1, R1_R2, VOXEL, WGAN_GP
from torch import Tensor

from shapegan.model.config import TrainConfig
from shapegan.model.networks.voxel_critic import VoxelCritic
from shapegan.model.objective_config import Objective, Optimiser
from shapegan.model.recipes.objectives import (
    CriticObjective,
    GeneratorObjective,
    StepData,
    draw_mix,
)
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.schedule import StepProgress


@each_task
@pytest.mark.parametrize("critic_steps", [1, 3])
def test_the_generator_moves_after_so_many_steps_of_the_critic(
    name: str, critic_steps: int
) -> None:
    config = with_objective(CONFIGS[name], critic_steps=critic_steps)
    recipe, batch = begun(config, stage=1), batch_of(config, stage=1)
    for step in range(2 * critic_steps):
        before = {key: weights(recipe, key) for key in ("generator", "critic")}
        values = recipe.step(batch, StepProgress(step, 1.0, 0.1))
        moves = step % critic_steps == critic_steps - 1
        assert changed(recipe, "critic", before["critic"])
        assert changed(recipe, "generator", before["generator"]) == moves
        assert ("generator_loss" in values) == moves
        assert {"critic_loss", "distance"} <= values.keys()
        assert all(value.shape == () and not value.requires_grad for value in values.values())


@each_task
def test_each_step_leaves_the_other_network_alone(name: str) -> None:
    config = CONFIGS[name]
    recipe, batch = begun(config, stage=1), batch_of(config, stage=1)
    networks = recipe.networks

    def gradients(key: str) -> list[Tensor | None]:
        return [parameter.grad for parameter in networks[key].parameters()]

    recipe._critic_half(StepData(batch, StepRandom(0)), penalise=True)
    assert all(one is None for one in gradients("generator"))
    assert all(one is not None for one in gradients("critic"))
    for parameter in networks["critic"].parameters():
        parameter.grad = None
    before = weights(recipe, "critic")
    recipe._generator_half(StepData(batch, StepRandom(0)), join=False)
    assert not changed(recipe, "critic", before)
    assert all(one is None for one in gradients("critic"))
    assert all(one is not None for one in gradients("generator"))


@each_task
@pytest.mark.parametrize("objective", [WGAN_GP, R1, R1_R2], ids=["wgan-gp", "r1", "r1-r2"])
def test_the_penalty_changes_the_critic(name: str, objective: Objective) -> None:
    """torch.compile has dropped its gradient without a word; this would show it."""
    found = []
    for weight in (0.0, 10.0):
        config = dataclasses.replace(
            CONFIGS[name], objective=dataclasses.replace(objective, penalty_weight=weight)
        )
        recipe = begun(config, stage=1)
        values = recipe.step(batch_of(config, stage=1), StepProgress(0, 1.0, 0.0))
        found.append((recipe, values))
    (without, its), (having, values) = found
    assert changed(having, "critic", weights(without, "critic"))
    assert torch.equal(its["penalty"], values["penalty"])
    assert values["penalty"] > 0
    every = objective.penalty_every
    expected = its["critic_loss"] + 10 * every * values["penalty"]
    torch.testing.assert_close(values["critic_loss"], expected)


def test_the_critics_gradients_are_those_of_its_loss_written_plainly() -> None:
    config = with_objective(VOXEL, penalty_weight=10.0)
    recipe, batch = begun(config), batch_of(config)
    critic, data = recipe.networks["critic"], StepData(batch, StepRandom(0))
    task, objective = recipe._task, recipe._critic_objective
    with torch.no_grad():
        fake = task.fake(recipe.generator, torch.randn(4, 4), data)
    real, mix = task.real(data), draw_mix(data.random, 4)
    values = objective(real, fake, mix, True)
    found = torch.autograd.grad(values["critic_loss"], [*critic.parameters()])

    loss = critic(fake.sdf).mean() - critic(batch.voxels.clamp(-0.1, 0.1)).mean()
    for number in range(4):
        share = mix[number]
        between = share * real.sdf[number] + (1 - share) * fake.sdf[number]
        between = between[None].detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(between)[0], between, create_graph=True)
        loss = loss + 10 * (slope.norm() - 1) ** 2 / 4
    expected = torch.autograd.grad(loss, [*critic.parameters()])
    for mine, plain in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-5)


def test_a_lazy_penalty_is_taken_now_and_then_and_weighs_more() -> None:
    config = with_objective(VOXEL, penalty_every=3, penalty_weight=2.0)
    recipe, batch = begun(config), batch_of(config)
    taken = ["penalty" in recipe.step(batch, StepProgress(step, 1.0, 0.0)) for step in range(7)]
    assert taken == [True, False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("overall", "share"), [(0.0, 1.0), (0.49, 1.0), (0.5, 0.5), (0.99, 0.5), (1.0, 0.25)]
)
def test_rates_are_halved_at_even_distances(overall: float, share: float) -> None:
    config = dataclasses.replace(POINT, optimiser=Optimiser("adam", 0.01, 0.02, halvings=2))
    recipe = begun(config)
    recipe.step(batch_of(config), StepProgress(0, 1.0, overall))
    rates = [one.param_groups[0]["lr"] for one in recipe._optimisers]
    assert rates == [0.01 * share, 0.02 * share]


def generator_gradients(config: TrainConfig, **execution: Any) -> tuple[Tensor, list[Tensor]]:
    recipe = begun(config, 1, **execution)
    objective: GeneratorObjective = recipe._generator_objective
    torch.manual_seed(1)
    if isinstance(recipe.critic, VoxelCritic):
        recipe.critic.set_fade(0.5)
    data = StepData(batch_of(config, 1), StepRandom(0))
    loss = objective(torch.randn(4, 4), data)["generator_loss"]
    assert loss.dtype == torch.float32
    return loss, [*torch.autograd.grad(loss, [*recipe.generator.parameters()])]


@each_task
def test_the_generators_gradients_do_not_depend_on_the_chunk(name: str) -> None:
    loss, expected = generator_gradients(CONFIGS[name])
    for chunk in (333, 10**6):
        found = generator_gradients(CONFIGS[name], chunk=chunk)
        torch.testing.assert_close(found[0], loss, rtol=1e-6, atol=1e-7)
        for mine, theirs in zip(found[1], expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def about_the_same(found: list[Tensor], expected: list[Tensor], least: float) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == torch.float32
        assert torch.cosine_similarity(mine.flatten(), theirs.flatten(), dim=0) > least


@each_task
def test_bf16_gives_every_weight_of_the_generator_its_gradient(name: str) -> None:
    """Autocast keeps what it has cast; what it cast without gradients must not be used with."""
    loss, expected = generator_gradients(CONFIGS[name])
    found = generator_gradients(CONFIGS[name], precision="bf16")
    torch.testing.assert_close(found[0], loss, rtol=0.02, atol=0.02)
    if name == "voxel":
        about_the_same(found[1], expected, least=0.98)
    # Rounding lets other points decide, but none of the layers goes without.
    for mine, theirs in zip(found[1], expected, strict=True):
        assert theirs.norm() / 4 < mine.norm() < theirs.norm() * 4


@each_task
def test_bf16_gives_every_weight_of_the_critic_its_gradient(name: str) -> None:
    found = []
    for precision in ("fp32", "bf16"):
        recipe, batch = begun(CONFIGS[name], 1, precision=precision), batch_of(CONFIGS[name], 1)
        if isinstance(recipe.critic, VoxelCritic):
            recipe.critic.set_fade(0.5)
        objective: CriticObjective = recipe._critic_objective
        data, task = StepData(batch, StepRandom(0)), recipe._task
        with torch.no_grad():
            fake = task.fake(recipe.generator, torch.ones(4, 4), data)
        mix = draw_mix(data.random, 4)
        values = objective(task.real(data), fake, mix, True)
        parameters = [*recipe.networks["critic"].parameters()]
        found.append([*torch.autograd.grad(values["critic_loss"], parameters, allow_unused=True)])
    pairs = [pair for pair in zip(*found, strict=True) if pair[0] is not None]
    assert len(pairs) == len(found[0])
    weighty = [(mine, theirs) for theirs, mine in pairs if theirs.norm() > 1e-3]
    about_the_same(*map(list, zip(*weighty, strict=True)), least=0.98)

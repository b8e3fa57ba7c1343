"""The critic's loss takes the scores that its penalty has computed, where they are the same."""

import dataclasses
from typing import Any

import pytest
import torch
from support.adversarial import CONFIGS, batch_of, begun, each_task
from support.training import R1, R1_R2
from torch import Tensor

from shapegan.model.config import TrainConfig
from shapegan.model.objective_config import Objective
from shapegan.model.recipes import losses
from shapegan.model.recipes.objectives import CriticInput, StepData, draw_mix
from shapegan.model.recipes.step_random import StepRandom

each_objective = pytest.mark.parametrize("objective", [R1, R1_R2], ids=["r1", "r1-r2"])


def configured(name: str, objective: Objective) -> TrainConfig:
    return dataclasses.replace(CONFIGS[name], objective=objective)


def inputs(recipe: Any, config: TrainConfig) -> tuple[CriticInput, CriticInput, Tensor]:
    """Real and generated shapes, and the mix, of a step at the second stage."""
    data: StepData[Any] = StepData(batch_of(config, 1), StepRandom(0))
    with torch.no_grad():
        fake = recipe._task.fake(recipe.generator, torch.randn(4, 4), data)
    return recipe._task.real(data), fake, draw_mix(data.random, 4)


@each_task
@each_objective
def test_gradients_are_those_of_the_loss_written_plainly(name: str, objective: Objective) -> None:
    config = configured(name, objective)
    recipe = begun(config, 1)
    real, fake, mix = inputs(recipe, config)
    weights = [*recipe.critic.parameters()]
    values = recipe._critic_objective(real, fake, mix, True)
    found = torch.autograd.grad(values["critic_loss"], weights)

    def scores(shapes: CriticInput) -> Tensor:
        return recipe._task.scores(recipe.critic, shapes)

    loss = losses.critic_loss(objective.loss, scores(real), scores(fake))
    distance = scores(real).mean() - scores(fake).mean()
    for shapes in (real, fake)[: 2 if objective.penalty == "r1+r2" else 1]:
        shown = shapes.penalised or shapes
        samples = shown.sdf.clone().requires_grad_()
        total = scores(CriticInput(samples, shown.points, shown.mask)).sum()
        (slope,) = torch.autograd.grad(total, samples, create_graph=True)
        every = objective.penalty_every * objective.penalty_weight
        loss = loss + every * slope.square().sum() / len(samples)
    torch.testing.assert_close(values["critic_loss"], loss)
    torch.testing.assert_close(values["distance"], distance, atol=1e-6, rtol=1e-4)
    expected = torch.autograd.grad(loss, weights)
    for mine, plain in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-5)


@each_task
@each_objective
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_shapes_are_scored_once_if_loss_and_penalty_see_the_same(
    name: str, objective: Objective, precision: str
) -> None:
    config = configured(name, objective)
    recipe = begun(config, 1, precision=precision)
    shapes = inputs(recipe, config)
    calls: list[object] = []
    recipe.critic.register_forward_hook(lambda *_: calls.append(None))
    recipe._critic_objective(*shapes, True)
    penalties = 2 if objective.penalty == "r1+r2" else 1
    same = precision == "fp32" and name != "refined"
    assert len(calls) == (2 if same else 2 + penalties)
    calls.clear()
    recipe._critic_objective(*shapes, False)
    assert len(calls) == 2


def test_a_step_computes_gradients_of_weights_alone() -> None:
    config = configured("voxel", R1_R2)
    recipe = begun(config, 1)
    real, fake, mix = inputs(recipe, config)
    leaves: list[Tensor] = []
    recipe.critic.register_forward_pre_hook(lambda _, given: leaves.append(given[0]))
    loss = recipe._critic_objective(real, fake, mix, True)["critic_loss"]
    recipe._descend(loss, recipe._optimisers[1])
    assert [one.requires_grad for one in leaves] == [True, True]
    assert all(one.grad is None for one in leaves)
    assert all(one.grad is not None for one in recipe.critic.parameters())

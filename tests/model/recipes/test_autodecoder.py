import copy
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.training import AUTODECODER, make_solids, solid
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.generation.reconstruction import ReconstructionSettings
from shapegan.model.generation.split_reconstruction import SPLIT_SAMPLES
from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.objective_config import Optimiser
from shapegan.model.recipes.autodecoder import Autodecoder, fit_latents
from shapegan.model.recipes.build import stream_config
from shapegan.model.recipes.execution import Execution
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.stream import BALANCED, PointBatch, Stream, StreamConfig

CPU = torch.device("cpu")


def begun(config: TrainConfig = AUTODECODER, shapes: int = 8, **execution: Any) -> Autodecoder:
    recipe = Autodecoder(config, Ranks(), Execution(CPU, **execution), shapes)
    recipe.begin(0)
    return recipe


def batch_of(shapes: list[int], count: int = 200) -> PointBatch:
    torch.manual_seed(0)
    points = torch.rand(len(shapes), count, 3) * 2 - 1
    sdf = points.norm(dim=-1) - torch.linspace(0.2, 0.7, len(shapes))[:, None]
    return PointBatch(torch.tensor(shapes), {BALANCED: (points, sdf)})


def test_the_loss_and_its_gradients_are_deepsdfs() -> None:
    config = dataclasses.replace(AUTODECODER, latent_weight=0.5, stages=(Stage(200, 3, 400),))
    recipe, batch = begun(config), batch_of([1, 3, 4])
    latents = recipe.latents.weight.detach()[[1, 3, 4]].requires_grad_()
    points, sdf = batch.balanced
    predicted = recipe.generator(points, latents)
    error = (predicted.clamp(-0.1, 0.1) - sdf.clamp(-0.1, 0.1)).abs().mean()
    # A quarter of 400 epochs is where the regulariser comes to its full weight.
    for overall, weight in ((0.0, 0.0), (0.1, 0.2), (0.25, 0.5), (0.9, 0.5)):
        one = copy.deepcopy(recipe)
        values = one.step(batch, StepProgress(0, 1.0, overall))
        expected = error + weight * latents.square().sum(dim=1).mean()
        torch.testing.assert_close(values["loss"], expected.detach())
        (slope,) = torch.autograd.grad(expected, latents, retain_graph=True)
        assert one.latents.weight.grad is not None
        torch.testing.assert_close(one.latents.weight.grad[[1, 3, 4]], slope)
        assert not one.latents.weight.grad[[0, 2, 5, 6, 7]].any()


def test_generator_and_latents_learn_at_their_own_rates() -> None:
    config = dataclasses.replace(AUTODECODER, optimiser=Optimiser("adam", 0.01, 0.02, halvings=2))
    recipe = begun(config)
    recipe.step(batch_of([0, 1]), StepProgress(0, 1.0, 0.6))
    assert [one.param_groups[0]["lr"] for one in recipe._optimisers] == [0.005, 0.01]


def test_latents_begin_small_and_stay_from_stage_to_stage() -> None:
    recipe = begun(dataclasses.replace(AUTODECODER, latent_spread=0.25), shapes=1000)
    assert recipe.latents.weight.shape == (1000, 4)
    assert abs(recipe.latents.weight.std() - 0.25) < 0.01
    recipe.step(batch_of([0, 999]), StepProgress(0, 1.0, 0.0))
    before, optimisers = recipe.latents, recipe._optimisers
    recipe.begin(1)
    assert recipe.latents is before
    assert recipe._optimisers is optimisers


def test_it_reads_balanced_points_of_both_sets() -> None:
    expected = StreamConfig("points", 256, 4, sets=("surface", "uniform"), balanced=True)
    assert stream_config(AUTODECODER, AUTODECODER.stages[0]) == expected


@pytest.mark.parametrize("count", [1, 4, 30])
def test_previews_are_of_known_and_of_new_shapes(count: int) -> None:
    recipe = begun()
    with torch.no_grad():
        recipe.latents.weight.mul_(3).add_(2)
    found = recipe.preview(count)
    known = min(8, count // 2)
    assert found.shape == (count, 4)
    assert torch.equal(found[:known], recipe.latents.weight[:known])
    assert not found.requires_grad
    assert torch.equal(found, recipe.preview(count))
    if count == 30:
        spread = recipe.latents.weight.std(dim=0)
        assert ((found[8:].mean(dim=0) - 2).abs() < 3 * spread).all()
        assert ((0.4 * spread < found[8:].std(dim=0)) & (found[8:].std(dim=0) < 2 * spread)).all()


@pytest.mark.parametrize("chunk", [50, 10**6])
def test_chunks_change_nothing(chunk: int) -> None:
    recipe, expected = begun(chunk=chunk), begun()
    values = [one.step(batch_of([0, 5]), StepProgress(0, 1.0, 0.5)) for one in (recipe, expected)]
    torch.testing.assert_close(values[0]["loss"], values[1]["loss"])
    for mine, theirs in zip(
        recipe.generator.parameters(), expected.generator.parameters(), strict=True
    ):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-7)


class Spheres(nn.Module):
    """An exact generator: radius 0.5 + latent / 5."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(latent=1)
        self.radius = nn.Parameter(torch.tensor(0.5))
        self.frozen = nn.Parameter(torch.tensor(0.0), requires_grad=False)

    def forward(self, points: Tensor, latents: Tensor) -> Tensor:
        return points.norm(dim=-1) - self.radius - latents / 5


RADII = torch.tensor([0.4, 0.62])


def fitted(radii: Tensor, generator: Spheres | None = None) -> Tensor:
    torch.manual_seed(0)
    points = torch.rand(3000, 3).expand(len(radii), -1, -1) * 2 - 1
    sdf = points.norm(dim=-1) - radii[:, None]
    return fit_latents(
        generator or Spheres(),
        points,
        sdf,
        steps=400,
        rate=0.02,
        samples=500,
    )


def test_reconstruction_finds_the_latents() -> None:
    generator = Spheres()
    latents = fitted(RADII, generator)
    assert latents.shape == (2, 1)
    assert not latents.requires_grad
    torch.testing.assert_close(latents[:, 0], 5 * (RADII - 0.5), atol=0.02, rtol=0)
    assert generator.radius.requires_grad
    assert not generator.frozen.requires_grad
    assert generator.radius.grad is None
    assert generator.radius.item() == 0.5
    state = torch.get_rng_state()
    torch.manual_seed(0)
    torch.rand(3000, 3)
    assert torch.equal(torch.get_rng_state(), state)  # the draw of points is its own


def test_a_latent_does_not_depend_on_the_other_shapes() -> None:
    torch.testing.assert_close(fitted(RADII)[1:], fitted(RADII[1:]), atol=1e-5, rtol=1e-5)


def evaluated(shapes: int, samples: int) -> int:
    """Points at which the generator is evaluated, in a few steps."""
    generator, counts = Generator(GeneratorConfig(width=8, depth=4)), []
    generator.register_forward_hook(lambda _, __, sdf: counts.append(sdf.numel()))
    points, sdf = torch.rand(shapes, 4096, 3) - 0.5, torch.rand(shapes, 4096) - 0.5
    fit_latents(generator, points, sdf, steps=4, samples=samples)
    return sum(counts)


def test_eight_shapes_take_less_than_three_times_the_work_of_one() -> None:
    one = evaluated(1, ReconstructionSettings().samples)
    assert 0 < evaluated(8, SPLIT_SAMPLES) < 3 * one


def test_reconstruction_gives_weights_back_after_an_error() -> None:
    generator = Spheres()
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        fit_latents(generator, torch.zeros(1, 5, 3), torch.zeros(1, 4, 3), steps=1)
    assert generator.radius.requires_grad


def test_it_learns_shapes_and_reconstructs_unseen_ones(tmp_path: Path) -> None:
    """Unseen spheres and boxes come nearer to themselves than the mean of those seen."""
    torch.set_num_threads(1)
    config = dataclasses.replace(
        AUTODECODER,
        stages=(Stage(512, 8, 120),),
        generator=dataclasses.replace(AUTODECODER.generator, width=32),
        optimiser=Optimiser("adam", 5e-3, 2e-2),
        ema_halflife=0,
    )
    recipe = begun(config, shapes=16)
    stream = Stream(make_solids(tmp_path, shapes=16), stream_config(config, config.stages[0]))
    losses = []
    batches = stream.batches()
    for step in range(240):
        losses.append(
            float(recipe.step(next(batches), StepProgress(step, 1.0, step / 240))["loss"])
        )
    batches.close()
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    generator: Generator = recipe.result
    torch.manual_seed(0)
    points = torch.rand(4000, 3) * 1.6 - 0.8
    errors = []
    for number in (16, 17, 18, 19):
        sdf = torch.from_numpy(solid(number)(points.double().numpy())).float()
        latent = fit_latents(
            generator, points[None], sdf[None], steps=150, rate=0.02, samples=1000
        )[0]

        @torch.no_grad()
        def error(one: Tensor, sdf: Tensor = sdf) -> float:
            found = generator(points, one[None])[0].clamp(-0.1, 0.1)
            return float((found - sdf.clamp(-0.1, 0.1)).abs().mean())

        errors.append((error(latent), error(recipe.latents.weight.mean(dim=0))))
    found, of_mean = map(sum, zip(*errors, strict=True))
    assert found < 0.6 * of_mean

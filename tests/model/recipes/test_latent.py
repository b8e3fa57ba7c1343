import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import LATENT, LATENT_KERNELS, SHAPES, STORED, last, make_solids, quick, run
from torch import Tensor

from shapegan.model.config import TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.recipes.build import stream_config
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.latent import Latent, rate_factor
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.stream import Stream


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.fixture(scope="module")
def fine_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = replace(STORED, resolutions=(16, 64))
    return make_solids(tmp_path_factory.mktemp("fine"), config=config)


def begun(data: Path, stage: int, config: TrainConfig = LATENT) -> tuple[Latent, Any]:
    """A recipe at the start of a stage, and batches for it."""
    stream = Stream(data, stream_config(config, config.stages[stage]))
    recipe = Latent(config, Ranks(), Execution(torch.device("cpu")), stream)
    recipe.begin(stage)
    return recipe, stream.batches()


def weights(recipe: Latent) -> dict[str, Tensor]:
    named = {f"g.{name}": value for name, value in recipe.generator.state_dict().items()}
    named |= {f"e.{name}": value for name, value in recipe.encoder.state_dict().items()}
    return {name: value.clone() for name, value in named.items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """First words of the names of weights that differ."""
    return {
        ".".join(name.split(".")[:2])
        for name in before
        if not torch.equal(before[name], after[name])
    }


def test_the_prior_starts_with_the_averaged_decoder_and_an_average_of_its_own(data: Path) -> None:
    recipe, batches = begun(data, 0, replace(LATENT, ema_halflife=50.0))
    for step in range(8):
        recipe.step(next(batches), StepProgress(step, 1.0, 0.0))
    average = {name: one.clone() for name, one in recipe.result.decoder.state_dict().items()}
    recipe.begin(1)
    recipe.step(next(batches), StepProgress(0, 1.0, 0.5))
    for decoder in (recipe.generator.decoder, recipe.result.decoder):
        for name, one in decoder.state_dict().items():
            assert torch.allclose(one, average[name], atol=1e-7), name
    # An average that remembered the decoder's steps would keep most of an untrained prior.
    trained, kept = recipe.generator.prior.leave.weight.detach(), recipe.result.prior.leave.weight
    assert float(kept.norm()) > 0.5 * float(trained.norm()) > 0


@pytest.mark.parametrize(("stage", "trained"), [(0, "g.decoder"), (1, "g.prior")])
def test_a_stage_trains_its_own_part(data: Path, stage: int, trained: str) -> None:
    recipe, batches = begun(data, stage)
    recipe.step(next(batches), StepProgress(0, 1.0, 0.0))
    before = weights(recipe)
    recipe.step(next(batches), StepProgress(1, 1.0, 0.1, 0.1))
    assert changed(before, weights(recipe)) == {trained}


def test_codes_are_found_in_the_first_step_only(data: Path) -> None:
    recipe, batches = begun(data, 0)
    assert not bool(recipe.encoder.fitted)
    recipe.step(next(batches), StepProgress(0, 1.0, 0.0))
    codes = recipe.encoder(next(batches).voxels)
    assert bool(recipe.encoder.fitted)
    assert codes.std() > 0.1
    restored, batches = begun(data, 0)
    state = recipe.state()
    state["networks"]["encoder"]["mean"] += 1
    restored.load(state)
    restored.step(next(batches), StepProgress(1, 1.0, 0.1, 0.1))
    assert torch.equal(restored.encoder.mean, state["networks"]["encoder"]["mean"])


def test_a_decoder_learns_its_shapes(data: Path) -> None:
    config = LATENT.replaced({"optimiser.rate": "0.01", "generator.hidden": "32"})
    recipe, batches = begun(data, 0, config)
    losses = [
        float(recipe.step(next(batches), StepProgress(step, 1.0, 0.0, 0.0))["loss"])
        for step in range(60)
    ]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_shares_of_categories_are_counted(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["boxes"] * 2 + ["spheres"] * (SHAPES - 2)
    monkeypatch.setattr(Stream, "categories", property(lambda _: names))
    generator = replace(LATENT.generator, categories=("boxes", "spheres"))
    recipe, batches = begun(data, 1, replace(LATENT, generator=generator))
    recipe.step(next(batches), StepProgress(0, 1.0, 0.0))
    torch.testing.assert_close(recipe.generator.shares, torch.tensor([2 / SHAPES, 1 - 2 / SHAPES]))
    assert torch.equal(recipe.result.shares, recipe.generator.shares)
    assert recipe.preview(3).shape == (3, 4 + 2)


def test_a_run_ends_with_a_generator_of_both_parts(data: Path, tmp_path: Path) -> None:
    checkpoint = run(LATENT, quick(data, tmp_path / "run"))
    assert set(checkpoint.recipe["networks"]) == {"generator", "encoder"}
    assert last(tmp_path / "run").recipe["networks"]["encoder"]["fitted"]
    average = checkpoint.recipe["average"]["weights"]
    assert average["prior.leave.weight"].abs().max() > 0


def kernels(**settings: Any) -> TrainConfig:
    """`LATENT_KERNELS` with as many shapes as there are, and further settings of the generator."""
    settings = {"prior_shapes": SHAPES} | settings
    return replace(LATENT_KERNELS, generator=replace(LATENT_KERNELS.generator, **settings))


def test_a_kernel_density_has_the_codes_of_shapes_and_of_stretched_copies(data: Path) -> None:
    recipe, batches = begun(data, 0, kernels())
    batch = next(batches)
    recipe.step(batch, StepProgress(0, 1.0, 0.0))
    centres = recipe.generator.prior.centres.view(SHAPES, 4, -1)
    own = recipe.encoder(batch.voxels)
    torch.testing.assert_close(centres[batch.indices, 0], own)
    distances = (centres[:, 1:] - centres[:, :1]).norm(dim=2)
    assert distances.min() > 0.001
    assert distances.mean() < torch.pdist(centres[:, 0]).mean()
    assert torch.equal(recipe.result.prior.centres, recipe.generator.prior.centres)
    again, batches = begun(data, 0, kernels())
    again.step(next(batches), StepProgress(0, 1.0, 0.0))
    assert torch.equal(again.generator.prior.centres, recipe.generator.prior.centres)


def test_a_kernel_density_of_fewer_shapes_keeps_some_of_them(data: Path) -> None:
    all_of_them, batches = begun(data, 0, kernels(prior_stretches=0))
    all_of_them.step(next(batches), StepProgress(0, 1.0, 0.0))
    some, batches = begun(data, 0, kernels(prior_shapes=3, prior_stretches=0))
    some.step(next(batches), StepProgress(0, 1.0, 0.0))
    found = torch.cdist(some.generator.prior.centres, all_of_them.generator.prior.centres)
    assert len(set(found.argmin(dim=1).tolist())) == 3
    assert found.amin(dim=1).max() < 1e-4


def test_a_kernel_density_knows_the_category_of_each_code(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["boxes"] * 2 + ["spheres"] * (SHAPES - 2)
    monkeypatch.setattr(Stream, "categories", property(lambda _: names))
    config = kernels(categories=("boxes", "spheres"))
    recipe, batches = begun(data, 0, config)
    recipe.step(next(batches), StepProgress(0, 1.0, 0.0))
    expected = [0] * 8 + [1] * 4 * (SHAPES - 2)
    assert recipe.generator.prior.numbers.tolist() == expected


def fine(**settings: float) -> TrainConfig:
    """`LATENT` on 64^3 voxels, with settings of the decoder's stage."""
    decoder, prior = (replace(stage, size=64) for stage in LATENT.stages)
    return replace(LATENT, stages=(replace(decoder, **settings), prior))


def test_offsets_of_thin_parts_change_what_the_decoder_learns(fine_data: Path) -> None:
    losses = set()
    for offset in (0.0, 0.05):
        recipe, batches = begun(fine_data, 0, fine(thin_offset=offset))
        batch = next(batches)
        # The solids have no thin parts: here is one in each.
        thin = (torch.linspace(-1, 1, 64) - 0.9).abs().expand_as(batch.voxels)
        batch = replace(batch, thin=thin)
        losses.add(float(recipe.step(batch, StepProgress(0, 1.0, 0.0))["loss"]))
    assert len(losses) == 2


def test_rates_grow_and_then_fall() -> None:
    factors = [rate_factor(StepProgress(step, 1.0, 0.0, step / 1000)) for step in range(1000)]
    assert factors[0] == pytest.approx(1 / 30, rel=1e-3)
    assert max(factors) == pytest.approx(1.0, abs=0.01)
    assert factors[-1] == pytest.approx(0.03, abs=1e-3)
    assert all(math.isfinite(factor) for factor in factors)

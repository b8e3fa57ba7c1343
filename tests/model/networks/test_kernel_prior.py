import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.networks.kernel_prior import KernelPrior


def made(centres: Tensor, spread: float) -> KernelPrior:
    prior = KernelPrior(*centres.shape, spread)
    prior.centres.copy_(centres)
    return prior


@given(
    mean=st.floats(-2, 2),
    spread=st.floats(0.2, 1.5),
)
def test_of_one_centre_a_code_is_the_noise_scaled_and_moved(mean: float, spread: float) -> None:
    noise = torch.linspace(-2.5, 2.5, 11, dtype=torch.float64)[:, None]
    prior = made(torch.tensor([[mean]], dtype=torch.float64), spread).double()
    torch.testing.assert_close(prior.sample(noise), mean + spread * noise, atol=5e-3, rtol=5e-3)


def test_in_one_dimension_codes_have_the_quantiles_of_the_density() -> None:
    centres = torch.tensor([[-1.5], [0.2], [0.4], [1.8]]).double()
    prior = made(centres, 0.3).double()
    levels = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)
    codes = prior.sample(torch.special.ndtri(levels)[:, None])
    shares = torch.special.ndtr((codes - centres.T) / 0.3).mean(dim=1)
    torch.testing.assert_close(shares, levels, atol=0.01, rtol=0)


def test_the_flow_and_the_direct_draw_give_the_same_codes() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(40, 6, generator=generator)
    prior = made(centres, 0.35)
    noise = torch.randn(4000, 6, generator=generator)
    flowed = prior.sample(noise)
    direct = prior.draw(noise, torch.rand(4000, generator=generator))
    for codes in (flowed, direct):
        nearest = torch.cdist(codes, centres).amin(dim=1) / 0.35
        assert nearest.square().mean() == pytest.approx(5.9, abs=0.35)
    torch.testing.assert_close(flowed.mean(dim=0), direct.mean(dim=0), atol=0.08, rtol=0)
    torch.testing.assert_close(flowed.T.cov(), direct.T.cov(), atol=0.12, rtol=0)
    counts = [
        torch.cdist(codes, centres).argmin(dim=1).bincount(minlength=40)
        for codes in (flowed, direct)
    ]
    assert (counts[0] - counts[1]).abs().max() < 60  # of 100 on average


def with_categories(numbers: list[int], spread: float = 0.1) -> KernelPrior:
    """Centres far from each other, one for each number of a category."""
    prior = KernelPrior(len(numbers), 2, spread, max(numbers) + 1)
    prior.centres.copy_(
        5 * torch.randn(len(numbers), 2, generator=torch.Generator().manual_seed(0))
    )
    prior.numbers.copy_(torch.tensor(numbers))
    return prior


def nearest(prior: KernelPrior, codes: Tensor) -> Tensor:
    return torch.cdist(codes, prior.centres).argmin(dim=1)


def test_a_category_draws_from_its_own_centres() -> None:
    prior = with_categories([0, 1, 1, 0, 1])
    noise = torch.randn(60, 2, generator=torch.Generator().manual_seed(1))
    for category in range(2):
        found = nearest(prior, prior.sample(noise, torch.eye(2)[[category] * 60]))
        assert set(prior.numbers[found].tolist()) == {category}
        assert len(found.unique()) > 1


def test_categories_come_out_by_their_weights_however_many_shapes_they_have() -> None:
    prior = with_categories([0, 1, 1, 1, 1, 1, 1])
    noise = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))
    found = nearest(prior, prior.sample(noise, torch.tensor([[0.7, 0.3]]).expand(2000, 2)))
    assert float((found == 0).float().mean()) == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("categories", [0, 2])
def test_the_noise_of_a_code_gives_that_code(categories: int) -> None:
    torch.manual_seed(0)
    prior = KernelPrior(40, 6, 0.15, categories)
    prior.centres.normal_()
    weights = None
    if categories:
        prior.numbers.copy_(torch.arange(40) % 2)
        weights = torch.eye(2)[prior.numbers]
    # A shape's own code, and codes near it
    for codes in (prior.centres, prior.centres + 0.1 * torch.randn(40, 6)):
        noise = prior.invert(codes, weights)
        assert noise.norm(dim=1).max() < 8
        torch.testing.assert_close(prior.sample(noise, weights), codes, atol=1e-3, rtol=0)


def test_many_centres_take_little_memory() -> None:
    """B x S x Z differences would be 13 GB."""
    prior = KernelPrior(50_000, 64, 0.2)
    prior.centres.normal_()
    assert prior.velocity(torch.randn(1000, 64), 0.5).isfinite().all()


def test_a_choice_below_one_is_a_centre() -> None:
    prior = made(torch.tensor([[1.0], [2.0], [3.0]]), 0.1)
    choices = torch.tensor([0.0, 0.34, 1 - 2**-24])
    found = prior.draw(torch.zeros(3, 1), choices)
    assert found.flatten().tolist() == [1.0, 2.0, 3.0]


def test_a_generator_makes_codes_of_latents_and_decodes_them() -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(latent=3, width=8, depth=4, prior_spread=0.5, prior_shapes=7)
    generator = Generator(config)
    assert generator.prior is not None
    generator.prior.centres.normal_()
    points, latents = torch.rand(5, 3), torch.randn(2, 3)
    codes = generator.codes(latents)
    assert not torch.allclose(codes, latents)
    assert torch.equal(generator(points, latents), generator.decode(points, codes))
    with torch.autocast("cpu"):
        assert torch.equal(generator.codes(latents), codes)


def test_weights_of_latents_are_those_of_codes_by_the_chain_rule() -> None:
    torch.manual_seed(0)
    generator = Generator(
        GeneratorConfig(latent=3, width=8, depth=4, prior_spread=0.5, prior_shapes=7)
    )
    assert generator.prior is not None
    generator.prior.centres.normal_()
    step = 1e-2
    ends = [generator.codes(side * torch.eye(3)) for side in (step, -step)]
    changes = (ends[0] - ends[1]) / (2 * step)
    expected = torch.cat([generator.latent_first.weight, generator.latent_again.weight])
    torch.testing.assert_close(
        generator.latent_weights(), expected @ changes.T, atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior_spread": 0.3}, "expected prior_shapes"),
        ({"prior_spread": -0.3, "prior_shapes": 3}, "at least 0"),
    ],
)
def test_settings_that_make_no_prior_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Generator(GeneratorConfig(**settings))  # type: ignore[arg-type]

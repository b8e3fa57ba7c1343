import pytest
import torch

from shapegan.model.networks.flow_prior import FlowPrior


def made(categories: int = 0, steps: int = 8) -> FlowPrior:
    torch.manual_seed(0)
    return FlowPrior(2, categories, width=32, depth=2, steps=steps)


def test_at_first_a_sample_is_its_noise() -> None:
    noise = torch.randn(5, 2)
    torch.testing.assert_close(made(3).sample(noise, torch.eye(5, 3)), noise)


def test_a_constant_velocity_moves_noise_by_itself() -> None:
    prior = made()
    prior.leave.bias.data.copy_(torch.tensor([1.0, -2.0]))
    noise = torch.randn(4, 2)
    expected = noise + torch.tensor([1.0, -2.0])
    torch.testing.assert_close(prior.sample(noise, torch.zeros(4, 0)), expected)


def test_the_loss_is_that_of_the_straight_velocity() -> None:
    prior, codes, noise = made(), torch.randn(6, 2), torch.randn(6, 2)
    loss = prior.loss(codes, noise, torch.rand(6, 1), torch.zeros(6, 0))
    torch.testing.assert_close(loss, (codes - noise).square().mean())


def test_learns_codes_by_category() -> None:
    prior = made(categories=2)
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.0]])
    optimiser = torch.optim.Adam(prior.parameters(), lr=1e-2)
    for _ in range(300):
        which = torch.randint(2, (64,))
        noise, times = torch.randn(64, 2), torch.rand(64, 1)
        loss = prior.loss(centres[which], noise, times, torch.eye(2)[which])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        for category in range(2):
            codes = prior.sample(torch.randn(50, 2), torch.eye(2)[[category] * 50])
            assert (codes - centres[category]).norm(dim=1).median() < 0.3


@pytest.mark.parametrize("categories", [0, 2])
def test_samples_are_rows_of_their_own(categories: int) -> None:
    prior = made(categories)
    torch.nn.init.normal_(prior.leave.weight)
    noise, weights = torch.randn(4, 2), torch.rand(4, categories)
    together = prior.sample(noise, weights)
    torch.testing.assert_close(prior.sample(noise[2:3], weights[2:3]), together[2:3])


def test_the_noise_of_a_code_gives_that_code() -> None:
    prior = made(categories=2)
    torch.nn.init.normal_(prior.leave.weight, std=0.3)
    noise, categories = torch.randn(7, 2), torch.eye(2)[torch.arange(7) % 2]
    codes = prior.sample(noise, categories)
    assert (codes - noise).abs().max() > 0.1
    torch.testing.assert_close(prior.invert(codes, categories), noise, atol=1e-4, rtol=1e-4)


def test_a_velocity_without_bounds_still_gives_a_code() -> None:
    """Such as that of noise longer than any in training, which once gave shapes of NaN."""
    prior = made(categories=0)
    torch.nn.init.normal_(prior.leave.weight, std=1e4)
    noise, none = torch.randn(7, 2), torch.zeros(7, 0)
    assert not prior.sample(noise, none).isfinite().all()
    prior.longest.fill_(3.0)
    codes = prior.sample(noise, none)
    assert codes.isfinite().all()
    assert codes.norm(dim=1).max() <= 3.0 + 1e-5


def test_a_bound_that_is_not_reached_changes_nothing() -> None:
    prior = made(categories=2)
    torch.nn.init.normal_(prior.leave.weight, std=0.3)
    noise, categories = torch.randn(7, 2), torch.eye(2)[torch.arange(7) % 2]
    codes = prior.sample(noise, categories)
    prior.longest.copy_(10 * codes.norm(dim=1).max())
    assert torch.equal(prior.sample(noise, categories), codes)

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from shapegan.model.recipes.losses import (
    LOSSES,
    autodecoder_loss,
    critic_loss,
    generator_loss,
    gradient_penalty,
    zero_centred_penalty,
)

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])


def softplus(number: float) -> float:
    return math.log1p(math.exp(number))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("wasserstein", (0.5 + 3) / 2 - (2 - 1) / 2),
        (
            "logistic",
            (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(3)) / 2,
        ),
        ("relativistic", (softplus(0.5 - 2) + softplus(3 + 1)) / 2),
    ],
)
def test_critic_loss_by_hand(kind, expected):
    assert critic_loss(kind, REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("wasserstein", -(0.5 + 3) / 2),
        ("logistic", (softplus(-0.5) + softplus(-3)) / 2),
        ("relativistic", (softplus(2 - 0.5) + softplus(-1 - 3)) / 2),
    ],
)
def test_generator_loss_by_hand(kind, expected):
    assert generator_loss(kind, FAKE, REAL).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_critic_and_generator_pull_against_each_other(kind):
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    critic_loss(kind, real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    fake.grad = None
    generator_loss(kind, fake, REAL).backward()
    assert (fake.grad < 0).all()


def test_unknown_losses_and_penalties_are_refused():
    for loss in (critic_loss, generator_loss):
        with pytest.raises(ValueError, match=r"expected a loss out of wasserstein, .*got 'hinge'"):
            loss("hinge", FAKE, REAL)
    with pytest.raises(ValueError, match="expected scores of real shapes"):
        generator_loss("relativistic", FAKE)


shapes = st.sampled_from([(4, 5), (4, 3, 3, 3), (4, 6, 4)])


def linear_critic(shape, slope: float):
    """Scores whose gradient has the length `slope` everywhere."""
    torch.manual_seed(0)
    direction = torch.randn(shape[1:])
    weight = (slope * direction / direction.norm()).requires_grad_()
    return weight, lambda samples: (samples * weight).flatten(1).sum(1)


@examples(20)
@given(shapes, st.floats(0.0, 5.0))
def test_penalties_of_a_linear_critic_are_those_of_its_slope(shape, slope):
    _, critic = linear_critic(shape, slope)
    real, fake, mix = torch.randn(shape), torch.randn(shape), torch.rand(shape[0])
    penalty = gradient_penalty(critic, real, fake, mix)
    assert penalty.item() == pytest.approx((slope - 1) ** 2, abs=1e-4)
    assert zero_centred_penalty(critic, real).item() == pytest.approx(slope**2, abs=1e-4)


def test_penalty_of_a_critic_without_slope_is_finite_both_ways():
    weight, critic = linear_critic((4, 5), 0.0)
    penalty = gradient_penalty(critic, torch.randn(4, 5), torch.randn(4, 5), torch.rand(4))
    assert penalty.item() == pytest.approx(1)
    penalty.backward()
    assert weight.grad.isfinite().all()


def test_penalty_is_taken_between_real_and_fake_by_the_share_of_the_real():
    seen = []

    def critic(samples):
        seen.append(samples)
        return samples.square().sum((1, 2))

    real, fake = torch.ones(3, 2, 2), torch.zeros(3, 2, 2)
    penalty = gradient_penalty(critic, real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert seen[0][:, 0, 0].tolist() == [0.0, 0.25, 1.0]
    # The gradient is 2 x, of length 2 * share * 2.
    assert penalty.item() == pytest.approx((1 + 0 + 9) / 3)


def test_zero_centred_penalty_by_hand():
    penalty = zero_centred_penalty(lambda x: x.square().sum(1), torch.tensor([[1.0, 2.0], [0, 3]]))
    assert penalty.item() == pytest.approx((4 * 5 + 4 * 9) / 2)


@pytest.mark.parametrize("kind", ["gradient", "zero-centred"])
def test_penalties_change_the_weights_of_the_critic_and_only_those(kind):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.LeakyReLU(0.2), torch.nn.Linear(8, 1))
    source = torch.randn(4, 6, requires_grad=True)
    real, fake = source * 2, source + 1

    def critic(samples):
        return net(samples)[:, 0]

    def penalty():
        if kind == "gradient":
            return gradient_penalty(critic, real, fake, torch.full((4,), 0.3))
        return zero_centred_penalty(critic, real)

    before = penalty()
    before.backward()
    assert source.grad is None
    weights = [net[0].weight, net[2].weight]
    assert all(weight.grad.abs().max() > 0 for weight in weights)
    with torch.no_grad():
        for weight in weights:
            weight -= 0.1 * weight.grad
    assert penalty() < before


def test_penalty_has_the_right_derivative_by_the_weights():
    torch.manual_seed(0)
    real, fake, mix = torch.randn(3, 4).double(), torch.randn(3, 4).double(), torch.rand(3).double()

    def penalty(inner, outer):
        return gradient_penalty(lambda x: (x @ inner).tanh() @ outer, real, fake, mix)

    inner = torch.randn(4, 5).double().requires_grad_()
    outer = torch.randn(5).double().requires_grad_()
    assert torch.autograd.gradcheck(penalty, (inner, outer))


def test_autodecoder_loss_by_hand():
    predicted = torch.tensor([[0.05, 0.3], [-0.02, -0.4]])
    sdf = torch.tensor([[0.02, 0.2], [0.02, 0.5]])
    latents = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    loss = autodecoder_loss(predicted, sdf, latents, clip=0.1, weight=0.01)
    expected = (0.03 + 0 + 0.04 + 0.2) / 4 + 0.01 * (25 + 1) / 2
    assert loss.item() == pytest.approx(expected)


def test_autodecoder_loss_ignores_errors_beyond_the_clip():
    predicted = torch.tensor([[0.3, 0.05]], requires_grad=True)
    latents = torch.ones(1, 2, requires_grad=True)
    autodecoder_loss(predicted, torch.tensor([[0.2, 0.0]]), latents, 0.1, 0.5).backward()
    assert predicted.grad.tolist() == [[0.0, 0.5]]
    assert latents.grad.tolist() == [[1.0, 1.0]]

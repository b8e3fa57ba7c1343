import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import twins
from support.examples import examples
from torch import Tensor

from shapegan.model.networks.point_critic import PointCritic, PointCriticConfig, gather_points
from shapegan.model.recipes.losses import gradient_penalty, zero_centred_penalty

SMALL = PointCriticConfig(features=(6, 8, 12), head=(7, 5))


def made(config: PointCriticConfig = SMALL) -> PointCritic:
    torch.manual_seed(0)
    return PointCritic(config)


def samples(shapes: int = 3, count: int = 40, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    points = torch.rand(shapes, count, 3, dtype=dtype) * 2 - 1
    return points, points.norm(dim=2) - 0.5 + 0.1 * torch.randn(shapes, count, dtype=dtype)


def test_gives_the_scores_of_a_plain_pointnet_and_all_its_gradients():
    critic = made().double()
    points, sdf = (each.requires_grad_() for each in samples())

    def found(net) -> list[Tensor]:
        scores = net(points, sdf)
        penalty = zero_centred_penalty(lambda x: net(points, x), sdf)
        (slope,) = torch.autograd.grad(net(points, sdf).sum(), points, create_graph=True)
        loss = scores.square().sum() + 3 * penalty + slope.square().sum()
        inputs = [points, sdf, *critic.parameters()]
        return [scores, penalty, *torch.autograd.grad(loss, inputs)]

    ours = found(critic)
    plain = found(lambda points, sdf: twins.point_critic_score(critic, points, sdf))
    assert ours[0].shape == (3,)
    for got, expected in zip(ours, plain, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


def test_default_is_the_published_critic():
    critic = PointCritic(PointCriticConfig())
    assert [layer.weight.shape for layer in critic.layers] == [
        (64, 4),
        (128, 64),
        (256, 128),
        (512, 256),
    ]
    assert [layer.weight.shape for layer in critic.head] == [(256, 512), (128, 256), (1, 128)]


@examples(20)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_masked_points_count_as_if_they_were_not_there(seed, count):
    critic = made().double()
    points, sdf = samples(1, 40)
    mask = torch.zeros(40, dtype=torch.bool)
    torch.manual_seed(seed)
    mask[torch.randperm(40)[:count]] = True
    score = critic(points, sdf, mask[None])
    torch.testing.assert_close(score, critic(points[:, mask], sdf[:, mask]))


def test_masked_points_get_no_gradient():
    critic = made().double()
    points, sdf = (each.requires_grad_() for each in samples())
    mask = torch.rand(sdf.shape) < 0.5
    critic(points, sdf, mask).sum().backward()
    assert not sdf.grad[~mask].any()
    assert sdf.grad[mask].any()


def test_deciding_points_alone_have_the_score_of_all():
    critic = made().double()
    points, sdf = samples()
    chosen = critic.critical_indices(points, sdf)
    assert chosen.shape == (3, 12)
    few = critic(gather_points(points, chosen), sdf.gather(1, chosen))
    torch.testing.assert_close(few, critic(points, sdf))


@examples(20)
@given(st.integers(1, 40), st.booleans())
def test_blocks_change_nothing(rows, masked):
    critic = made().double()
    points, sdf = samples()
    mask = torch.rand(sdf.shape) < 0.7 if masked else None
    whole = critic.critical_indices(points, sdf, mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shapegan.model.networks.point_critic._BLOCK_FEATURES", rows * 12 * 3)
        parts = critic.critical_indices(points, sdf, mask)
    assert torch.equal(parts, whole)
    features = critic.layers[-1](critic._hidden(points, sdf))
    if mask is not None:
        features = features.masked_fill(~mask[..., None], -torch.inf)
    assert torch.equal(whole, features.argmax(1))


def test_order_of_points_does_not_matter():
    critic = made().double()
    points, sdf = samples()
    order = torch.randperm(40)
    torch.testing.assert_close(critic(points[:, order], sdf[:, order]), critic(points, sdf))


def test_penalty_reaches_every_weight():
    critic = made()
    points, sdf = samples(dtype=torch.float32)
    penalty = gradient_penalty(lambda x: critic(points, x), sdf, -sdf, torch.rand(3))
    penalty.backward()
    for layer in (*critic.layers, *critic.head):
        assert layer.weight.grad.abs().max() > 0


def test_autocast_gives_float32_near_the_exact_scores():
    critic = made(PointCriticConfig())
    points, sdf = samples(dtype=torch.float32)
    exact = critic(points, sdf)
    with torch.autocast("cpu", torch.bfloat16):
        rough = critic(points, sdf)
        penalty = zero_centred_penalty(lambda x: critic(points, x), sdf)
        (rough.sum() + penalty).backward()
    assert rough.dtype == penalty.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.02
    assert all(parameter.grad.dtype == torch.float32 for parameter in critic.parameters())


def test_scale_divides_the_distances():
    points, sdf = samples(dtype=torch.float32)
    scaled = made(PointCriticConfig(features=(6, 8, 12), head=(7, 5), scale=0.1))
    torch.testing.assert_close(scaled(points, sdf), made()(points, sdf / 0.1))


def test_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"got \(2, 5, 3\) and \(2, 6\)"):
        made()(torch.zeros(2, 5, 3), torch.zeros(2, 6))


@pytest.mark.parametrize("wrong", [{"features": (4,)}, {"head": (0,)}, {"scale": 0.0}])
def test_refuses_a_config_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="expected two or more layers"):
        PointCriticConfig(**wrong)

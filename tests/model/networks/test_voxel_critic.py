import pytest
import torch
from support import twins
from torch import Tensor

from shapegan.model.networks.voxel_critic import (
    VoxelCritic,
    VoxelCriticConfig,
    input_channels,
)
from shapegan.model.recipes.losses import gradient_penalty, zero_centred_penalty

SMALL = {"features": (6, 5, 4, 1), "final": 8, "hidden": 7}
VARIANTS = {
    "published": {},
    "gradients": {"gradients": True},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())


def made(resolution: int = 16, **options) -> VoxelCritic:
    torch.manual_seed(0)
    return VoxelCritic(VoxelCriticConfig(**(SMALL | options)), resolution)


def grids(resolution: int, count: int = 3, dtype=torch.float32) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(count, resolution, resolution, resolution, dtype=dtype) * 0.2 - 0.1


def balls(resolution: int, radii: list[float], dtype=torch.float64) -> Tensor:
    axis = torch.linspace(-1, 1, resolution, dtype=dtype)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))
    return points.norm(dim=0) - torch.tensor(radii, dtype=dtype)[:, None, None, None]


def twin_of(critic: VoxelCritic) -> twins.PaddedCritic:
    blocks = {int(size): block for size, block in critic.blocks.items()}
    return twins.PaddedCritic(blocks, critic.hidden, critic.score)


@pytest.mark.parametrize("fade", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_gives_the_scores_of_a_padded_critic_and_its_gradients(resolution, fade):
    fade = fade if resolution > 8 else 1.0
    critic = made(resolution).double()
    critic.set_fade(fade)
    twin = twin_of(critic)
    sdf = grids(resolution, dtype=torch.float64).requires_grad_()

    def found(net, *more) -> list[Tensor]:
        scores = net(sdf, *more)
        penalty = zero_centred_penalty(lambda x: net(x, *more), sdf)
        loss = scores.square().sum() + 3 * penalty
        parameters = [*critic.parameters()]
        grads = torch.autograd.grad(loss, [sdf, *parameters], materialize_grads=True)
        return [scores, penalty, *grads]

    for ours, expected in zip(found(critic), found(twin, fade), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_default_is_the_published_critic():
    critic = VoxelCritic(VoxelCriticConfig(), 64)
    shapes = {size: tuple(block.weight.shape[:2]) for size, block in critic.blocks.items()}
    assert shapes == {"8": (256, 128), "16": (128, 64), "32": (64, 32), "64": (32, 1)}
    assert critic.hidden.weight.shape == (128, 64 * 256)
    assert critic(grids(64, 1)).shape == (1,)


def test_fade_starts_at_1_and_changes_the_score():
    critic, sdf = made(), grids(16)
    whole = critic(sdf)
    critic.set_fade(0.4)
    assert not torch.equal(critic(sdf), whole)
    critic.set_fade(1.0)
    assert torch.equal(critic(sdf), whole)


def test_fade_is_not_saved_and_moves_with_the_critic():
    critic = made()
    critic.set_fade(0.25)
    assert "fade" not in critic.state_dict()
    assert critic.double().fade.dtype == torch.float64
    assert critic.grown(32).fade == 1.0


@each_variant
def test_scores_stay_the_same_while_the_new_block_is_faded_out(variant):
    critic = made(8, **variant).double()
    grown = critic.grown(16).double()
    grown.set_fade(0.0)
    fine = balls(16, [0.3, 0.5, 0.7])
    coarse = twins.coarser(fine)
    torch.testing.assert_close(grown(fine), critic(coarse))


@each_variant
def test_grown_keeps_the_old_weights_and_draws_new_blocks(variant):
    critic = made(8, **variant)
    grown = critic.grown(32)
    assert grown.resolution == 32
    old, new = critic.state_dict(), grown.state_dict()
    assert all(torch.equal(new[name], value) for name, value in old.items())
    assert set(new) - set(old)
    assert all(name.startswith(("blocks.16.", "blocks.32.")) for name in set(new) - set(old))
    with torch.no_grad():
        grown.score.bias.add_(1.0)
    assert not torch.equal(grown.score.bias, critic.score.bias)


def test_does_not_grow_downwards():
    with pytest.raises(ValueError, match="above 16, got 16"):
        made(16).grown(16)


@each_variant
def test_penalty_reaches_every_weight(variant):
    critic = made(16, **variant)
    sdf = balls(16, [0.3, 0.6], torch.float32).clamp(-0.1, 0.1)
    critic.set_fade(0.5)
    gradient_penalty(critic, sdf, grids(16, 2), torch.rand(2)).backward()
    weights = {name: p.grad for name, p in critic.named_parameters() if "bias" not in name}
    assert all(grad is not None and grad.abs().max() > 0 for grad in weights.values())


@each_variant
def test_autocast_gives_float32_near_the_exact_scores(variant):
    critic = made(16, **variant)
    critic.set_fade(0.5)
    sdf = balls(16, [0.3, 0.6], torch.float32).clamp(-0.1, 0.1)
    exact = critic(sdf)
    with torch.autocast("cpu", torch.bfloat16):
        rough = critic(sdf)
        penalty = zero_centred_penalty(critic, sdf)
        (rough.sum() + penalty).backward()
    assert rough.dtype == penalty.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.05
    torch.testing.assert_close(penalty, zero_centred_penalty(critic, sdf), rtol=0.1, atol=0)
    assert all(parameter.grad.dtype == torch.float32 for parameter in critic.parameters())


def test_width_multiplies_the_features():
    critic = VoxelCritic(VoxelCriticConfig(width=0.25), 16)
    assert critic.blocks["8"].weight.shape[:2] == (64, 32)
    assert critic.blocks["16"].weight.shape[:2] == (32, 16)
    assert critic.hidden.weight.shape == (32, 64 * 64)


def test_scale_divides_the_distances():
    scaled, plain, sdf = made(scale=0.1), made(), grids(16)
    for critic in (scaled, plain):
        critic.set_fade(0.5)
    torch.testing.assert_close(scaled(sdf), plain(sdf / 0.1))


def test_sees_the_slope_of_the_field():
    axis = torch.linspace(-1, 1, 16, dtype=torch.float64)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    field = 0.5 * x - 0.25 * y + 2 * z + 0.1
    seen = input_channels(field[None, None], VoxelCriticConfig(gradients=True, scale=0.5))
    torch.testing.assert_close(seen[0, 0], field / 0.5)
    for channel, slope in enumerate((0.5, -0.25, 2.0), start=1):
        torch.testing.assert_close(seen[0, channel], torch.full_like(field, slope))


def test_slope_of_a_distance_has_length_one():
    seen = input_channels(balls(32, [0.5])[:, None], VoxelCriticConfig(gradients=True))
    lengths = seen[:, 1:].norm(dim=1)
    away = balls(32, [0.0]) > 0.4
    inner = (slice(None), *[slice(1, -1)] * 3)
    assert (lengths[inner][away[inner]] - 1).abs().max() < 0.02


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"features": (1, 2)}, r"got \(1, 2\)"),
        ({"width": 0.0}, "width and a scale above 0"),
        ({"scale": -1.0}, "width and a scale above 0"),
    ],
)
def test_refuses_a_config_that_cannot_be(wrong, expected):
    with pytest.raises(ValueError, match=expected):
        VoxelCriticConfig(**wrong)


def test_refuses_resolutions_that_cannot_be():
    with pytest.raises(ValueError, match="got 12"):
        made(12)


@pytest.mark.parametrize("shape", [(2, 8, 8, 8), (2, 1, 16, 16, 16), (16, 16, 16)])
def test_refuses_grids_that_do_not_fit(shape):
    with pytest.raises(ValueError, match=r"expected grids \(B, 16, 16, 16\)"):
        made(16)(torch.zeros(shape))


@pytest.mark.parametrize("resolution", [8, 16, 32])
def test_half_a_critic_sees_half_of_each_grid(resolution):
    config = VoxelCriticConfig(**SMALL, gradients=True)
    critic = VoxelCritic(config, resolution, half_grids=True)
    if resolution > 8:
        critic.set_fade(0.4)
    whole = grids(resolution)
    half = whole[:, resolution // 2 :].requires_grad_()
    scores = critic(half)
    assert scores.shape == (3,)
    (gradient,) = torch.autograd.grad(scores.sum(), half)
    assert (gradient != 0).all()
    assert critic.hidden.weight.shape[1] == VoxelCritic(config).hidden.weight.shape[1] // 2
    with pytest.raises(ValueError, match=rf"expected grids \(B, {resolution // 2}, {resolution}"):
        critic(whole)


def test_half_a_critic_grows_to_half_a_critic():
    critic = VoxelCritic(VoxelCriticConfig(**SMALL), 8, half_grids=True).grown(16)
    assert critic.half_grids
    assert critic.input_shape == (8, 16, 16)

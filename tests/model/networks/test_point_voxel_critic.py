import pytest
import torch
from torch import Tensor, nn

from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.point_voxel_critic import PointVoxelCritic
from shapegan.model.recipes.losses import zero_centred_penalty

SMALL = PointCriticConfig(features=(6, 5), head=(7,), grid=8, convolutions=(6, 4))


def made(half: bool = False, config: PointCriticConfig = SMALL) -> PointVoxelCritic:
    torch.manual_seed(0)
    return PointVoxelCritic(config, half)


def samples(
    shapes: int = 3, count: int = 60, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Points of the cube, and some beyond, of noisy spheres."""
    torch.manual_seed(1)
    points = torch.rand(shapes, count, 3, dtype=dtype) * 2.1 - 1.05
    return points, points.norm(dim=2) - 0.5 + 0.1 * torch.randn(shapes, count, dtype=dtype)


def plain_score(critic: PointVoxelCritic, points: Tensor, sdf: Tensor) -> Tensor:
    """Score of one shape, cell by cell: points (n, 3)."""
    size, first = critic.config.grid, critic.config.grid // 2 if critic.half_shapes else 0
    features: dict[tuple[int, ...], list[Tensor]] = {}
    for point, distance in zip(points, sdf, strict=True):
        cell = [int(((1 + value) * size / 2).floor()) for value in point]
        cell = [
            min(max(index, low), size - 1) for index, low in zip(cell, (first, 0, 0), strict=True)
        ]
        centre = torch.tensor([(2 * index + 1) / size - 1 for index in cell], dtype=point.dtype)
        hidden = torch.cat([(point - centre) * size, distance[None] / critic.config.scale])
        for layer in critic.layers[:-1]:
            hidden = nn.functional.leaky_relu(layer(hidden), 0.2)
        features.setdefault(tuple(cell), []).append(critic.layers[-1](hidden))
    grid = points.new_zeros(critic.config.features[-1] + 1, *critic.cells)
    for (x, y, z), those in features.items():
        filled = torch.cat([torch.stack(those).mean(dim=0), points.new_ones(1)])
        grid[:, x - first, y, z] = filled
    for block in critic.blocks:
        grid = nn.functional.leaky_relu(block(grid[None])[0], 0.2)
    hidden = grid.flatten()
    for layer in critic.head[:-1]:
        hidden = nn.functional.leaky_relu(layer(hidden), 0.2)
    return critic.head[-1](hidden)[0]


@pytest.mark.parametrize("half", [False, True])
def test_scores_and_their_derivatives_are_those_of_a_plain_loop(half: bool) -> None:
    critic = made(half).double()
    points, sdf = samples()
    if half:
        points = torch.cat([points[..., :1].abs(), points[..., 1:]], dim=-1)
    points.requires_grad_()
    sdf.requires_grad_()

    def found(net) -> list[Tensor]:
        scores = net(points, sdf)
        penalty = zero_centred_penalty(lambda x: net(points, x), sdf)
        loss = scores.square().sum() + 3 * penalty
        return [scores, penalty, *torch.autograd.grad(loss, [points, sdf, *critic.parameters()])]

    def plain(points: Tensor, sdf: Tensor) -> Tensor:
        return torch.stack([plain_score(critic, *one) for one in zip(points, sdf, strict=True)])

    for got, expected in zip(found(critic), found(plain), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


def test_masked_points_count_as_if_they_were_not_there() -> None:
    critic = made().double()
    points, sdf = samples()
    mask = torch.rand(sdf.shape) < 0.5
    mask[:, 0] = True
    scores = critic(torch.where(mask[..., None], points, 1e3), sdf, mask)
    for row in range(3):
        alone = critic(points[row, mask[row]][None], sdf[row, mask[row]][None])
        torch.testing.assert_close(scores[row : row + 1], alone)


def test_masked_points_get_no_gradient() -> None:
    critic = made().double()
    points, sdf = (each.requires_grad_() for each in samples())
    mask = torch.rand(sdf.shape) < 0.5
    critic(points, sdf, mask).sum().backward()
    assert not sdf.grad[~mask].any()
    assert not points.grad[~mask].any()
    assert sdf.grad[mask].any()


def test_order_of_points_does_not_matter() -> None:
    critic = made().double()
    points, sdf = samples()
    order = torch.randperm(60)
    torch.testing.assert_close(critic(points[:, order], sdf[:, order]), critic(points, sdf))


def test_a_cell_without_points_differs_from_one_with_a_point_of_zeros() -> None:
    critic = made().double()
    with torch.no_grad():
        for layer in critic.layers:
            layer.weight.zero_()
            layer.bias.zero_()
    points, sdf = samples(1, 10)
    assert critic(points, sdf) != critic(points[:, :1], sdf[:, :1])


def test_penalty_reaches_every_weight() -> None:
    critic = made()
    points, sdf = samples(dtype=torch.float32)
    zero_centred_penalty(lambda x: critic(points, x), sdf).backward()
    for layer in (*critic.layers, *critic.blocks, *critic.head):
        assert layer.weight.grad.abs().max() > 0


def test_autocast_gives_float32_near_the_exact_scores() -> None:
    critic = made()
    points, sdf = samples(dtype=torch.float32)
    exact = critic(points, sdf)
    with torch.autocast("cpu", torch.bfloat16):
        rough = critic(points, sdf)
        penalty = zero_centred_penalty(lambda x: critic(points, x), sdf)
        (rough.sum() + penalty).backward()
    assert rough.dtype == penalty.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.02
    assert all(parameter.grad.dtype == torch.float32 for parameter in critic.parameters())


def test_runs_where_its_inputs_are() -> None:
    """All tensors that the critic makes are on the device of its weights and inputs."""
    critic = made().to("meta")
    points, sdf = (each.to("meta") for each in samples(dtype=torch.float32))
    score = critic(points, sdf, torch.ones_like(sdf, dtype=torch.bool))
    assert score.device.type == "meta"


def test_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 5, 3\) and \(2, 6\)"):
        made()(torch.zeros(2, 5, 3), torch.zeros(2, 6))


@pytest.mark.parametrize(
    "wrong",
    [
        {"grid": 8},
        {"convolutions": (4,)},
        {"grid": 6, "convolutions": (4,)},
        {"grid": -8, "convolutions": (4,)},
        {"grid": 8, "convolutions": (0,)},
    ],
)
def test_refuses_a_grid_that_cannot_be(wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        PointCriticConfig(**wrong)

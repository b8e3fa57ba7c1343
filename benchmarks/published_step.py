"""The published training steps, written plainly: the reference of `train_step.py`.

Latents are repeated for every point and concatenated to it; the critic's step goes back through
the generator, whose gradients are then thrown away; grids are padded with zeros to the critic's
full input; the loss is copied to the CPU at every step. As published: WGAN-GP with weight 10, five
critic steps to one generator step, RMSprop at 1e-4.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shapegan.model.networks.generator import Generator
from shapegan.model.networks.point_critic import PointCritic
from shapegan.model.networks.voxel_critic import VoxelCritic

PENALTY_WEIGHT = 10.0
CRITIC_STEPS = 5
RATE = 1e-4
WIDTH, LATENT = 256, 128
FEATURES = {8: 128, 16: 64, 32: 32, 64: 1}
"""Resolution -> input features of the critic's block."""


class VoxelGenerator(nn.Module):
    """Rows (points and latent) -> distances: eight layers of 256, the row again at the fifth."""

    def __init__(self) -> None:
        super().__init__()
        self.first = _relu_layers(3 + LATENT, 4)
        self.second = nn.Sequential(
            *_relu_layers(WIDTH + LATENT + 3, 3), nn.Linear(WIDTH, 1), nn.Tanh()
        )

    def forward(self, points: Tensor, latents: Tensor) -> Tensor:
        """Points (B, N, 3), latents (B, Z) -> (B, N)."""
        repeated = latents[:, None].repeat(1, points.shape[1], 1)
        rows = torch.cat([points, repeated], dim=2).reshape(-1, 3 + LATENT)
        features = torch.cat([self.first(rows), rows], dim=1)
        return self.second(features).reshape(points.shape[:2])

    def load(self, generator: Generator) -> None:
        """Copy the weights of shapegan's network."""
        mine = [m for m in (*self.first, *self.second) if isinstance(m, nn.Linear)]
        for index, (layer, ours) in enumerate(zip(mine, generator.linears, strict=True)):
            parts = [ours.weight]
            if index == 0:
                parts += [generator.latent_first.weight]
            if index == 4:
                parts += [generator.points_again.weight, generator.latent_again.weight]
            _copy(layer, torch.cat(parts, dim=1), ours.bias)


class PointGenerator(nn.Module):
    """Eight layers of 256 with layer norm; maps of the latent are added in the first and fifth."""

    def __init__(self) -> None:
        super().__init__()
        inputs = [3, WIDTH, WIDTH, WIDTH, WIDTH + 3, WIDTH, WIDTH, WIDTH]
        self.lins = nn.ModuleList(nn.Linear(n, WIDTH if k < 7 else 1) for k, n in enumerate(inputs))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(7))
        self.latents = nn.ModuleList(nn.Linear(LATENT, WIDTH) for _ in range(2))

    def forward(self, points: Tensor, latents: Tensor) -> Tensor:
        """Points (B, N, 3), latents (B, Z) -> (B, N)."""
        features = points
        for index, layer in enumerate(self.lins):
            if index == 4:
                features = torch.cat([features, points], dim=2)
            features = layer(features)
            if index in (0, 4):
                features = self.latents[index // 4](latents)[:, None] + features
            if index < 7:
                features = torch.relu(self.norms[index](features))
        return features[..., 0]

    def load(self, generator: Generator) -> None:
        """Copy the weights of shapegan's network."""
        for index, (layer, ours) in enumerate(zip(self.lins, generator.linears, strict=True)):
            again = [generator.points_again.weight] if index == 4 else []
            _copy(layer, torch.cat([ours.weight, *again], dim=1), ours.bias)
        self.norms.load_state_dict(generator.norms.state_dict())
        for layer, ours in zip(
            self.latents, (generator.latent_first, generator.latent_again), strict=True
        ):
            _copy(layer, ours.weight, torch.zeros_like(layer.bias))


class PaddedCritic(nn.Module):
    """Grids -> scores: padded with zeros, halved by each block down to 4^3."""

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        blocks = []
        size = resolution
        while size >= 8:
            before = FEATURES[size]
            after = FEATURES.get(size // 2, WIDTH)
            blocks += [nn.Conv3d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            size //= 2
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(64 * WIDTH, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)
        )

    def forward(self, sdf: Tensor) -> Tensor:
        """(B, R, R, R) -> (B,)."""
        missing = FEATURES[self.resolution] - 1
        zeros = torch.zeros(len(sdf), missing, *sdf.shape[1:], device=sdf.device)
        return self.head(self.blocks(torch.cat([sdf[:, None], zeros], dim=1)))[:, 0]

    def load(self, critic: VoxelCritic) -> None:
        """Copy the weights of shapegan's network."""
        for block, size in zip(self.blocks[::2], reversed(critic.block_sizes), strict=True):
            block.load_state_dict(critic.blocks[str(size)].state_dict())
        self.head[1].load_state_dict(critic.hidden.state_dict())
        self.head[3].load_state_dict(critic.score.state_dict())


class PointNet(nn.Module):
    """Points with distances -> scores, all points with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(
            nn.Linear(4, 64),
            nn.ReLU(),
            nn.Linear(64, 128),
            nn.ReLU(),
            nn.Linear(128, 256),
            nn.ReLU(),
            nn.Linear(256, 512),
        )
        self.head = nn.Sequential(
            nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 1)
        )

    def forward(self, points: Tensor, sdf: Tensor) -> Tensor:
        """(B, N, 3), (B, N) -> (B,)."""
        features = self.each(torch.cat([points, sdf[..., None]], dim=2))
        return self.head(features.max(dim=1).values)[:, 0]

    def load(self, critic: PointCritic) -> None:
        """Copy the weights of shapegan's network."""
        for mine, ours in ((self.each, critic.layers), (self.head, critic.head)):
            for layer, its in zip(mine[::2], ours, strict=True):
                layer.load_state_dict(its.state_dict())


@dataclass(frozen=True)
class Batch:
    """Data of a step: real shapes and random numbers."""

    sdf: Tensor
    """Real distances, (B, N) or (B, R, R, R)."""
    points: Tensor
    """(B, N, 3), the positions of `sdf`."""
    latents: tuple[Tensor, Tensor]
    """(B, Z) for the critic's step and for the generator's."""
    mix: Tensor
    """(B,), the share of the real sample in the sample that is penalised."""


class PublishedStep:
    """Generator, critic, their optimisers, and the step of both.

    Args:
        generator: Shapegan's, whose weights are copied.
        critic: Shapegan's, likewise.
        autocast: Context of all but the penalty.
    """

    def __init__(
        self,
        generator: Generator,
        critic: VoxelCritic | PointCritic,
        autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self.generator = PointGenerator() if generator.config.norm else VoxelGenerator()
        self._autocast = autocast
        self._on_points = isinstance(critic, PointCritic)
        if isinstance(critic, VoxelCritic):
            self.critic: nn.Module = PaddedCritic(critic.resolution)
        else:
            self.critic = PointNet()
        with torch.no_grad():
            self.generator.load(generator)
            self.critic.load(critic)
        device = generator.latent_first.weight.device
        self.generator, self.critic = self.generator.to(device), self.critic.to(device)
        networks = (self.generator, self.critic)
        self._optimisers = [torch.optim.RMSprop(net.parameters(), RATE) for net in networks]

    def step(self, number: int, batch: Batch) -> float:
        """Do the critic's step and, at every fifth, the generator's; return the critic's loss."""
        loss = self._critic_step(batch)
        if (number + 1) % CRITIC_STEPS == 0:
            self._generator_step(batch)
        return loss

    def _critic_step(self, batch: Batch) -> float:
        with self._autocast():
            fake = self._fake(batch, 0)
            scores = self._score(fake, batch), self._score(batch.sdf, batch)
        penalty = self._penalty(fake.detach().float(), batch)
        loss = scores[0].float().mean() - scores[1].float().mean() + PENALTY_WEIGHT * penalty
        self._descend(1, loss)
        return loss.item()

    def _generator_step(self, batch: Batch) -> float:
        with self._autocast():
            loss = -self._score(self._fake(batch, 1), batch).float().mean()
        self._descend(0, loss)
        return loss.item()

    def _fake(self, batch: Batch, which: int) -> Tensor:
        return self.generator(batch.points, batch.latents[which]).reshape(batch.sdf.shape)

    def _score(self, sdf: Tensor, batch: Batch) -> Tensor:
        return self.critic(batch.points, sdf) if self._on_points else self.critic(sdf)

    def _penalty(self, fake: Tensor, batch: Batch) -> Tensor:
        share = batch.mix.reshape(-1, *[1] * (fake.dim() - 1))
        between = (share * batch.sdf + (1 - share) * fake).requires_grad_()
        scores = self._score(between, batch)
        ones = torch.ones_like(scores)
        (gradient,) = torch.autograd.grad(scores, between, ones, create_graph=True)
        return ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()

    def _descend(self, which: int, loss: Tensor) -> None:
        self._optimisers[which].zero_grad()
        loss.backward()
        self._optimisers[which].step()


def _relu_layers(inputs: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(count):
        layers += [nn.Linear(WIDTH if index else inputs, WIDTH), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _copy(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)

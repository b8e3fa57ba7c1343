"""Plain twins of the networks, to check them against: every latent repeated for every point."""

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


def voxel_generator(weights: Weights, points: Tensor, latents: Tensor) -> Tensor:
    """The published voxel generator: points (B, N, 3), latents (B, Z) -> (B, N)."""
    rows = repeated(points, latents)
    features = rows
    for half in (1, 2):
        if half == 2:
            features = torch.cat([features, rows], dim=1)
        for index in range(0, 8, 2):
            name = f"layers{half}.{index}"
            features = features @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
            last = (half, index) == (2, 6)
            features = features.tanh() if last else features.clamp_min(0)
    return features.reshape(len(latents), -1)


def point_generator(weights: Weights, points: Tensor, latents: Tensor) -> Tensor:
    """The published point generator: points (B, N, 3), latents (B, Z) -> (B, N)."""
    rows = repeated(points, latents)
    positions, codes = rows[:, :3], rows[:, 3:]
    features = positions
    for index in range(8):
        if index == 4:
            features = torch.cat([features, positions], dim=1)
        features = features @ weights[f"lins.{index}.weight"].T + weights[f"lins.{index}.bias"]
        if index in (0, 4):
            name = "z_lin1" if index == 0 else "z_lin2"
            features = features + codes @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        if index < 7:
            features = normalised(features)
            features = features * weights[f"norms.{index}.weight"] + weights[f"norms.{index}.bias"]
            features = features.clamp_min(0)
    return features.reshape(len(latents), -1)


def repeated(points: Tensor, latents: Tensor) -> Tensor:
    """A row for every point of every shape: (B * N, 3 + Z)."""
    codes = latents[:, None].expand(-1, points.shape[1], -1)
    return torch.cat([points, codes], dim=2).flatten(0, 1)


def normalised(features: Tensor) -> Tensor:
    """Each row less its mean, over its standard deviation (with 1e-5 in the variance)."""
    centred = features - features.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()


class PaddedCritic(nn.Module):
    """The published critic of voxels: grids padded with zero features to a block's full input."""

    def __init__(self, blocks: dict[int, nn.Conv3d], hidden: nn.Linear, score: nn.Linear) -> None:
        super().__init__()
        self.blocks, self.hidden, self.score = blocks, hidden, score

    def forward(self, sdf: Tensor, fade: float = 1.0) -> Tensor:
        size = sdf.shape[-1]
        features = self.entered(sdf)
        features = nn.functional.leaky_relu(self.blocks[size](features), 0.2)
        if fade < 1:
            features = fade * features + (1 - fade) * self.padded(coarser(sdf), size // 2)
        while (size := size // 2) >= 8:
            features = nn.functional.leaky_relu(self.blocks[size](features), 0.2)
        hidden = nn.functional.leaky_relu(self.hidden(features.flatten(1)), 0.2)
        return self.score(hidden)[:, 0]

    def entered(self, sdf: Tensor) -> Tensor:
        return self.padded(sdf, sdf.shape[-1])

    def padded(self, sdf: Tensor, size: int) -> Tensor:
        missing = self.blocks[size].in_channels - 1
        zeros = sdf.new_zeros(len(sdf), missing, size, size, size)
        return torch.cat([sdf[:, None], zeros], dim=1)


def coarser(sdf: Tensor) -> Tensor:
    """Grids (B, R, R, R) at the R / 2 points of linspace(-1, 1, R / 2) per axis, trilinear."""
    size = sdf.shape[-1]
    at = torch.linspace(0, size - 1, size // 2, dtype=torch.float64)
    low = at.floor().long().clamp_max(size - 2)
    share = (at - low).to(sdf.dtype)
    for axis in (1, 2, 3):
        shape = [1] * 4
        shape[axis] = -1
        weight = share.reshape(shape)
        below, above = sdf.index_select(axis, low), sdf.index_select(axis, low + 1)
        sdf = below * (1 - weight) + above * weight
    return sdf


def point_critic_score(critic: nn.Module, points: Tensor, sdf: Tensor) -> Tensor:
    """A PointNet's score, every point with gradients: points (B, N, 3), sdf (B, N) -> (B,)."""
    features = torch.cat([points, sdf[..., None]], dim=2)
    for layer in critic.layers[:-1]:
        features = layer(features).clamp_min(0)
    pooled = critic.layers[-1](features).max(dim=1).values
    for layer in critic.head[:-1]:
        pooled = layer(pooled).clamp_min(0)
    return critic.head[-1](pooled)[:, 0]


def plain_generator(generator: nn.Module, points: Tensor, latents: Tensor) -> Tensor:
    """Any `Generator`, from its weights joined to what concatenation wants: (B, N, 3) -> (B, N)."""
    config = generator.config
    encoded = torch.stack([encode(config.frequencies, row) for row in points.reshape(-1, 3)])
    rows = repeated(encoded.reshape(*points.shape[:2], -1), latents)
    features = rows
    for index, layer in enumerate(generator.layers):
        weight = layer.weight
        if index == 0:
            weight = torch.cat([weight, generator.latent_first.weight], dim=1)
        if index == config.depth // 2:
            features = torch.cat([features, rows], dim=1)
            again = [generator.points_again.weight, generator.latent_again.weight]
            weight = torch.cat([weight, *again], dim=1)
        features = features @ weight.T + layer.bias
        if index < config.depth - 1:
            if config.norm:
                norm = generator.norms[index]
                features = normalised(features) * norm.weight + norm.bias
            features = features.clamp_min(0)
    raw = features.tanh() if config.bounded else features
    return config.scale * raw.reshape(len(latents), -1)


def encode(frequencies: int, point: Tensor) -> Tensor:
    """(3,) -> (3 + 6 F,): by coordinate, the sines of all octaves and then the cosines."""
    numbers = [point]
    for coordinate in point:
        angles = [torch.pi * 2.0**octave * coordinate for octave in range(frequencies)]
        numbers += [
            torch.stack([f(angle) for angle in angles]) for f in (torch.sin, torch.cos) if angles
        ]
    return torch.cat(numbers)

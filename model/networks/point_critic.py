"""The point critic: a PointNet over (x, y, z, sdf).

Letters in shapes: B shapes, N points, K pooled features.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from shapegan.model.networks.activations import relu
from shapegan.model.networks.products import linear

_BLOCK_FEATURES = 2**19
"""Features that the CPU computes at once: 2 MiB of float32."""


@dataclass(frozen=True)
class PointCriticConfig:
    """Architecture of a point critic. The defaults are those of the published critic."""

    features: tuple[int, ...] = (64, 128, 256, 512)
    """Features of the layers applied to each point; the last K are pooled by their maximum, or
    averaged in each cell of the grid."""
    head: tuple[int, ...] = (256, 128)
    """Features of the hidden layers applied to the pooled features."""
    scale: float = 1.0
    """Divisor of the distances that come in."""
    grid: int = 0
    """Cells along each side of the grid of a `PointVoxelCritic`; 0: a PointNet."""
    convolutions: tuple[int, ...] = ()
    """Features of the convolutions that halve the grid, fine to coarse."""

    def __post_init__(self) -> None:
        if len(self.features) < 2 or min(*self.features, *self.head) < 1 or self.scale <= 0:
            raise ValueError(
                "expected two or more layers of features, all of at least 1, and a scale above 0,"
                f" got {self.features}, {self.head} and {self.scale}"
            )
        coarsest = 2 ** (len(self.convolutions) + 1)
        if (self.grid > 0) != bool(self.convolutions) or self.grid < 0 or self.grid % coarsest:
            raise ValueError(
                "expected a grid of 0 without convolutions, or a multiple of 2^(convolutions + 1)"
                f" with them, got {self.grid} and {len(self.convolutions)} convolutions"
            )
        if min(self.convolutions, default=1) < 1:
            raise ValueError(f"expected convolutions of at least 1, got {self.convolutions}")


class PointCritic(nn.Module):
    """Scores of point samples of SDFs, high for real shapes (PointNet, Qi et al. 2017).

    A score depends only on the at most K points that hold the maxima: the critical points (Qi et
    al. 2017, section 4.3). So all points pass without gradients first, then the critical ones with
    gradients: the same scores and derivatives of any order, at a fraction of the cost.
    """

    config: PointCriticConfig

    def __init__(self, config: PointCriticConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = linear_layers((4, *config.features))
        self.head = linear_layers((config.features[-1], *config.head, 1))

    def forward(self, points: Tensor, sdf: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score shapes.

        Args:
            points: (B, N, 3), in the sphere frame.
            sdf: (B, N), in its units.
            mask: (B, N) bool, which points count; None: all. Each shape needs at least one.

        Returns:
            (B,), float32 also under autocast.
        """
        check_points(points, sdf)
        chosen = self.critical_indices(points, sdf, mask)
        pooled = self._features_of(gather_points(points, chosen), sdf.gather(1, chosen))
        for layer in self.head[:-1]:
            pooled = relu(layer(pooled))
        score: Tensor = self.head[-1](pooled).select(1, 0).to(sdf.dtype)
        return score

    @torch.no_grad()
    def critical_indices(self, points: Tensor, sdf: Tensor, mask: Tensor | None = None) -> Tensor:
        """Index of the point that holds the maximum of each pooled feature: (B, K) int64, below N.

        These points alone have the same score as all points, so the generator's step needs
        gradients at no others.
        """
        if points.device.type != "cpu" or torch.compiler.is_compiling():
            return self._pooled(points, sdf, mask).argmax(1)
        # On the CPU, blocks of points that fit in the cache. An argmax takes as long as all layers
        # there and a maximum nothing, so argmax is computed only where a block has a new maximum.
        shapes, count = sdf.shape
        block = max(1, _BLOCK_FEATURES // (self.config.features[-1] * shapes))
        best = points.new_full((shapes, self.config.features[-1]), -torch.inf)
        chosen = torch.zeros_like(best, dtype=torch.int64)
        for start in range(0, count, block):
            part = slice(start, start + block)
            pooled = self._pooled(
                points[:, part], sdf[:, part], None if mask is None else mask[:, part]
            )
            top = pooled.amax(1)
            which = torch.nonzero(top > best, as_tuple=True)
            chosen[which] = start + pooled.transpose(1, 2)[which].argmax(1)
            best = torch.maximum(best, top)
        return chosen

    def _pooled(self, points: Tensor, sdf: Tensor, mask: Tensor | None) -> Tensor:
        """Features of each point before pooling: (B, N, K), -inf where the mask is false."""
        features = _applied(self.layers[-1], self._hidden(points, sdf))
        if mask is None:
            return features
        return features.masked_fill(~mask[..., None], -torch.inf)

    def _hidden(self, points: Tensor, sdf: Tensor) -> Tensor:
        """Features of each point before the last layer: (B, n, 3), (B, n) -> (B, n, K')."""
        features = torch.cat([points, sdf[..., None] / self.config.scale], dim=-1)
        for layer in self.layers[:-1]:
            features = relu(_applied(layer, features))
        return features

    def _features_of(self, points: Tensor, sdf: Tensor) -> Tensor:
        """Feature k of the k-th point: (B, K, 3), (B, K) -> (B, K)."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        hidden = self._hidden(points, sdf)
        return torch.einsum("bkj,kj->bk", hidden, last.weight.to(hidden.dtype)) + last.bias


def _applied(layer: nn.Module, features: Tensor) -> Tensor:
    assert isinstance(layer, nn.Linear)
    return linear(features, layer.weight, layer.bias)


def gather_points(points: Tensor, indices: Tensor) -> Tensor:
    """Gather points (B, N, 3) by their indices (B, K): (B, K, 3)."""
    return points.gather(1, indices[..., None].expand(-1, -1, 3))


def check_points(points: Tensor, sdf: Tensor) -> None:
    """Check that points are (B, N, 3) and their distances (B, N).

    Raises:
        ValueError: one of them has another shape.
    """
    if points.shape != (*sdf.shape, 3) or sdf.dim() != 2:
        raise ValueError(
            f"expected points (B, N, 3) and sdf (B, N), got {tuple(points.shape)} and"
            f" {tuple(sdf.shape)}"
        )


def linear_layers(sizes: tuple[int, ...]) -> nn.ModuleList:
    """Linear layers from each number of features to the next."""
    return nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))

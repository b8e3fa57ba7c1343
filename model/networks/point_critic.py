"""The critic of points: a PointNet over (x, y, z, sdf).

Letters in shapes: B shapes, N points, K pooled features.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

_BLOCK_FEATURES = 2**19
"""Features that the CPU computes at once: 2 MiB of float32."""


@dataclass(frozen=True)
class PointCriticConfig:
    """What a critic of points is made of. The defaults are the published critic's."""

    features: tuple[int, ...] = (64, 128, 256, 512)
    """Of the layers that see each point alone; the last one's, K, are pooled by their maximum."""
    head: tuple[int, ...] = (256, 128)
    """Of the hidden layers that see the pooled features."""
    scale: float = 1.0
    """Distances are divided by it on the way in."""

    def __post_init__(self) -> None:
        if len(self.features) < 2 or min(*self.features, *self.head) < 1 or self.scale <= 0:
            raise ValueError(
                "expected two or more layers of features, all of at least 1, and a scale above 0,"
                f" got {self.features}, {self.head} and {self.scale}"
            )


class PointCritic(nn.Module):
    """Scores point samples of SDFs: high where it takes a shape for real (Qi et al. 2017).

    A score depends on the K points alone that hold the maxima. So all points are looked at without
    gradients first, and only the deciding ones with them: the same scores and derivatives of any
    order, at a fraction of the cost.
    """

    config: PointCriticConfig

    def __init__(self, config: PointCriticConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = _linear_layers((4, *config.features))
        self.head = _linear_layers((config.features[-1], *config.head, 1))

    def forward(self, points: Tensor, sdf: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores of shapes.

        Args:
            points: (B, N, 3), in the sphere frame.
            sdf: (B, N), in its units.
            mask: (B, N) bool, which points count; without it all. Each shape needs one that does.

        Returns:
            (B,), float32 also under autocast.
        """
        if points.shape != (*sdf.shape, 3) or sdf.dim() != 2:
            raise ValueError(
                f"expected points (B, N, 3) and sdf (B, N), got {tuple(points.shape)} and"
                f" {tuple(sdf.shape)}"
            )
        chosen = self.deciding(points, sdf, mask)
        pooled = self._features_of(gather_points(points, chosen), sdf.gather(1, chosen))
        for layer in self.head[:-1]:
            pooled = F.relu(layer(pooled))
        score: Tensor = self.head[-1](pooled).select(1, 0).to(sdf.dtype)
        return score

    @torch.no_grad()
    def deciding(self, points: Tensor, sdf: Tensor, mask: Tensor | None = None) -> Tensor:
        """Which point holds the maximum of each pooled feature: (B, K) int64, below N.

        The critic's score of these points alone is its score of all: the generator's step needs
        gradients at no others.
        """
        if points.device.type != "cpu" or torch.compiler.is_compiling():
            return self._pooled(points, sdf, mask).argmax(1)
        # On the CPU as many points at a time as the cache holds; and an argmax takes it as long as
        # all the layers, a maximum nothing: so it is asked only where a block has a new maximum.
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
        """The features to be pooled of each point: (B, N, K), -inf where it doesn't count."""
        features: Tensor = self.layers[-1](self._hidden(points, sdf))
        if mask is None:
            return features
        return features.masked_fill(~mask[..., None], -torch.inf)

    def _hidden(self, points: Tensor, sdf: Tensor) -> Tensor:
        """Features of each point before the last layer: (B, n, 3), (B, n) -> (B, n, K')."""
        features = torch.cat([points, sdf[..., None] / self.config.scale], dim=-1)
        for layer in self.layers[:-1]:
            features = F.relu(layer(features))
        return features

    def _features_of(self, points: Tensor, sdf: Tensor) -> Tensor:
        """Feature k of the k-th point, for all K: (B, K, 3), (B, K) -> (B, K)."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        hidden = self._hidden(points, sdf)
        return torch.einsum("bkj,kj->bk", hidden, last.weight.to(hidden.dtype)) + last.bias


def gather_points(points: Tensor, chosen: Tensor) -> Tensor:
    """Points (B, N, 3) by number (B, K): (B, K, 3)."""
    return points.gather(1, chosen[..., None].expand(-1, -1, 3))


def _linear_layers(sizes: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))

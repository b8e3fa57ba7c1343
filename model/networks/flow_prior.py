"""Prior of the recipe `latent`: normal noise -> a code, along a learned flow.

Rectified flow (Liu et al. 2023) or flow matching with straight paths (Lipman et al. 2023): a
network learns the velocity x1 - x0 at (1 - t) x0 + t x1, where x0 is noise and x1 a code. A sample
follows that velocity from t = 0 to 1.

Letters in shapes: B shapes, Z code, K categories.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from shapegan.model.networks.heun import follow, shortened, undo

_WAVES = 8
"""Frequencies of the encoding of times."""


class FlowPrior(nn.Module):
    """Velocity of codes, and codes of noise.

    Args:
        code: Z.
        categories: K; 0: no condition.
        width: Features of each hidden layer.
        depth: Hidden layers.
        steps: Steps of Heun's method from noise to a code.
    """

    longest: Tensor
    """Scalar: length of the longest code that `sample` gives; infinite until the recipe sets it."""

    def __init__(self, code: int, categories: int, width: int, depth: int, steps: int) -> None:
        super().__init__()
        self._steps = steps
        self.register_buffer("longest", torch.tensor(math.inf))
        self.enter = nn.Linear(code + 2 * _WAVES, width)
        self.category = nn.Linear(categories, width, bias=False) if categories else None
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.leave = nn.Linear(width, code)
        # At first a sample is the noise itself.
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, codes: Tensor, times: Tensor, categories: Tensor) -> Tensor:
        """Velocity of codes (B, Z) at times (B, 1), given weights of categories (B, K): (B, Z)."""
        angles = times * (math.pi * torch.arange(_WAVES, device=times.device))
        features = self.enter(torch.cat([codes, angles.sin(), angles.cos()], dim=1))
        if self.category is not None:
            features = features + self.category(categories)
        for layer in self.hidden:
            features = features + F.silu(layer(F.silu(features)))
        velocity: Tensor = self.leave(F.silu(features))
        return velocity

    def sample(self, noise: Tensor, categories: Tensor) -> Tensor:
        """Codes (B, Z) of noise (B, Z), given weights of categories (B, K).

        No velocity x1 - x0 is longer than x0 and the longest code together. Without this bound,
        noise unlike any in training can meet a velocity that grows from step to step, to infinity.
        """
        fastest = self.longest + noise.norm(dim=1, keepdim=True)

        def bounded(codes: Tensor, time: float) -> Tensor:
            return shortened(self._velocity(codes, time, categories), fastest)

        return shortened(follow(bounded, noise, self._steps), self.longest)

    def invert(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Noise (B, Z) whose sample is some codes (B, Z), given weights of categories (B, K)."""
        return undo(lambda at, time: self._velocity(at, time, categories), codes, self._steps)

    def _velocity(self, codes: Tensor, time: float, categories: Tensor) -> Tensor:
        velocity: Tensor = self(codes, torch.full_like(codes[:, :1], time), categories)
        return velocity

    def loss(self, codes: Tensor, noise: Tensor, times: Tensor, categories: Tensor) -> Tensor:
        """Mean squared error of the velocity (Lipman et al. 2023, equation 23 with sigma = 0).

        Args:
            codes: (B, Z), of training shapes.
            noise: (B, Z), normal.
            times: (B, 1), in (0, 1).
            categories: (B, K).
        """
        between = noise + times * (codes - noise)
        velocity: Tensor = self(between, times, categories)
        error = velocity - (codes - noise)
        return torch.mean(error.square())

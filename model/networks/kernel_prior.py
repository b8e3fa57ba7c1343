"""Prior of a GAN whose generator reconstructs training shapes: normal noise -> a code.

Codes are drawn from a kernel density estimate: the code of a training shape, plus normal noise.
What lies far from all codes is not drawn, since no training shape is like it. A sample follows the
probability flow from normal noise to that density (Lipman et al. 2023, theorem 1), whose velocity
has a closed form. So latents stay standard normal, and a path between two of them passes through
codes that can be drawn.

Letters in shapes: B shapes, S training shapes, Z code.
"""

import torch
from torch import Tensor, nn

_STEPS = 32
"""Steps of Heun's method from noise to a code."""


class KernelPrior(nn.Module):
    """Kernel density estimate of S codes.

    Args:
        shapes: S.
        code: Z.
        spread: Standard deviation of the noise that is added to a code.
    """

    centres: Tensor
    """(S, Z), codes of the training shapes; 0 until they are found."""

    def __init__(self, shapes: int, code: int, spread: float) -> None:
        super().__init__()
        self._spread = spread
        self.register_buffer("centres", torch.zeros(shapes, code))

    def draw(self, noise: Tensor, choices: Tensor) -> Tensor:
        """Draw codes directly, faster than by the flow: (B, Z).

        Args:
            noise: (B, Z), standard normal.
            choices: (B,), uniform in [0, 1): each chooses a training shape.
        """
        chosen = (choices * len(self.centres)).long().clamp(max=len(self.centres) - 1)
        return self.centres[chosen] + self._spread * noise

    def velocity(self, codes: Tensor, time: float) -> Tensor:
        """Mean of x1 - x0 over all x0 and x1 with (1 - t) x0 + t x1 = codes: (B, Z).

        x0 is standard normal, and x1 is a code that `draw` gives. Given its centre c, the sum is
        normal as well, with mean t c and variance (1 - t)^2 + (t spread)^2.

        Args:
            codes: (B, Z).
            time: t.
        """
        own, noise = (time * self._spread) ** 2, (1 - time) ** 2
        variance = own + noise
        distances = (codes[:, None] - time * self.centres).square().sum(dim=2)
        weights = torch.softmax(-distances / (2 * variance), dim=1)
        centre = weights @ self.centres
        # E[x1] = c + (t spread^2 / variance)(x - t c), and E[x0] = ((1 - t) / variance)(x - t c)
        gain = (time * self._spread**2 - (1 - time)) / variance
        return centre + gain * (codes - time * centre)

    def sample(self, noise: Tensor) -> Tensor:
        """Codes (B, Z) of standard normal noise (B, Z)."""
        codes = noise
        for step in range(_STEPS):
            codes = codes + self._change(codes, step)
        return codes

    def _change(self, codes: Tensor, step: int) -> Tensor:
        """A step of Heun's method: (B, Z)."""
        size = 1 / _STEPS
        first = self.velocity(codes, step * size)
        second = self.velocity(codes + size * first, (step + 1) * size)
        return size / 2 * (first + second)

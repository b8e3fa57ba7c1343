"""Prior that draws codes near those of training shapes: normal noise -> a code.

Codes are drawn from a kernel density estimate: the code of a training shape, plus normal noise.
What lies far from all codes is not drawn, since no training shape is like it. A sample follows the
probability flow from normal noise to that density (Lipman et al. 2023, theorem 1), whose velocity
has a closed form. So latents stay standard normal, and a path between two of them passes through
codes that can be drawn.

Letters in shapes: B shapes, S training shapes and their stretched copies, Z code, K categories.
"""

import torch
from torch import Tensor, nn

from shapegan.model.networks.heun import follow, undo

_STEPS = 64
"""Steps of Heun's method from noise to a code."""
_LEAST_WEIGHT = 1e-30
"""Weight of a category at least, so that its logarithm is finite."""


class KernelPrior(nn.Module):
    """Kernel density estimate of S codes.

    Args:
        shapes: S.
        code: Z.
        spread: Standard deviation of the noise that is added to a code.
        categories: K; 0: no condition.
    """

    centres: Tensor
    """(S, Z), codes of the training shapes; 0 until they are found."""
    numbers: Tensor
    """(S,) int64, number of the category of each centre, if there are categories."""

    def __init__(self, shapes: int, code: int, spread: float, categories: int = 0) -> None:
        super().__init__()
        self._spread, self._categories = spread, categories
        self.register_buffer("centres", torch.zeros(shapes, code))
        if categories:
            self.register_buffer("numbers", torch.zeros(shapes, dtype=torch.int64))

    def draw(self, noise: Tensor, choices: Tensor) -> Tensor:
        """Draw codes of any category directly, faster than by the flow: (B, Z).

        Args:
            noise: (B, Z), standard normal.
            choices: (B,), uniform in [0, 1): each chooses a training shape.
        """
        chosen = (choices * len(self.centres)).long().clamp(max=len(self.centres) - 1)
        return self.centres[chosen] + self._spread * noise

    def velocity(self, codes: Tensor, time: float, chances: Tensor | None = None) -> Tensor:
        """Mean of x1 - x0 over all x0 and x1 with (1 - t) x0 + t x1 = codes: (B, Z).

        x0 is standard normal, and x1 is a code that `draw` gives. Given its centre c, the sum is
        normal as well, with mean t c and variance (1 - t)^2 + (t spread)^2.

        Args:
            codes: (B, Z).
            time: t.
            chances: (B, S), logarithms of the chances of the centres, up to a constant; None: all
                are equal.
        """
        centres = self.centres.to(codes.dtype)
        own, noise = (time * self._spread) ** 2, (1 - time) ** 2
        variance = own + noise
        # -|codes - t c|^2 / 2, without |codes|^2, which is the same for all centres
        scores = time * codes @ centres.T - time**2 / 2 * centres.square().sum(dim=1)
        scores = scores / variance
        weights = torch.softmax(scores if chances is None else scores + chances, dim=1)
        centre = weights @ centres
        # E[x1] = c + (t spread^2 / variance)(x - t c), and E[x0] = ((1 - t) / variance)(x - t c)
        gain = (time * self._spread**2 - (1 - time)) / variance
        return centre + gain * (codes - time * centre)

    def sample(self, noise: Tensor, categories: Tensor | None = None) -> Tensor:
        """Codes (B, Z) of standard normal noise (B, Z).

        Args:
            noise: (B, Z).
            categories: Weights of categories (B, K) that sum to 1; None: as often as in training.
        """
        chances = self._chances(categories)
        # In double precision: scores are hundreds of times a code's own rounding.
        codes = follow(lambda at, time: self.velocity(at, time, chances), noise.double(), _STEPS)
        return codes.to(noise.dtype)

    def invert(self, codes: Tensor, categories: Tensor | None = None) -> Tensor:
        """Noise (B, Z) whose sample is some codes (B, Z), given weights of categories (B, K)."""
        chances = self._chances(categories)
        noise = undo(lambda at, time: self.velocity(at, time, chances), codes.double(), _STEPS)
        return noise.to(codes.dtype)

    def _chances(self, categories: Tensor | None) -> Tensor | None:
        """Logarithms (B, S) of the chances of the centres, given weights of categories (B, K)."""
        if categories is None or not self._categories:
            return None
        counts = self.numbers.bincount(minlength=self._categories).clamp(min=1)
        each = categories.double() / counts
        return each.clamp(min=_LEAST_WEIGHT).log()[:, self.numbers]

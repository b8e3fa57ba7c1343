"""The generator of the recipe `latent`: noise -> code -> signed distances.

It has the interface of the DeepSDF `Generator`, so code for one works with the other.
Its latents are standard normal: `code` numbers of noise, from which the prior makes a code, then a
number for each category, from which the weights of the categories follow.

Letters in shapes: B shapes, N points, Z latent, K categories.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shapegan.model.networks.flow_prior import FlowPrior
from shapegan.model.networks.generator import Frame, Symmetry
from shapegan.model.networks.generator_inputs import check_inputs
from shapegan.model.networks.grid_decoder import GridDecoder
from shapegan.model.networks.kernel_prior import KernelPrior

_TEMPERATURE = 0.1
"""Temperature of the softmax over categories: one of them nearly always has all the weight."""
_CHOSEN = 5.0
"""The latent's number of a chosen category; the others have its negative. Normal numbers are hardly
ever as large."""


@dataclass(frozen=True)
class LatentGeneratorConfig:
    """Architecture of the generator of recipe `latent`."""

    code: int = 32
    """Length of a code, which the encoder gives and the decoder takes."""
    channels: int = 16
    """Features of each point of the decoder's finest grid, of 32^3 points."""
    hidden: int = 256
    """Width of the layer between the code and the decoder's coarsest grid."""
    prior_width: int = 256
    """Features of each hidden layer of the prior."""
    prior_depth: int = 3
    """Hidden layers of the prior."""
    prior_steps: int = 16
    """Steps from noise to a code."""
    prior_spread: float = 0.0
    """Standard deviation of the noise around the training shapes' codes, whose own is 1, in the
    codes that a kernel density gives (`kernel_prior`); 0: the prior is a flow that is trained."""
    prior_shapes: int | None = None
    """Training shapes whose codes the kernel density keeps. None: as many as the dataset has, when
    a run starts; a generator does not take it."""
    prior_stretches: int = 15
    """Codes of stretched copies that the kernel density keeps for each of these shapes."""
    symmetry: Symmetry = "none"
    """Symmetry of the shapes, see `GeneratorConfig.symmetry`."""
    categories: tuple[str, ...] | None = None
    """Categories that can be chosen, by their names in the dataset. None: those of the training
    shapes, if there are several, when a run starts; a generator does not take it."""

    def __post_init__(self) -> None:
        if self.categories is not None:
            object.__setattr__(self, "categories", tuple(self.categories))
        sizes = (self.code, self.channels, self.hidden, self.prior_width, self.prior_depth)
        if min(*sizes, self.prior_steps) < 1:
            raise ValueError(
                "expected code, channels, hidden, prior_width, prior_depth and prior_steps of at"
                f" least 1, got {(*sizes, self.prior_steps)}"
            )
        shapes = 1 if self.prior_shapes is None else self.prior_shapes
        if min(self.prior_spread, self.prior_stretches) < 0 or shapes < 1:
            raise ValueError(
                "expected prior_spread and prior_stretches of at least 0, and prior_shapes of at"
                f" least 1 or none, got {self.prior_spread}, {self.prior_stretches} and"
                f" {self.prior_shapes}"
            )

    @property
    def latent(self) -> int:
        """Length of a latent, Z."""
        return self.code + len(self.categories or ())

    @property
    def frame(self) -> Frame:
        """Frame of points and distances."""
        return "cube"


class LatentGenerator(nn.Module):
    """Signed distances of B shapes at N points, cube frame."""

    shares: Tensor
    """(K,), share of each category among the training shapes."""

    def __init__(self, config: LatentGeneratorConfig) -> None:
        super().__init__()
        if config.symmetry == "auto" or config.categories is None:
            raise ValueError(
                "expected symmetry x or none, and categories, got"
                f" {config.symmetry} and {config.categories}: see training.data_settings"
            )
        self.config = config
        count = len(config.categories)
        self.prior = _prior(config, count)
        mirrored = config.symmetry == "x"
        self.decoder = GridDecoder(config.code, config.channels, config.hidden, mirrored)
        self.register_buffer("shares", torch.full((count,), 1 / max(1, count)))

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.shares.device

    def forward(self, points: Tensor, latents: Tensor, chunk: int | None = None) -> Tensor:
        """Signed distances of all shapes at their points; see `Generator.forward`.

        Args:
            points: (N, 3) shared by all shapes, or (B, N, 3).
            latents: (B, Z).
            chunk: Rows (points times shapes) to evaluate at once; None: all.

        Returns:
            (B, N), in units of the frame; float32 also under autocast.

        Raises:
            ValueError: a tensor has the wrong shape.
        """
        check_inputs(points, latents, self.config.latent, chunk)
        return self.decode(points, self.codes(latents), chunk)

    def decode(self, points: Tensor, codes: Tensor, chunk: int | None = None) -> Tensor:
        """Signed distances (B, N) of codes (B, code); all else as in `forward`."""
        distances: Tensor = self.decoder(points, codes, chunk)
        return distances

    def codes(self, latents: Tensor) -> Tensor:
        """Codes (B, code) of latents (B, Z), by the prior."""
        latents = latents.to(self.decoder.code_to_hidden.weight.dtype)
        noise, labels = latents[:, : self.config.code], latents[:, self.config.code :]
        with torch.autocast(latents.device.type, enabled=False):
            return self.prior.sample(noise, self.category_weights(labels))

    def latents_of(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Latents (B, Z) of codes (B, code): the inverse of `codes`, by `heun.undo`.

        Args:
            codes: Such as an encoder gives.
            labels: (B, K), the numbers of the latents that choose categories.
        """
        noise = self.prior.invert(codes, self.category_weights(labels))
        return torch.cat([noise, labels], dim=1)

    def category_weights(self, labels: Tensor) -> Tensor:
        """Weights of categories (B, K) that sum to 1, of standard normal numbers (B, K).

        The Gumbel-max trick with a softmax (Jang et al. 2017, equation 2): categories come out as
        often as `shares` has them, and latents between two categories blend them.
        """
        uniform = torch.special.ndtr(labels.double()).clamp(1e-12, 1 - 1e-12)
        gumbel = -(-uniform.log()).log()
        scores = (gumbel + self.shares.double().clamp(min=1e-12).log()) / _TEMPERATURE
        return torch.softmax(scores, dim=1).to(labels.dtype)

    def chosen_labels(self, category: str) -> Tensor:
        """The numbers (K,) of a latent that choose a category.

        Raises:
            ValueError: there is no such category.
        """
        assert self.config.categories is not None
        if category not in self.config.categories:
            raise ValueError(f"expected a category out of {self.config.categories}, got {category}")
        chosen = torch.full_like(self.shares, -_CHOSEN)
        chosen[self.config.categories.index(category)] = _CHOSEN
        return chosen

    def latent_weights(self) -> Tensor:
        """Weights (hidden, Z) through which a small change of the mean latent enters the decoder.

        The Jacobian of the prior, multiplied by the decoder's first layer.
        """

        def entered(latent: Tensor) -> Tensor:
            codes: Tensor = self.decoder.code_to_hidden(self.codes(latent[None]))
            return codes[0]

        mean = torch.zeros(self.config.latent, device=self.device)
        with torch.enable_grad():
            jacobian = torch.func.jacrev(entered)(mean)
        assert isinstance(jacobian, Tensor)
        return jacobian


def _prior(config: LatentGeneratorConfig, categories: int) -> FlowPrior | KernelPrior:
    if not config.prior_spread:
        return FlowPrior(
            config.code, categories, config.prior_width, config.prior_depth, config.prior_steps
        )
    if config.prior_shapes is None:
        raise ValueError("expected prior_shapes, got None: see training.data_settings")
    centres = config.prior_shapes * (1 + config.prior_stretches)
    return KernelPrior(centres, config.code, config.prior_spread, categories)

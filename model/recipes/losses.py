"""What critic, generator and autodecoder are trained to make small: pure functions of tensors.

Scores are a critic's: (B,), high where it takes a shape for real. All are float32.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

LOSSES = ("wasserstein", "logistic", "relativistic")
"""Arjovsky et al. 2017; Goodfellow et al. 2014, non-saturating; of paired differences,
Jolicoeur-Martineau 2019 and Huang et al. 2024 (R3GAN, equation 2)."""

Critic = Callable[[Tensor], Tensor]
"""Samples (B, ...) -> scores (B,)."""


def critic_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """The critic's loss, a scalar, from its scores (B,) of real and generated shapes.

    Raises:
        ValueError: for a kind that is not in `LOSSES`.
    """
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    if kind == "logistic":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean()
    raise _no_such(kind)


def generator_loss(kind: str, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """The generator's loss, a scalar, from the critic's scores (B,).

    Raises:
        ValueError: for a relativistic loss without scores of real shapes, or a kind that is not in
            `LOSSES`.
    """
    if kind == "wasserstein":
        return -fake.mean()
    if kind == "logistic":
        return F.softplus(-fake).mean()
    if kind == "relativistic":
        if real is None:
            raise ValueError("expected scores of real shapes beside the fake: the loss is relative")
        return F.softplus(real - fake).mean()
    raise _no_such(kind)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E (|d score / d sample| - 1)^2 between real and fake (Gulrajani et al. 2017, WGAN-GP).

    Unweighted, and with its graph: it can be added to a loss and reaches the critic's weights. The
    critic must not be compiled: torch.compile has no double backward.

    Args:
        critic: Samples (B, ...) to scores (B,).
        real: (B, ...).
        fake: (B, ...), the same shape; nothing flows back into it.
        mix: (B,) in [0, 1], the share of the real sample.
    """
    share = mix.reshape(-1, *[1] * (real.dim() - 1))
    between = share * real.detach() + (1 - share) * fake.detach()
    return (_slopes(critic, between).sqrt() - 1).square().mean()


def zero_centred_penalty(critic: Critic, samples: Tensor) -> Tensor:
    """E |d score / d sample|^2, a scalar: R1 on real samples, R2 on fake (Mescheder et al. 2018).

    Unweighted; the papers' weight is gamma / 2. As for `gradient_penalty`, the graph is kept.
    """
    return _slopes(critic, samples.detach()).mean()


def _slopes(critic: Critic, samples: Tensor) -> Tensor:
    """Squared length of the score's gradient at each sample: (B,)."""
    samples = samples.requires_grad_()
    (gradient,) = torch.autograd.grad(critic(samples).sum(), samples, create_graph=True)
    # The length of a gradient of 0 has no derivative; this is beneath any length that counts.
    return gradient.flatten(1).square().sum(1).clamp_min(1e-24)


def _no_such(kind: str) -> ValueError:
    return ValueError(f"expected a loss out of {', '.join(LOSSES)}, got {kind!r}")


def autodecoder_loss(
    predicted: Tensor, sdf: Tensor, latents: Tensor, clip: float, weight: float
) -> Tensor:
    """Mean |clip(predicted) - clip(sdf)| + weight E |latent|^2 (Park et al. 2019, equation 9).

    Args:
        predicted: (B, N) signed distances.
        sdf: (B, N) true ones, in the same units.
        latents: (B, Z).
        clip: Beyond this distance errors don't count.
        weight: Of the latents' squared lengths; 1e-4 in the paper's code.
    """
    error = predicted.clamp(-clip, clip) - sdf.clamp(-clip, clip)
    return error.abs().mean() + weight * latents.square().sum(1).mean()

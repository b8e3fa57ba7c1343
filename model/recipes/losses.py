"""Losses and penalties of critic, generator and autodecoder: pure functions of float32 tensors.

Scores (B,) are those of a critic, high for shapes that it takes for real.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

LOSSES = ("wasserstein", "logistic", "relativistic")
"""`wasserstein`: Arjovsky et al. 2017. `logistic`: non-saturating, Goodfellow et al.
2014, section 3. `relativistic`: of paired differences, Jolicoeur-Martineau 2019 and Huang et al.
2024 (R3GAN, equation 2)."""

Critic = Callable[[Tensor], Tensor]
"""Samples (B, ...) -> scores (B,)."""


def critic_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """The critic's loss, a scalar, from its scores (B,) of real and generated shapes.

    Raises:
        ValueError: the kind is not in `LOSSES`.
    """
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    if kind == "logistic":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean()
    raise _unknown_loss(kind)


def generator_loss(kind: str, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """The generator's loss, a scalar, from the critic's scores (B,).

    Raises:
        ValueError: the kind is not in `LOSSES`, or `relativistic` without scores of real shapes.
    """
    if kind == "wasserstein":
        return -fake.mean()
    if kind == "logistic":
        return F.softplus(-fake).mean()
    if kind == "relativistic":
        if real is None:
            raise ValueError("relativistic loss: expected scores of real shapes as well")
        return F.softplus(real - fake).mean()
    raise _unknown_loss(kind)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E (|d score / d sample| - 1)^2 between real and fake (WGAN-GP, Gulrajani 2017, equation 3).

    Unweighted, with its graph: gradients of the penalty reach the critic's weights. The critic must
    not be compiled, because torch.compile has no double backward.

    Args:
        critic: Samples (B, ...) to scores (B,).
        real: (B, ...).
        fake: (B, ...), the same shape; it receives no gradients.
        mix: (B,) in [0, 1], the share of the real sample.
    """
    share = mix.reshape(-1, *[1] * (real.dim() - 1))
    between = share * real.detach() + (1 - share) * fake.detach()
    return (_scores_and_squared_gradients(critic, between)[1].sqrt() - 1).square().mean()


def zero_centred_penalty(critic: Critic, samples: Tensor) -> Tensor:
    """E |d score / d sample|^2, a scalar: R1 on real samples, R2 on fake ones.

    Mescheder et al. 2018, equations 9 and 10, without their weight gamma / 2. The graph is kept, as
    in `gradient_penalty`.
    """
    return scores_and_penalty(critic, samples)[1]


def scores_and_penalty(critic: Critic, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B,) of samples (B, ...), and their `zero_centred_penalty`, from one evaluation."""
    scores, squared = _scores_and_squared_gradients(critic, samples.detach())
    return scores, squared.mean()


def _scores_and_squared_gradients(critic: Critic, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (B,), and the squared length of their gradient at each sample: (B,)."""
    samples = samples.requires_grad_()
    scores = critic(samples)
    (gradient,) = torch.autograd.grad(scores.sum(), samples, create_graph=True)
    # The square root has no derivative at 0; the bound is far below any length that matters.
    return scores, gradient.flatten(1).square().sum(1).clamp_min(1e-24)


def autodecoder_loss(
    predicted: Tensor, sdf: Tensor, latents: Tensor, clip: float, weight: float | Tensor
) -> Tensor:
    """Mean |clip(predicted) - clip(sdf)| + weight E |latent|^2 (Park 2019, equations 4 and 9).

    Args:
        predicted: (B, N) signed distances.
        sdf: (B, N) true ones, in the same units.
        latents: (B, Z).
        clip: truncation distance; errors beyond it count nothing.
        weight: weight of the latents' squared lengths; 1e-4 in the paper's code.
    """
    error = predicted.clamp(-clip, clip) - sdf.clamp(-clip, clip)
    return error.abs().mean() + weight * latents.square().sum(1).mean()


def _unknown_loss(kind: str) -> ValueError:
    return ValueError(f"expected a loss out of {', '.join(LOSSES)}, got {kind!r}")

"""Settings of the training of recipe `latent`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AutoencoderConfig:
    """Training of recipe `latent`: the decoder's loss, and the steps of the prior."""

    noise: float = 0.25
    """Standard deviation of the noise on codes, whose own is 1: the codes around that of a training
    shape are decoded to its shape."""
    prior_noise: float = 0.1
    """Standard deviation of the noise on the codes that the prior learns. With less than `noise`,
    the codes that it gives are ones that the decoder knows."""
    stretch: float = 0.1
    """Standard deviation of the logarithm of factors by which shapes are stretched along each axis,
    which gives proportions that no training shape has."""
    near_points: int = 2560
    """Points per shape and step that are near the surface."""
    far_points: int = 512
    """Points per shape and step from the whole cube."""
    sign_weight: float = 0.5
    """Weight of the error of signs, which keeps thin parts whole; see `sign_width`."""
    sign_width: float = 0.01
    """Distance d, cube frame, that makes signs certain: the probability of the inside is
    1 / (1 + exp(sdf / d))."""
    inside_weight: float = 4.0
    """Weight of signs inside, relative to those outside: above 1, a thin part whose place is
    uncertain becomes thick rather than torn."""
    prior_copies: int = 4
    """Noises and times for each code in a step of the prior."""
    prior_repeats: int = 32
    """Steps of the prior for each batch of codes."""

    def __post_init__(self) -> None:
        for name in ("noise", "prior_noise", "stretch", "sign_weight"):
            self._check(getattr(self, name) >= 0, name, "0 or more")
        for name in ("inside_weight", "sign_width"):
            self._check(getattr(self, name) > 0, name, "more than 0")
        for name in ("near_points", "prior_copies", "prior_repeats"):
            self._check(getattr(self, name) >= 1, name, "1 or more")
        self._check(self.far_points >= 0, "far_points", "0 or more")

    def _check(self, holds: bool, name: str, takes: str) -> None:
        if not holds:
            raise ValueError(f"{name}: got {getattr(self, name)}, takes {takes}")

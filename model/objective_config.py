"""Settings of the losses of GANs, and of all optimisers."""

from dataclasses import dataclass

from shapegan.model.config_check import check

LOSSES = ("wasserstein", "logistic", "relativistic")
PENALTIES = ("gradient", "r1", "r1+r2")
OPTIMISERS = ("rmsprop", "adam", "muon")


@dataclass(frozen=True)
class Objective:
    """The losses of critic and generator."""

    loss: str = "wasserstein"
    """`wasserstein` (Arjovsky et al. 2017), `logistic` (non-saturating, Goodfellow et al. 2014) or
    `relativistic` (Huang et al. 2024, R3GAN, equation 2)."""
    penalty: str = "gradient"
    """`gradient`: WGAN-GP (Gulrajani et al. 2017, equation 3). `r1`: zero-centred, on real shapes
    (Mescheder et al. 2018, equation 9). `r1+r2`: on generated shapes as well."""
    penalty_weight: float = 10.0
    penalty_every: int = 1
    """Lazy regularisation: apply the penalty every n-th step, scaled by n (Karras et al. 2020,
    StyleGAN2, section 3.1)."""
    critic_steps: int = 5
    """Critic steps per generator step."""
    reconstruction_weight: float = 0.0
    """Weight, in the generator's loss, of the reconstruction of the batch's shapes from their codes
    (`recipes.shape_codes`), as in VAE-GAN (Larsen et al. 2016); 0: none, as published."""
    reconstruction_noise: float = 0.15
    """Standard deviation of the noise on codes, whose own is 1."""
    wholeness_weight: float = 0.0
    """Weight, in the generator's loss, of parts of its shapes that are loose, as far as more of
    these shapes are torn than of the real ones (`recipes.loose_parts`); 0: none, as published."""
    wholeness_every: int = 1
    """Look for loose parts every n-th generator step, and scale their weight by n."""

    def __post_init__(self) -> None:
        """Check all settings."""
        check(self.loss in LOSSES, "loss", self.loss, " or ".join(LOSSES))
        check(self.penalty in PENALTIES, "penalty", self.penalty, " or ".join(PENALTIES))
        check(self.penalty_weight >= 0, "penalty_weight", self.penalty_weight, "0 or more")
        check(self.penalty_every >= 1, "penalty_every", self.penalty_every, "1 or more")
        for name in ("critic_steps", "wholeness_every"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("reconstruction_weight", "reconstruction_noise", "wholeness_weight"):
            check(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")


@dataclass(frozen=True)
class Optimiser:
    """The optimisers of both networks."""

    name: str = "rmsprop"
    """One of `OPTIMISERS`."""
    rate: float = 1e-4
    """Learning rate of the generator."""
    critic_rate: float = 1e-4
    """Learning rate of the critic, of the latents in recipe `autodecoder`, or of the prior in
    recipe `latent`."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Coefficients of Adam."""
    halvings: int = 0
    """Number of times that both rates are halved, evenly spaced over the run. The last halving
    falls on the end of the run, where it has no effect."""

    def __post_init__(self) -> None:
        """Check all settings."""
        object.__setattr__(self, "betas", tuple(self.betas))
        check(self.name in OPTIMISERS, "optimiser", self.name, " or ".join(OPTIMISERS))
        check(len(self.betas) == 2, "betas", self.betas, "two numbers")
        check(self.rate > 0 and self.critic_rate > 0, "rate", self.rate, "more than 0")
        check(self.halvings >= 0, "halvings", self.halvings, "0 or more")

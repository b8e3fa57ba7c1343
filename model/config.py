"""Settings of a training: frozen dataclasses, saved as the run's `config.json`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shapegan.model.config_check import TrainConfigError, check, without_retired
from shapegan.model.networks.any_generator import AnyGeneratorConfig
from shapegan.model.networks.autoencoder_config import AutoencoderConfig
from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.networks.latent_generator import LatentGeneratorConfig
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import RESOLUTIONS, VoxelCriticConfig
from shapegan.model.objective_config import Objective, Optimiser
from shapegan.pipeline.dataclass_json import differences, from_plain, to_plain
from shapegan.pipeline.dataclass_paths import replace_by_paths

RECIPES = ("voxel", "point", "autodecoder", "latent")
VOXEL_RECIPES = ("voxel", "latent")
"""Recipes whose stages are sizes of voxel grids."""
CLIP_MODES = ("hard", "soft", "none")

Progress = TypeVar("Progress", float, Any)  # a scalar tensor: torch loads with the networks

_CRITICS: dict[str, type[VoxelCriticConfig | PointCriticConfig]] = {
    "voxel": VoxelCriticConfig,
    "point": PointCriticConfig,
}
"""Recipe -> class of its critic's settings; the other recipes have no critic."""


@dataclass(frozen=True)
class Stage:
    """One resolution, or one number of points, and the length of its training."""

    size: int
    """Voxels along each side, or points per shape."""
    batch: int
    """Shapes per step, over all devices together."""
    epochs: float
    """Passes over the training shapes. With --steps or --time, the stage's weight when those are
    divided among the stages."""
    fade_in: float = 0.0
    """Epochs over which the critic's new block is faded in (recipe `voxel`)."""
    refine: bool = False
    """Show the critic points near the generated surface as well (recipe `point`)."""
    weight: float | None = None
    """Weight of the stage when --steps or --time is divided; None: its `epochs`."""
    lattice: int = 0
    """Resolution of the stored grid whose every (lattice / size)-th voxel along each axis is read,
    from a random first voxel that differs from step to step (recipe `voxel`). The generator is
    evaluated at the same places. 0: the stored grid of resolution `size`."""
    thin_offset: float = 0.0
    """Offset by which thin parts of real shapes are thickened, in the frame of the recipe; 0: the
    true field. Needs the grid of 64^3, in the voxel recipes as `size` or `lattice`; see
    `streaming.thin_parts`."""
    thin_offset_end: float | None = None
    """Offset at the end of the stage, reached linearly; None: `thin_offset`."""
    prior: bool = False
    """Train the prior rather than the decoder (recipe `latent`)."""

    def __post_init__(self) -> None:
        """Check all settings."""
        check(2 <= self.size <= 2**20, "stages", self.size, "sizes from 2")
        check(self.batch >= 1, "batch size", self.batch, "1 or more")
        check(self.epochs > 0, "epochs", self.epochs, "more than 0")
        check(0 <= self.fade_in <= self.epochs, "fade_in", self.fade_in, "0 to its epochs")
        check(self.weight is None or self.weight > 0, "weight", self.weight, "more than 0")
        fitting = self.lattice == 0 or (
            self.lattice in RESOLUTIONS and self.lattice % self.size == 0
        )
        check(fitting, "lattice", self.lattice, f"0, or one of {RESOLUTIONS} from {self.size} on")
        offsets = self.thin_offset, self.thin_offset_at(1.0)
        check(min(offsets) >= 0, "thin_offset", offsets, "0 or more")
        check(not (self.refine and self.thin_parts), "thin_offset", offsets, "0 in refinement")

    @property
    def grid(self) -> int:
        """Resolution of the stored grid that is read (recipe `voxel`)."""
        return self.lattice or self.size

    @property
    def thin_parts(self) -> bool:
        """True if thin parts are thickened at some step."""
        return bool(max(self.thin_offset, self.thin_offset_at(1.0)) > 0)

    def thin_offset_at(self, progress: Progress) -> Progress:
        """Offset of thin parts at a progress of the stage, 0 to 1: a number, or a scalar tensor."""
        end = self.thin_offset if self.thin_offset_end is None else self.thin_offset_end
        return self.thin_offset + (end - self.thin_offset) * progress


@dataclass(frozen=True)
class TrainConfig:
    """All settings that decide what is trained; devices, workers and precision are not among them.

    `TrainSettings` holds those others.
    """

    recipe: str
    """One of `RECIPES`."""
    stages: tuple[Stage, ...]
    generator: AnyGeneratorConfig = field(default_factory=GeneratorConfig)
    critic: VoxelCriticConfig | PointCriticConfig | None = None
    """None in the recipes `autodecoder` and `latent`."""
    objective: Objective = field(default_factory=Objective)
    optimiser: Optimiser = field(default_factory=Optimiser)
    clip: float = 0.1
    """Truncation distance, frame units: larger distances look alike."""
    clip_voxels: float = 0.0
    """Lower bound of the clip, in voxels of the stage: a clip of 0.1 leaves little but signs of an
    8^3 grid."""
    clip_mode: str = "hard"
    """`hard`: real distances are clipped, generated ones are not. `soft`: the critic sees
    tanh(sdf / clip) of both, so the generator may give unclipped distances. `none`: no distance
    is clipped."""
    ema_halflife: float = 0.0
    """Half-life of the running average of weights (EMA), generator steps; 0: no average."""
    latent_weight: float = 1e-4
    """Weight of |z|^2 in the loss of recipe `autodecoder` (Park et al. 2019, equation 9)."""
    latent_spread: float = 0.01
    """Standard deviation of the initial latents in recipe `autodecoder`."""
    split: str = "train"
    """Split whose shapes are used; all shapes if the dataset has no splits."""
    seed: int = 0
    """Seed of weights, latents and the order of shapes."""
    autoencoder: AutoencoderConfig | None = None
    """None in all recipes but `latent`."""

    def __post_init__(self) -> None:
        """Check all settings.

        Raises:
            TrainConfigError: one line that names the setting and the values it takes.
        """
        object.__setattr__(self, "stages", tuple(self.stages))
        check(self.recipe in RECIPES, "recipe", self.recipe, " or ".join(RECIPES))
        check(bool(self.stages), "stages", "none", "at least one")
        check(self.clip > 0, "clip", self.clip, "more than 0")
        check(self.clip_voxels >= 0, "clip_voxels", self.clip_voxels, "0 or more")
        check(self.clip_mode in CLIP_MODES, "clip_mode", self.clip_mode, " or ".join(CLIP_MODES))
        check(self.ema_halflife >= 0, "ema_halflife", self.ema_halflife, "0 or more")
        check(0 <= self.seed < 2**63, "seed", self.seed, "0 to 2^63 - 1")
        self._check_critic()
        self._check_latent()
        sizes = [stage.size for stage in self.stages]
        if self.recipe in VOXEL_RECIPES:
            known = " or ".join(str(size) for size in RESOLUTIONS)
            check(set(sizes) <= set(RESOLUTIONS), "stages", sizes, known)
            check(sizes == sorted(sizes), "stages", sizes, "ascending resolutions")
        self._check_real_shapes()

    def _check_critic(self) -> None:
        if self.recipe not in _CRITICS:
            check(self.critic is None, "critic", self.critic, f"none in recipe {self.recipe}")
        else:
            expected = _CRITICS[self.recipe]
            check(
                isinstance(self.critic, expected), "critic", self.critic, f"a {expected.__name__}"
            )

    def _check_real_shapes(self) -> None:
        takes, finest = f"0 in recipe {self.recipe}", RESOLUTIONS[-1]
        for stage in self.stages:
            offset, thin, grids = stage.thin_offset, stage.thin_parts, self.recipe in VOXEL_RECIPES
            check(self.recipe == "voxel" or not stage.lattice, "lattice", stage.lattice, takes)
            check(self.recipe != "autodecoder" or not thin, "thin_offset", offset, takes)
            fine = not (grids and thin) or stage.grid == finest
            check(fine, "thin_offset", offset, f"0 unless lattice or size is {finest}")

    def _check_latent(self) -> None:
        latent = self.recipe == "latent"
        expected = LatentGeneratorConfig if latent else GeneratorConfig
        fitting = isinstance(self.generator, expected)
        check(fitting, "generator", self.generator, f"a {expected.__name__}")
        spread = self.generator.prior_spread
        reconstructs = self.recipe in _CRITICS and self.objective.reconstruction_weight > 0
        takes = "0 unless a GAN reconstructs shapes (objective.reconstruction_weight)"
        check(not spread or reconstructs or latent, "generator.prior_spread", spread, takes)
        takes = "settings in recipe latent, and none elsewhere"
        check((self.autoencoder is not None) == latent, "autoencoder", self.autoencoder, takes)
        priors = [stage.prior for stage in self.stages]
        check(latent or not any(priors), "prior", True, f"false in recipe {self.recipe}")
        if latent:
            check(priors == sorted(priors) and not priors[0], "prior", priors, "false, then true")
            takes = "true in the last stage, or generator.prior_spread above 0, not both"
            check(priors[-1] == (not spread), "prior", priors[-1], takes)
            halvings = self.optimiser.halvings
            check(halvings == 0, "halvings", halvings, "0 in recipe latent")

    @property
    def deepsdf(self) -> GeneratorConfig:
        """The generator's settings, in all recipes but `latent`."""
        assert isinstance(self.generator, GeneratorConfig)
        return self.generator

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON has them."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Build the settings from what `to_dict` gives, or an older version's `to_dict` gave.

        Raises:
            TrainConfigError: a setting is unknown, missing, has the wrong type or cannot be used.
        """
        recipe = str(values.get("recipe"))
        generator = LatentGeneratorConfig if recipe == "latent" else GeneratorConfig
        types: dict[str, Any] = {"generator": generator}
        if critic := _CRITICS.get(recipe):
            types["critic"] = critic | None
        known = without_retired(values)
        return _one_line(lambda: from_plain(cls, known, TrainConfigError, types))

    def replaced(self, settings: Mapping[str, str]) -> "TrainConfig":
        """Copy the config with single values replaced, such as `critic.width` -> `0.5`.

        Args:
            settings: dotted name -> value as text; see `replace_by_paths`.

        Raises:
            TrainConfigError: a name is unknown, or a value has the wrong type or cannot be used.
        """
        return _one_line(lambda: replace_by_paths(self, settings, TrainConfigError))

    def difference(self, other: "TrainConfig") -> list[str]:
        """List the settings in which `other` differs, one line each: `name: mine -> theirs`."""
        return differences(self, other)


def _one_line(build: Callable[[], TrainConfig]) -> TrainConfig:
    """Turn the errors of the networks' settings into a `TrainConfigError`."""
    try:
        return build()
    except TrainConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise TrainConfigError(f"unusable settings: {error}") from error

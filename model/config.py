"""What a run trains and how: frozen dataclasses, saved as the run's `config.json`."""

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shapegan.model.networks.generator import GeneratorConfig
from shapegan.model.networks.point_critic import PointCriticConfig
from shapegan.model.networks.voxel_critic import RESOLUTIONS, VoxelCriticConfig
from shapegan.pipeline.errors import PlainError

RECIPES = ("voxel", "point", "autodecoder")
LOSSES = ("wasserstein", "logistic", "relativistic")
PENALTIES = ("gradient", "r1", "r1+r2")
OPTIMISERS = ("rmsprop", "adam")
CLIP_MODES = ("hard", "soft", "none")

_CRITICS: dict[str, type[VoxelCriticConfig | PointCriticConfig]] = {
    "voxel": VoxelCriticConfig,
    "point": PointCriticConfig,
}
"""Recipe -> what configures its critic; recipe `autodecoder` has none."""

Loaded = TypeVar("Loaded")


class TrainConfigError(PlainError, ValueError):
    """A setting that cannot be used; the message is one line with what to do."""


@dataclass(frozen=True)
class Stage:
    """One resolution, or one number of points, and how long it is trained."""

    size: int
    """Voxels along each side, or points to a shape."""
    batch: int
    """Shapes to a step, over all devices together."""
    epochs: float
    """Passes over the training shapes; with --steps or --time, weights to divide those by."""
    fade_in: float = 0.0
    """Epochs over which the grown critic's new block is faded in."""
    refine: bool = False
    """Whether points next to the generated surface are judged too (recipe `point`)."""
    share: float | None = None
    """Weight of this stage when --steps or --time is divided; None: as its cost in epochs says."""

    def __post_init__(self) -> None:
        """Refuses what cannot work."""
        _check(2 <= self.size <= 2**20, "stages", self.size, "sizes from 2")
        _check(self.batch >= 1, "batch size", self.batch, "1 or more")
        _check(self.epochs > 0, "epochs", self.epochs, "more than 0")
        _check(0 <= self.fade_in <= self.epochs, "fade_in", self.fade_in, "0 to its epochs")


@dataclass(frozen=True)
class Objective:
    """What critic and generator play for."""

    loss: str = "wasserstein"
    """One of `LOSSES`."""
    penalty: str = "gradient"
    """`gradient`: WGAN-GP. `r1`: zero-centred on real shapes; `r1+r2`: on generated ones too."""
    penalty_weight: float = 10.0
    penalty_every: int = 1
    """The penalty is taken at each so-manieth step, with so much more weight (StyleGAN2)."""
    critic_steps: int = 5
    """Steps of the critic to one of the generator."""

    def __post_init__(self) -> None:
        """Refuses what cannot work."""
        _check(self.loss in LOSSES, "loss", self.loss, " or ".join(LOSSES))
        _check(self.penalty in PENALTIES, "penalty", self.penalty, " or ".join(PENALTIES))
        _check(self.penalty_weight >= 0, "penalty_weight", self.penalty_weight, "0 or more")
        _check(self.penalty_every >= 1, "penalty_every", self.penalty_every, "1 or more")
        _check(self.critic_steps >= 1, "critic_steps", self.critic_steps, "1 or more")


@dataclass(frozen=True)
class Optimiser:
    """How weights are changed."""

    name: str = "rmsprop"
    """One of `OPTIMISERS`."""
    rate: float = 1e-4
    """Learning rate of the generator."""
    critic_rate: float = 1e-4
    """Learning rate of the critic; of the latents in recipe `autodecoder`."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's."""
    halvings: int = 0
    """How often both rates are halved, at even distances over the run; the last time at its end,
    where it has no effect."""

    def __post_init__(self) -> None:
        """Refuses what cannot work."""
        object.__setattr__(self, "betas", tuple(self.betas))
        _check(self.name in OPTIMISERS, "optimiser", self.name, " or ".join(OPTIMISERS))
        _check(len(self.betas) == 2, "betas", self.betas, "two numbers")
        _check(self.rate > 0 and self.critic_rate > 0, "rate", self.rate, "more than 0")
        _check(self.halvings >= 0, "halvings", self.halvings, "0 or more")


@dataclass(frozen=True)
class TrainConfig:
    """All that decides what is trained; devices, workers and precision are no part of it."""

    recipe: str
    """One of `RECIPES`."""
    stages: tuple[Stage, ...]
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    critic: VoxelCriticConfig | PointCriticConfig | None = None
    """None in recipe `autodecoder`."""
    objective: Objective = field(default_factory=Objective)
    optimiser: Optimiser = field(default_factory=Optimiser)
    clip: float = 0.1
    """Distances beyond are not told apart, frame units."""
    clip_voxels: float = 0.0
    """The clip is at least so many voxels of the stage: 0.1 leaves little but signs of 8^3."""
    clip_mode: str = "hard"
    """`hard`: real distances are clipped, generated ones are as they are. `soft`: the critic sees
    tanh(sdf / clip) of both, so that the generator may give unclipped distances. `none`: it sees
    all distances as they are."""
    ema_halflife: float = 0.0
    """Steps of the generator after which its running average has forgotten half; 0: no average."""
    latent_weight: float = 1e-4
    """Of |z|^2 in the loss of recipe `autodecoder`."""
    latent_spread: float = 0.01
    """Standard deviation of the latents at the start of recipe `autodecoder`."""
    split: str = "train"
    """Shapes of this split are taken, of all where the dataset has no splits."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            TrainConfigError: with one line saying which setting and what it takes.
        """
        object.__setattr__(self, "stages", tuple(self.stages))
        _check(self.recipe in RECIPES, "recipe", self.recipe, " or ".join(RECIPES))
        _check(bool(self.stages), "stages", "none", "at least one")
        _check(self.clip > 0, "clip", self.clip, "more than 0")
        _check(self.clip_voxels >= 0, "clip_voxels", self.clip_voxels, "0 or more")
        _check(self.clip_mode in CLIP_MODES, "clip_mode", self.clip_mode, " or ".join(CLIP_MODES))
        _check(self.ema_halflife >= 0, "ema_halflife", self.ema_halflife, "0 or more")
        _check(0 <= self.seed < 2**63, "seed", self.seed, "0 to 2^63 - 1")
        sizes = [stage.size for stage in self.stages]
        critic = type(None) if self.recipe == "autodecoder" else _CRITICS[self.recipe]
        takes = "none" if self.recipe == "autodecoder" else f"a {critic.__name__}"
        _check(isinstance(self.critic, critic), "critic", self.critic, takes)
        if self.recipe == "voxel":
            known = " or ".join(str(size) for size in RESOLUTIONS)
            _check(set(sizes) <= set(RESOLUTIONS), "stages", sizes, known)
            _check(sizes == sorted(sizes), "stages", sizes, "ascending resolutions")

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return dict(_plain(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainConfig":
        """Inverse of `to_dict`.

        Raises:
            TrainConfigError: for an unknown, missing or unusable setting.
        """
        critic = _CRITICS.get(str(values.get("recipe")))
        values = dict(values)
        if critic is not None and isinstance(values.get("critic"), dict):
            values["critic"] = _load(critic, values["critic"])
        return _load(cls, values)

    def difference(self, other: "TrainConfig") -> list[str]:
        """One line for each setting in which `other` differs: `name: mine -> theirs`."""
        mine, theirs = _flat(self.to_dict()), _flat(other.to_dict())
        names = list(dict.fromkeys([*mine, *theirs]))
        return [
            f"{name}: {mine.get(name)} -> {theirs.get(name)}"
            for name in names
            if mine.get(name) != theirs.get(name)
        ]


def _check(holds: bool, name: str, value: object, takes: str) -> None:
    if not holds:
        raise TrainConfigError(f"{name}: got {value}, takes {takes}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    if isinstance(values, list) and any(isinstance(one, dict) for one in values):
        values = {str(number): one for number, one in enumerate(values)}
    if not isinstance(values, dict):
        return {name: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{name}.{key}" if name else key)
    return flat


def _load(cls: type[Loaded], values: dict[str, Any]) -> Loaded:
    """Fills a dataclass, and those in it, from what JSON holds."""
    hints = typing.get_type_hints(cls)
    if unknown := sorted(set(values) - set(hints)):
        raise TrainConfigError(f"unknown settings: {', '.join(unknown)}")
    try:
        return cls(**{name: _convert(hints[name], value) for name, value in values.items()})
    except TrainConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise TrainConfigError(f"unusable settings: {error}") from error


def _convert(hint: Any, value: Any) -> Any:
    if isinstance(value, list):
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, one) for one in value)
    if isinstance(value, dict) and not isinstance(hint, types.UnionType):
        return _load(hint, value)
    return value

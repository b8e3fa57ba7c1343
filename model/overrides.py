"""Changes to a preset or another config, as `shapegan train` takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.networks.voxel_critic import RESOLUTIONS


@dataclass(frozen=True)
class Overrides:
    """Changes to a config; None leaves a setting as it is."""

    stages: tuple[int, ...] | None = None
    """Sizes of the stages."""
    batch: int | None = None
    """Shapes per step, in all stages."""
    split: str | None = None
    seed: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Dotted name -> value as text, such as `critic.width` -> `0.5`; applied last."""


def override(config: TrainConfig, changes: Overrides) -> TrainConfig:
    """Copy a config with changes applied.

    Raises:
        TrainConfigError: a change is unusable.
    """
    stages = config.stages
    if changes.stages is not None:
        stages = _chosen_stages(config.recipe, stages, changes.stages)
    if changes.batch is not None:
        stages = tuple(replace(stage, batch=changes.batch) for stage in stages)
    split = config.split if changes.split is None else changes.split
    seed = config.seed if changes.seed is None else changes.seed
    config = replace(config, stages=stages, split=split, seed=seed)
    return config.replaced(changes.settings)


def _chosen_stages(
    recipe: str, stages: tuple[Stage, ...], sizes: tuple[int, ...]
) -> tuple[Stage, ...]:
    """Stages of the given sizes: the config's own, or copies of its last stage.

    In recipe `latent`, all stages get the one size; below 64, thin parts are those of the stored
    grid. In the others, the last stage without refinement is copied, because only a trained shape
    can be refined.
    """
    if recipe == "latent":
        if len(sizes) != 1:
            raise TrainConfigError(f"--stages: got {len(sizes)} sizes, takes one in recipe latent")
        if sizes[0] != RESOLUTIONS[-1]:
            stages = tuple(replace(one, thin_offset=0.0, thin_offset_end=None) for one in stages)
        return tuple(replace(stage, size=sizes[0]) for stage in stages)
    if recipe == "voxel" and (wrong := [size for size in sizes if size not in RESOLUTIONS]):
        listed = ", ".join(str(size) for size in RESOLUTIONS)
        raise TrainConfigError(f"--stages: got {wrong[0]}, takes some of {listed}")
    unrefined = [stage for stage in stages if not stage.refine] or list(stages)
    chosen: list[Stage] = []
    for size in sizes:
        same_size = [stage for stage in stages if stage.size == size]
        chosen += same_size or [replace(unrefined[-1], size=size)]
    return tuple(chosen)

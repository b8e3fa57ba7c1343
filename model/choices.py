"""From what a user asks for to a config and a dataset."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from shapegan.model.config import Stage, TrainConfig, TrainConfigError
from shapegan.model.networks.voxel_critic import RESOLUTIONS
from shapegan.model.presets import preset
from shapegan.pipeline.manifest import DatasetError
from shapegan.pipeline.schema import MANIFEST_NAME

DEFAULT_DATA = Path("datasets")


@dataclass(frozen=True)
class Overrides:
    """What is asked for beside a preset."""

    stages: tuple[int, ...] | None = None
    """Sizes; None: the preset's."""
    batch: int | None = None
    """Shapes to a step; None: the preset's."""
    split: str = "train"
    seed: int = 0


def choose_config(recipe: str, name: str, overrides: Overrides) -> TrainConfig:
    """A preset with what the user wants otherwise.

    Raises:
        TrainConfigError: with one line.
    """
    config = preset(recipe, name)
    stages = config.stages
    if overrides.stages is not None:
        stages = _chosen_stages(recipe, stages, overrides.stages)
    if overrides.batch is not None:
        stages = tuple(dataclasses.replace(stage, batch=overrides.batch) for stage in stages)
    return dataclasses.replace(config, stages=stages, split=overrides.split, seed=overrides.seed)


def _chosen_stages(
    recipe: str, stages: tuple[Stage, ...], sizes: tuple[int, ...]
) -> tuple[Stage, ...]:
    """The preset's stages of these sizes; one that it lacks is trained as its last stage is.

    The last that does not refine: a shape is refined once there is one.
    """
    if recipe == "voxel" and (wrong := [size for size in sizes if size not in RESOLUTIONS]):
        listed = ", ".join(str(size) for size in RESOLUTIONS)
        raise TrainConfigError(f"--stages: got {wrong[0]}, takes some of {listed}")
    last = [stage for stage in stages if not stage.refine][-1]
    chosen: list[Stage] = []
    for size in sizes:
        there = [stage for stage in stages if stage.size == size]
        chosen += there or [dataclasses.replace(last, size=size)]
    return tuple(chosen)


def choose_data(path: Path | None) -> Path:
    """The dataset's folder: the one given, or `datasets`, or the only dataset in there.

    Raises:
        DatasetError: where there is none, or more than one.
    """
    if path is not None:
        return path
    if (DEFAULT_DATA / MANIFEST_NAME).exists():
        return DEFAULT_DATA
    found = sorted(manifest.parent for manifest in DEFAULT_DATA.glob(f"*/{MANIFEST_NAME}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise DatasetError(
            "there is no dataset in `datasets`: make one with `shapegan preprocess INPUT --out"
            " datasets`, or name one with --data"
        )
    listed = ", ".join(str(one) for one in found)
    raise DatasetError(f"there are several datasets, name one with --data: {listed}")

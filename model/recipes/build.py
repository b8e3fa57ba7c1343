"""The recipe of a config, and the data that its stages read."""

from typing import Any, Protocol

from torch import Tensor, nn

from shapegan.model.config import VOXEL_RECIPES, Stage, TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.networks.any_generator import AnyGenerator
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.autodecoder import Autodecoder
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.latent import Latent
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.stream import Stream, StreamConfig


class Recipe(Protocol):
    """The part of a training that differs from recipe to recipe; the trainer's loop calls it."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Name -> network, of all that are trained."""

    @property
    def result(self) -> AnyGenerator:
        """The trained generator."""

    def begin(self, stage: int, /) -> None:
        """Prepare for a stage, by its number: build or grow networks and optimisers."""

    def step(self, batch: Any, progress: StepProgress, /) -> dict[str, Tensor]:
        """Take one step; return losses and other measurements, scalars on the device."""

    def preview(self, count: int, /) -> Tensor:
        """Latents of the shapes in the previews, always the same: (count, Z)."""

    def learned_in_preview(self, count: int, /) -> int:
        """Number of the previews' latents that are learned; these come first."""

    def draw(self, count: int, /) -> Tensor:
        """Latents of random shapes, always the same: (count, Z)."""

    def measurements(self) -> dict[str, float]:
        """Learning rates and norms of the last step, by columns of metrics.csv."""

    def state(self) -> dict[str, Any]:
        """State of all that training changes, for a checkpoint."""

    def load(self, state: dict[str, Any], /) -> None:
        """Restore what `state` gave, at the same stage."""

    def forget_graphs(self) -> None:
        """Release CUDA graphs, at the end of the training."""


def stream_config(config: TrainConfig, stage: Stage) -> StreamConfig:
    """Batches that a stage reads."""
    seed, split = config.seed, config.split
    if config.recipe in VOXEL_RECIPES:
        thin = stage.thin_parts
        return StreamConfig("voxels", stage.grid, stage.batch, seed, split, thin_parts=thin)
    balanced, sets = False, ("uniform",) if not stage.refine else ("uniform", "surface")
    if config.recipe == "autodecoder":
        balanced, sets = True, ("surface", "uniform")
    thin = stage.thin_parts
    return StreamConfig("points", stage.size, stage.batch, seed, split, sets, balanced, thin)


def build_recipe(
    config: TrainConfig,
    ranks: Ranks,
    execution: Execution,
    shape_count: int,
    stream: Stream | None = None,
) -> Recipe:
    """Build the recipe that a config names.

    Args:
        config: Config of the run, resolved by its data.
        ranks: Processes that share the run.
        execution: Precision, compilation and chunking.
        shape_count: Training shapes.
        stream: The training shapes, for the steps of the recipes that encode them.
    """
    if config.recipe == "latent":
        return Latent(config, ranks, execution, stream)
    if config.recipe == "autodecoder":
        return Autodecoder(config, ranks, execution, shape_count)
    return Adversarial(config, ranks, execution, stream)

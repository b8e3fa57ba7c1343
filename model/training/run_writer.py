"""The files that a run writes while it trains: metrics, checkpoints and previews."""

import math
import time

import torch
from torch import Tensor, nn

from shapegan.model.config import VOXEL_RECIPES, TrainConfig
from shapegan.model.recipes.build import Recipe
from shapegan.model.schedule import Position
from shapegan.model.training.checkpoint import Checkpoint, latest_checkpoint, save_checkpoint
from shapegan.model.training.errors import TrainingError
from shapegan.model.training.logger import MetricsLogger
from shapegan.model.training.previews import draw_previews
from shapegan.model.training.run_folder import RunFolder
from shapegan.model.training.settings import TrainSettings


class RunWriter:
    """Writer of a run's files; of several processes, only the main one has it.

    Args:
        config: Config of the run.
        settings: Its settings.
        folder: Its folder.
        shape_count: Training shapes.
        position: Position from which the run starts or continues.
        checkpoint: Checkpoint from which it continues.
    """

    def __init__(
        self,
        config: TrainConfig,
        settings: TrainSettings,
        folder: RunFolder,
        shape_count: int,
        position: Position,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._config, self._settings, self._folder = config, settings, folder
        self._shape_count = shape_count
        state = checkpoint.logger if checkpoint else None
        self._logger = MetricsLogger(folder.metrics, folder.path, position, state)
        self._last_save = self._last_preview = time.monotonic()

    def add_step(
        self, values: dict[str, Tensor], seconds: float, waited: float, shapes: int
    ) -> None:
        """Add a step to the next row of metrics; see `MetricsLogger.add`."""
        self._logger.add(values, seconds, waited, shapes)

    def write_row(self, position: Position, fade: float, overall: float) -> dict[str, float]:
        """Write a row of metrics, the means since the last one.

        Raises:
            TrainingError: a mean is NaN or infinite.
        """
        row = self._logger.row(position, fade, overall)
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if bad:
            latest = latest_checkpoint(self._folder.checkpoints)
            good = f"the last good checkpoint is {latest}" if latest else "there is no checkpoint"
            raise TrainingError(
                f"{bad[0]} is {row[bad[0]]} by step {position.total}: {good};"
                " a lower learning rate or fp32 may help"
            )
        return row

    def save_and_preview_if_due(self, recipe: Recipe, position: Position) -> None:
        """Write a checkpoint and a preview if their time has come."""
        now = time.monotonic()
        if now - self._last_save >= self._settings.save_seconds:
            self.save(recipe, position)
        if now - self._last_preview >= self._settings.preview_seconds:
            self.preview(recipe, position)

    def save(self, recipe: Recipe, position: Position, keep: bool = False) -> None:
        """Write a checkpoint; with `keep` it is never deleted.

        Raises:
            TrainingError: a weight is NaN or infinite.
        """
        if not all(_is_finite(network) for network in recipe.networks.values()):
            latest = latest_checkpoint(self._folder.checkpoints)
            raise TrainingError(
                f"weights are NaN or infinite by step {position.total};"
                f" the last good checkpoint is {latest or 'none'}"
            )
        checkpoint = Checkpoint(
            self._config,
            position,
            recipe.state(),
            self._logger.state(),
            self._shape_count,
            str(self._settings.data.resolve()),
        )
        save_checkpoint(self._folder.checkpoints, checkpoint, keep)
        self._last_save = time.monotonic()

    def preview(self, recipe: Recipe, position: Position) -> None:
        """Draw a preview, if previews are wanted."""
        if self._settings.preview_shapes:
            latents = recipe.preview(self._settings.preview_shapes)
            size = self._config.stages[position.stage].grid
            on_voxels = self._config.recipe in VOXEL_RECIPES
            resolution = max(32, min(64, 2 * size)) if on_voxels else 64
            draw_previews(
                recipe.result, latents, resolution, self._folder.previews, position, self._logger
            )
        self._last_preview = time.monotonic()

    def close(self) -> None:
        """Write what is still buffered."""
        self._logger.close()


def _is_finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(weights).all()) for weights in network.parameters())

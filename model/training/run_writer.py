"""The files that a run writes while it trains: metrics, checkpoints and previews."""

import math
import time

import torch
from torch import Tensor, nn

from shapegan.model.config import VOXEL_RECIPES, TrainConfig
from shapegan.model.recipes.build import Recipe
from shapegan.model.schedule import Position
from shapegan.model.training.checkpoint import (
    BEST_NAME,
    Checkpoint,
    keep_as_best,
    latest_checkpoint,
    save_checkpoint,
)
from shapegan.model.training.errors import TrainingError
from shapegan.model.training.logger import MetricsLogger
from shapegan.model.training.preview_budget import PreviewBudget
from shapegan.model.training.previews import choose_places, draw_previews, draw_probe
from shapegan.model.training.quality import COLUMNS as QUALITY_COLUMNS
from shapegan.model.training.quality import (
    MIN_SHAPES,
    RESOLUTION,
    SPLIT,
    QualityWatch,
    best_error,
    quality_row,
)
from shapegan.model.training.row_file import drop_rows_after
from shapegan.model.training.run_folder import QUALITY_NAME, RunFolder
from shapegan.model.training.settings import TrainSettings
from shapegan.model.training.wandb_run import WandbRun

_QUALITY_PART = 0.5
"""Part of the previews' time that is spent on scores, if there is a validation split."""
_MOST_VOXELS = 64
"""Finest grid of previews."""
_PROBE_SIZE = 16
"""Grid on which the time of a shape in previews is measured."""


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
        wandb = WandbRun(folder.path, config.to_dict()) if settings.log == "wandb" else None
        self._logger = MetricsLogger(folder.metrics, folder.path, position, state, config, wandb)
        self._last_save = self._last_preview = time.monotonic()
        self._save_seconds = 0.0
        seconds = settings.budget.seconds
        self._timed = seconds is not None
        planned = None if seconds is None else max(0.0, seconds - position.seconds)
        self._best: float | None = None
        self._open_quality(position)
        part = _QUALITY_PART if self._watch else 0.0
        self._previews = PreviewBudget(planned, time.monotonic, 1.0 - part)
        self._scores = PreviewBudget(planned, time.monotonic, part)

    @property
    def reserve(self) -> float:
        """Seconds that the files after the last step are expected to take."""
        seconds = 1.5 * self._save_seconds
        if self._timed and self._settings.preview_shapes and self._previews.measured:
            seconds += self._previews.expected(self._settings.preview_shapes, _MOST_VOXELS)
            if self._watch and self._scores.measured:
                seconds += self._scores.expected(self._watch.shapes, RESOLUTION)
        return seconds

    def add_step(
        self, values: dict[str, Tensor], seconds: float, waited: float, shapes: int
    ) -> None:
        """Add a step to the next row of metrics; see `MetricsLogger.add`."""
        self._logger.add(values, seconds, waited, shapes)

    @property
    def has_unwritten_steps(self) -> bool:
        """True if there were steps since the last row of metrics."""
        return self._logger.has_unwritten_steps

    def write_row(
        self, recipe: Recipe, position: Position, fade: float, overall: float
    ) -> dict[str, float]:
        """Write a row of metrics, the means since the last one.

        Raises:
            TrainingError: a mean is NaN or infinite.
        """
        row = self._logger.row(position, fade, overall, recipe.measurements())
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
        if self._timed and not self._previews.measured:
            # Early, because drawing for the first time may take long: the run then ends in time.
            self._measure_previews(recipe)
        now = time.monotonic()
        if now - self._last_save >= self._settings.save_seconds:
            self.save(recipe, position)
        if now - self._last_preview >= self._settings.preview_seconds:
            self.preview(recipe, position)
        if now - self._last_scores >= self._settings.quality_seconds:
            self.score(recipe, position)
            if self._is_best:
                self.save(recipe, position)

    def score(self, recipe: Recipe, position: Position) -> None:
        """Score generated shapes if there is time; the next checkpoint is kept if they are best."""
        if self._watch is None or not self._previews.measured:
            return
        # 1. The time that it takes: extraction and comparison
        shapes = self._watch.shapes
        self._scores.expect(RESOLUTION, 3 * self._previews.cost(RESOLUTION))
        last = position.stage + 1 == len(self._config.stages)
        if self._scores.allowance(last=last) < shapes * self._scores.cost(RESOLUTION):
            return
        # 2. The scores
        with self._scores.spending(RESOLUTION, shapes):
            quality = self._watch.measure(recipe.result, recipe.draw(shapes))
        self._last_scores = time.monotonic()
        self._logger.quality(self._folder.quality, quality_row(position, quality), position)
        if self._best is None or quality.error <= self._best:
            self._best, self._is_best = quality.error, True

    @property
    def missing_scores(self) -> str:
        """Why the run has no scores, although it has previews; empty if it has some."""
        if not self._settings.preview_shapes or self._best is not None:
            return ""
        why = "they would have taken more than their share of the time"
        if self._watch is None:
            why = f"{self._settings.data} has fewer than {MIN_SHAPES} shapes with voxels in split"
            why += f" {SPLIT}"
        return f"no scores in {QUALITY_NAME}, and no {BEST_NAME}: {why}"

    def _open_quality(self, position: Position) -> None:
        self._last_scores, self._is_best = time.monotonic(), False
        self._watch: QualityWatch | None = None
        drop_rows_after(self._folder.quality, QUALITY_COLUMNS, position.total)
        self._best = best_error(self._folder.quality)
        if self._settings.preview_shapes:
            watch = QualityWatch(self._settings.data)
            self._watch = watch if watch.shapes else None

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
        start = time.monotonic()
        path = save_checkpoint(self._folder.checkpoints, checkpoint, keep)
        if self._is_best:
            keep_as_best(path)
            self._is_best = False
        self._last_save = time.monotonic()
        self._save_seconds = self._last_save - start

    def preview(self, recipe: Recipe, position: Position) -> None:
        """Draw a preview, if previews are wanted, and as large as their share of time allows."""
        if self._settings.preview_shapes:
            self._measure_previews(recipe)
            self._draw_preview(recipe, position)
        self._last_preview = time.monotonic()

    def _draw_preview(self, recipe: Recipe, position: Position) -> None:
        if not self._previews.measured:
            return
        # 1. The size that fits the time
        wanted = self._settings.preview_shapes
        size = self._config.stages[position.stage].grid
        on_voxels = self._config.recipe in VOXEL_RECIPES
        resolution = max(32, min(_MOST_VOXELS, 2 * size)) if on_voxels else _MOST_VOXELS
        seconds = self._previews.allowance(last=position.stage + 1 == len(self._config.stages))
        chosen = self._previews.choose(wanted, resolution, seconds)
        if chosen is None:
            return
        # 2. The preview
        count, resolution = chosen
        places, learned = choose_places(wanted, count), recipe.learned_in_preview(wanted)
        latents = recipe.preview(wanted)[places]
        captions = ["learned" if place < learned else "drawn" for place in places if learned]
        folder, logger = self._folder.previews, self._logger
        with self._previews.spending(resolution, count):
            draw_previews(recipe.result, latents, resolution, folder, captions, position, logger)

    def _measure_previews(self, recipe: Recipe) -> None:
        """Measure the time of a shape; a timed run that has no second for previews draws none."""
        budget, wanted = self._previews, self._settings.preview_shapes
        if budget.measured or not wanted or (self._timed and budget.allowance(last=True) < 1.0):
            return
        latent = recipe.preview(wanted)[0]
        with budget.spending():  # loads the kernels
            draw_probe(recipe.result, latent, _PROBE_SIZE)
        with budget.spending(_PROBE_SIZE):
            draw_probe(recipe.result, latent, _PROBE_SIZE)

    def close(self) -> None:
        """Write what is still buffered."""
        self._logger.close()


def _is_finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(weights).all()) for weights in network.parameters())

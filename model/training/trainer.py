"""The one loop that trains every recipe: stages, steps, checkpoints, pictures."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import Ranks, join
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.autodecoder import Autodecoder
from shapegan.model.recipes.objectives import Execution
from shapegan.model.schedule import Budget, Moment, Position, Schedule
from shapegan.model.streaming.stream import Stream, StreamConfig
from shapegan.model.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    checkpoint_path,
    fitting,
    latest_checkpoint,
    save_checkpoint,
)
from shapegan.model.training.interruption import Interruption
from shapegan.model.training.logger import EVERY, MetricsLogger
from shapegan.model.training.previews import draw_previews
from shapegan.model.training.run_folder import RunFolder
from shapegan.pipeline.errors import PlainError


class TrainingError(PlainError):
    """A training that cannot go on; the message is one line with what to do."""


@dataclass(frozen=True)
class TrainSettings:
    """How a run is done; none of it decides what is learned but by rounding and length."""

    data: Path
    run: Path
    device: str = "auto"
    precision: str = "fp32"
    compiled: bool = False
    chunk: int = Execution.chunk
    workers: int = 0
    """Processes that read; 0: the training process does."""
    pin: str = "auto"
    """`auto`, `none`, `ram` or `device`: where the whole set is kept."""
    budget: Budget = field(default_factory=Budget)
    clock: Callable[[], float] = time.perf_counter
    """Measures a budget of time, in seconds; `time.process_time` makes it one of CPU seconds."""
    save_seconds: float = 300.0
    """Between checkpoints."""
    preview_seconds: float = 180.0
    """Between sheets of samples."""
    previews: int = 16
    """Shapes on a sheet; 0: no sheets."""


class Recipe(Protocol):
    """What the loop asks of a way to train; see `Adversarial`."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What is trained, by name."""

    @property
    def result(self) -> Generator:
        """What a run is for."""

    def stream(self, stage: Stage, /) -> StreamConfig:
        """What a stage reads."""

    def begin(self, number: int, shapes: int, /) -> None:
        """Gets ready for a stage, on so many shapes."""

    def step(self, batch: Any, moment: Moment, /) -> dict[str, Tensor]:
        """One step; gives losses and the like, scalars on the device."""

    def preview(self, count: int, /) -> Tensor:
        """Latents whose shapes are drawn again and again: (count, Z)."""

    def state(self) -> dict[str, Any]:
        """All that training has changed."""

    def load(self, state: dict[str, Any], /) -> None:
        """Inverse of `state`, at the same stage."""

    def close(self) -> None:
        """Lets go of what is shared with other processes."""


class Reporter(Protocol):
    """What a run tells of itself; see `watching.TrainingProgress`."""

    def stage(self, stage: Stage, position: Position, steps: int | None, /) -> None:
        """A stage begins, or is gone on with; it has so many steps, or a share of the time."""

    def row(self, row: dict[str, float], overall: float, /) -> None:
        """What was measured over some steps; progress of the run, 0 to 1."""

    def note(self, text: str, /) -> None:
        """Something that the user should know, in a line."""


class NullReporter:
    """Whom all processes but the leading one tell."""

    def stage(self, *_: object) -> None:
        """Does nothing."""

    def row(self, *_: object) -> None:
        """Does nothing."""

    def note(self, *_: object) -> None:
        """Does nothing."""


def build_recipe(config: TrainConfig, ranks: Ranks, execution: Execution) -> Recipe:
    """The recipe that a config names."""
    if config.recipe == "autodecoder":
        return Autodecoder(config, ranks, execution)
    return Adversarial(config, ranks, execution)


def train(config: TrainConfig, settings: TrainSettings, reporter: Reporter) -> Position:
    """Trains a run to its end, or until it is interrupted; the same call goes on with it.

    Args:
        config: What is trained.
        settings: How.
        reporter: Who is told; of several processes only by the leading one.

    Returns:
        Where the run stands; its `stage` is the number of stages if it is done.

    Raises:
        TrainingError: for losses that are no numbers, and for a lack of memory.
        CheckpointError, DatasetError, DeviceError, OutputError, RunFolderError, StreamError: with
            one line each.
    """
    with ExitStack() as stack:
        ranks = stack.enter_context(join(settings.device))
        folder, interruption = RunFolder(settings.run), Interruption()
        # What is wrong with the dataset is said before there is a folder.
        training = _Training(config, settings, ranks, folder, reporter, interruption)
        if ranks.is_main:
            stack.enter_context(folder.locked())
            folder.open(config)
        ranks.any_rank(False)  # the others wait until the folder is there
        stack.enter_context(interruption)
        return training.run()


class _Training:
    """A run in memory."""

    def __init__(
        self,
        config: TrainConfig,
        settings: TrainSettings,
        ranks: Ranks,
        folder: RunFolder,
        reporter: Reporter,
        interruption: Interruption,
    ) -> None:
        self._config, self._settings, self._ranks = config, settings, ranks
        self._folder, self._interruption = folder, interruption
        self._reporter = reporter if ranks.is_main else NullReporter()
        self._execution = Execution(
            ranks.device, settings.precision, settings.compiled, settings.chunk
        )
        self._execution.allow_rounding()
        self._recipe = build_recipe(config, ranks, self._execution)
        # All stages' streams are opened first: what is missing is said before hours of training.
        self._streams = [self._open_stream(stage) for stage in config.stages]
        self._shapes = self._streams[0].shape_count
        steps = [stream.steps_per_epoch for stream in self._streams]
        self._schedule = Schedule(config.stages, steps, settings.budget)
        self._position = Position()
        self._last_saved = self._last_drawn = time.monotonic()

    def run(self) -> Position:
        """Goes through the stages."""
        checkpoint = self._folder.open(self._config)
        if checkpoint is not None:
            self._position = checkpoint.position.copy()
            if self._schedule.longer(self._position):
                self._position.reopen()
        self._logger = self._open_logger(checkpoint)
        try:
            while self._position.stage < len(self._config.stages):
                with _memory_errors(self._config.stages[self._position.stage]):
                    self._begin_stage(checkpoint)
                    checkpoint = None
                    if not self._train_stage():
                        self._save()
                        self._say("stopped, and the same command goes on")
                        return self._position
                    self._end_stage()
        finally:
            self._recipe.close()
            if self._logger:
                self._logger.close()
        self._say("done")
        return self._position

    def _say(self, what: str) -> None:
        self._reporter.note(f"{what}: {self._position.total:,} steps, in {self._folder.path}")

    def _open_stream(self, stage: Stage) -> Stream:
        settings, ranks = self._settings, self._ranks
        return Stream(
            settings.data,
            self._recipe.stream(stage),
            rank=ranks.rank,
            world=ranks.world,
            workers=settings.workers,
            pin=settings.pin,
            device=ranks.device,
        )

    def _open_logger(self, checkpoint: Checkpoint | None) -> MetricsLogger | None:
        if not self._ranks.is_main:
            return None
        state = checkpoint.logger if checkpoint else None
        return MetricsLogger(self._folder.metrics, self._folder.path, self._position, state)

    def _begin_stage(self, checkpoint: Checkpoint | None) -> None:
        number = self._position.stage
        self._recipe.begin(number, self._shapes)
        if checkpoint is not None:
            if checkpoint.shapes != self._shapes:
                raise CheckpointError(
                    f"{self._folder.path} was trained on {checkpoint.shapes} shapes,"
                    f" {self._settings.data} has {self._shapes}: give --run a new folder"
                )
            with fitting(checkpoint_path(self._folder.checkpoints, self._position.total)):
                self._recipe.load(checkpoint.recipe)
            self._reporter.note(f"going on after step {self._position.total:,}")
        self._reporter.stage(
            self._config.stages[number], self._position, self._schedule.steps(number)
        )

    def _train_stage(self) -> bool:
        """Trains to the end of the stage; False if the run was interrupted before."""
        position, schedule = self._position, self._schedule
        batches = self._streams[position.stage].batches(position.step)
        try:
            while not schedule.done(position):
                if any(self._ranks.any_rank(self._interruption.asked)):
                    return False
                self._train_step(batches)
                self._after_step()
        finally:
            batches.close()
        return True

    def _train_step(self, batches: Iterator[Any]) -> None:
        """One step, and its place in the logger."""
        position, schedule = self._position, self._schedule
        # 1. Data, and how long it was waited for
        began, start = self._settings.clock(), time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - start
        # 2. The step
        moment = schedule.moment(position)
        values = self._recipe.step(batch, moment)
        seconds = time.perf_counter() - start
        # 3. All processes take the leading one's clock, or stages would end at different steps
        position.advance(self._ranks.broadcast(self._settings.clock() - began))
        values = {name: self._ranks.mean(value) for name, value in values.items()}
        if self._logger:
            shapes = len(batch.indices) * self._ranks.world
            self._logger.add(values, seconds, waited, shapes)
            if position.total % EVERY == 0:
                self._write_row(moment.fade)

    def _write_row(self, fade: float) -> None:
        assert self._logger is not None
        overall = self._schedule.overall(self._position)
        row = self._logger.row(self._position, fade, overall)
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if bad:
            latest = latest_checkpoint(self._folder.checkpoints)
            good = f"the last good checkpoint is {latest}" if latest else "there is no checkpoint"
            raise TrainingError(
                f"{bad[0]} is {row[bad[0]]} by step {self._position.total}: {good};"
                " a lower learning rate or fp32 may help"
            )
        self._reporter.row(row, overall)

    def _after_step(self) -> None:
        """Checkpoint and picture, where it is time for them."""
        if not self._ranks.is_main:
            return
        now = time.monotonic()
        if now - self._last_saved >= self._settings.save_seconds:
            self._save()
        if now - self._last_drawn >= self._settings.preview_seconds:
            self._draw()

    def _end_stage(self) -> None:
        self._draw()
        if self._position.stage + 1 < len(self._config.stages):
            self._position.next_stage()
            # Saved as the next stage's beginning, so that a resumed run builds its critic.
            self._recipe.begin(self._position.stage, self._shapes)
        else:
            self._position.finish()
        self._save(keep=True)

    def _save(self, keep: bool = False) -> None:
        """Writes a checkpoint, if the networks hold numbers."""
        if not (self._ranks.is_main and self._logger):
            return
        if not all(_finite(network) for network in self._recipe.networks.values()):
            latest = latest_checkpoint(self._folder.checkpoints)
            raise TrainingError(
                f"weights are no numbers by step {self._position.total};"
                f" the last good checkpoint is {latest or 'none'}"
            )
        checkpoint = Checkpoint(
            self._config,
            self._position,
            self._recipe.state(),
            self._logger.state(),
            self._shapes,
            str(self._settings.data.resolve()),
        )
        save_checkpoint(self._folder.checkpoints, checkpoint, keep)
        self._last_saved = time.monotonic()

    def _draw(self) -> None:
        if self._logger and self._settings.previews:
            latents = self._recipe.preview(self._settings.previews)
            size = self._config.stages[self._position.stage].size
            voxel = self._config.recipe == "voxel"
            draw_previews(
                self._recipe.result,
                latents,
                64 if not voxel else max(32, min(64, 2 * size)),
                self._folder.samples,
                self._position,
                self._logger,
            )
        self._last_drawn = time.monotonic()


def _finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(weights).all()) for weights in network.parameters())


@contextmanager
def _memory_errors(stage: Stage) -> Iterator[None]:
    """Makes a lack of memory one line that names the options that help."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        lacks = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not lacks and "allocate memory" not in str(error):
            raise
        raise TrainingError(
            f"out of memory at size {stage.size} with {stage.batch} shapes a step: lower --chunk"
            " (results stay the same) or --batch-size"
        ) from error

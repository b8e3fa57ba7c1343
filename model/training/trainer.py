"""The loop that trains every recipe, stage by stage and step by step."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from shapegan.model.config import VOXEL_RECIPES, TrainConfig
from shapegan.model.distributed import Ranks, join
from shapegan.model.recipes.build import build_recipe, stream_config
from shapegan.model.schedule import Position, Schedule
from shapegan.model.streaming.stream import Stream, StreamConfig
from shapegan.model.training.checkpoint import Checkpoint, checkpoint_path, fitting
from shapegan.model.training.data_notes import coarse_grid_note, split_note
from shapegan.model.training.data_settings import resolve_by_data
from shapegan.model.training.errors import TrainingError, memory_errors
from shapegan.model.training.interruption import Interruption
from shapegan.model.training.logger import STEPS_PER_ROW
from shapegan.model.training.reporter import NullReporter, Reporter
from shapegan.model.training.run_clock import RunClock
from shapegan.model.training.run_folder import RunFolder, TrainingShapes
from shapegan.model.training.run_writer import RunWriter
from shapegan.model.training.settings import TrainSettings
from shapegan.model.training.threads import training_threads
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.wording import counted

__all__ = ["TrainSettings", "TrainingError", "train"]


def train(config: TrainConfig, settings: TrainSettings, reporter: Reporter) -> Position:
    """Train a run until it ends or is interrupted; the same call resumes it.

    Args:
        config: What is trained.
        settings: Place, length and device of the run.
        reporter: Receiver of the run's reports; of several processes, only the main one reports.

    Returns:
        Position of the run; its `stage` is the number of stages if the run is done.

    Raises:
        TrainingError: losses or weights are NaN or infinite, or the memory is full.
        CheckpointError, DatasetError, DeviceError, OutputError, RunFolderError, StreamError: with
            one line each.
    """
    began = settings.clock() if settings.began is None else settings.began
    config = resolve_by_data(config, settings.data)
    with ExitStack() as stack:
        ranks = stack.enter_context(join(settings.device))
        folder, interruption = RunFolder(settings.run), Interruption()
        note = reporter.note if ranks.is_main else NullReporter().note
        threads = stack.enter_context(training_threads(settings, folder, ranks, note))
        # Errors of the dataset come before the folder is made.
        clock = RunClock(settings, began, ranks)
        training = _Training(config, settings, ranks, folder, reporter, interruption, clock)
        if ranks.is_main:
            stack.enter_context(folder.locked())
            folder.open(config, training.shapes)
            if threads is not None:
                folder.record_threads(threads)
            dataset = Dataset(settings.data)
            for text in (split_note(config, dataset), coarse_grid_note(config, dataset)):
                if text:
                    reporter.note(text)
        ranks.any_rank(False)  # the others wait until the folder exists
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
        clock: RunClock,
    ) -> None:
        self._config, self._settings, self._ranks = config, settings, ranks
        self._folder, self._interruption, self._clock = folder, interruption, clock
        self._reporter = reporter if ranks.is_main else NullReporter()
        execution = settings.execution(config, ranks.device, self._reporter.note)
        execution.allow_rounding()
        # The streams of all stages are opened first: missing data shows before hours of training.
        self._streams = self._open_streams()
        self._shape_count = self._streams[0].shape_count
        where = f"{self._streams[0].config.where} of {settings.data}"
        self.shapes = TrainingShapes(self._shape_count, where)
        self._recipe = build_recipe(config, ranks, execution, self._shape_count, self._streams[0])
        steps = [stream.steps_per_epoch for stream in self._streams]
        self._schedule = Schedule(config.stages, steps, settings.budget)
        self._position = Position()
        self._writer: RunWriter | None = None

    def run(self) -> Position:
        """Train stage after stage."""
        checkpoint = self._folder.open(self._config)
        if checkpoint is not None:
            self._position = checkpoint.position.copy()
            if self._schedule.can_continue(self._position):
                self._position.reopen()
        was_finished = self._position.stage >= len(self._config.stages)
        self._writer = self._open_writer(checkpoint)
        try:
            while self._position.stage < len(self._config.stages):
                with memory_errors(self._config.stages[self._position.stage]):
                    self._begin_stage(checkpoint)
                    checkpoint = None
                    if not self._train_stage():
                        self._clock.count_pause(self._position)
                        self._save()
                        self._note("stopped, and the same command resumes")
                        return self._position
                    self._end_stage()
        finally:
            self._recipe.forget_graphs()
            if self._writer:
                self._writer.close()
        if was_finished:
            self._note("already finished", "; a larger --steps or --time continues it")
        else:
            if self._writer and (about_scores := self._writer.missing_scores):
                self._reporter.note(about_scores)
            self._note("done")
        return self._position

    def _note(self, what: str, advice: str = "") -> None:
        steps = counted(self._position.total, "step")
        self._reporter.note(f"{what}: {steps}, in {self._folder.path}{advice}")

    def _open_streams(self) -> list[Stream]:
        """Streams of all stages; stages that read the same batches share one."""
        configs = [stream_config(self._config, stage) for stage in self._config.stages]
        streams = {config: self._open_stream(config) for config in configs}
        return [streams[config] for config in configs]

    def _open_stream(self, config: StreamConfig) -> Stream:
        settings, ranks = self._settings, self._ranks
        return Stream(
            settings.data,
            config,
            rank=ranks.rank,
            world=ranks.world,
            workers=settings.workers,
            pin=settings.pin,
            device=ranks.device,
        )

    def _open_writer(self, checkpoint: Checkpoint | None) -> RunWriter | None:
        if not self._ranks.is_main:
            return None
        config, settings = self._config, self._settings
        return RunWriter(
            config, settings, self._folder, self._shape_count, self._position, checkpoint
        )

    def _begin_stage(self, checkpoint: Checkpoint | None) -> None:
        number = self._position.stage
        self._recipe.begin(number)
        if checkpoint is not None:
            self.shapes.check(self._folder.path, checkpoint.shape_count)
            with fitting(checkpoint_path(self._folder.checkpoints, self._position.total)):
                self._recipe.load(checkpoint.recipe)
            self._reporter.note(f"resuming after step {self._position.total:,}")
        self._reporter.stage(
            self._config.stages[number], self._position, self._schedule.steps(number)
        )

    def _train_stage(self) -> bool:
        """Train to the end of the stage; return False if the run is interrupted before."""
        position, schedule = self._position, self._schedule
        stream = self._streams[position.stage]
        self._clock.count_pause(position)
        if self._clock.is_over(position):
            self._reporter.note("no time is left for the steps of this stage")
            return True
        batches = stream.batches(position.step)
        try:
            while not (schedule.done(position) or self._clock.is_over(position)):
                if any(self._ranks.any_rank(self._interruption.requested)):
                    return False
                self._train_step(batches)
                if self._writer:
                    self._writer.save_and_preview_if_due(self._recipe, position)
        finally:
            batches.close()
        if stream not in self._streams[position.stage + 1 :]:
            stream.release()
        return True

    def _train_step(self, batches: Iterator[Any]) -> None:
        """Train one step, and add it to the metrics."""
        position, schedule = self._position, self._schedule
        # 1. The batch, and the time spent waiting for it
        began, start = self._clock.now(), time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - start
        # 2. The step
        progress = schedule.step_progress(position)
        values = self._recipe.step(batch, progress)
        seconds = time.perf_counter() - start
        # 3. All processes use the main one's clock, or stages would end at different steps.
        reserve = self._writer.reserve if self._writer else 0.0
        self._clock.count_step(position, began, waited, reserve)
        schedule.reserve = self._clock.reserve
        values = {name: self._ranks.mean(value) for name, value in values.items()}
        if self._writer:
            shapes = len(batch.indices) * self._ranks.world
            self._writer.add_step(values, seconds, waited, shapes)
            if position.total % STEPS_PER_ROW == 0:
                self._write_row(progress.fade)

    def _write_row(self, fade: float) -> None:
        assert self._writer is not None
        overall = self._schedule.overall(self._position)
        row = self._writer.write_row(self._recipe, self._position, fade, overall)
        self._reporter.row(row, overall)

    def _end_stage(self) -> None:
        if self._writer:
            if self._writer.has_unwritten_steps:
                self._write_row(self._schedule.fade(self._position))
            if self._position.step:
                self._writer.preview(self._recipe, self._position)
                if self._position.stage + 1 == len(self._config.stages):
                    self._writer.score(self._recipe, self._position)
        self._clock.count_pause(self._position)
        if self._position.stage + 1 < len(self._config.stages):
            self._expect_next_steps()
            self._position.next_stage()
            # Saved as the start of the next stage, so that a resumed run builds its critic.
            self._recipe.begin(self._position.stage)
        else:
            self._position.finish()
        self._save(keep=True)

    def _expect_next_steps(self) -> None:
        """Expect longer steps in the next stage, by the number of its places."""
        number, power = self._position.stage, 3 if self._config.recipe in VOXEL_RECIPES else 1
        here, after = self._config.stages[number : number + 2]
        places = (after.size / here.size) ** power * after.batch / here.batch
        self._clock.expect_steps(max(1.0, places))

    def _save(self, keep: bool = False) -> None:
        if self._writer:
            self._writer.save(self._recipe, self._position, keep)

"""Batches on a device from shards, in an order that is a pure function of seed and step.

stream = Stream("datasets/chairs", StreamConfig("voxels", 32, batch=16), device="cuda")
for batch in stream.batches(start=1000):        # as after steps 0 to 999
    batch.voxels                                # (16, 32, 32, 32) float32 on the GPU

Small datasets are kept in memory (`memory.py`). Of larger ones, this process or loader workers read
only the chunks that a batch needs. Data travel as stored, and are decoded on the device.
"""

import atexit
import itertools
import os
import signal
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from shapegan.model.streaming.batches import (
    BALANCED,
    PointBatch,
    StreamConfig,
    StreamError,
    VoxelBatch,
)
from shapegan.model.streaming.memory import moved, placement, stored_bytes
from shapegan.model.streaming.order import BatchOrder, evenly_spaced
from shapegan.model.streaming.sources import (
    INDICES,
    THIN_PREFIX,
    THIN_UNIFORM,
    FieldSource,
    MemorySource,
    ReadFailure,
    StepDataset,
    StoredBatch,
    field_names,
)
from shapegan.model.streaming.splits import open_split, with_stored_sets
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.schema import POSITION_STEPS, position_name, sdf_name, voxel_name

__all__ = ["BALANCED", "PointBatch", "Stream", "StreamConfig", "StreamError", "VoxelBatch"]

_PARENT_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Signals that loader workers ignore: the run's last step needs them."""


class Stream:
    """The batches of a split.

    Args:
        path: Folder of the dataset.
        config: Content of the batches.
        rank: Rank of this process; rank r gets the r-th slice of each batch.
        world: Number of processes that share each batch.
        workers: Loader processes that read ahead; none are started if shapes are in memory.
        pin: `ram` or `device` keeps the whole split there, from the first batch until `release`;
            `none` reads each batch from the shards; `auto` chooses by the free memory.
        device: Device of the batches.

    Raises:
        StreamError: the dataset cannot be used, lacks the voxels, points or split, has fewer
            shapes than a batch or fewer points than needed, or does not fit where it is pinned.
    """

    config: StreamConfig
    placement: str
    """Memory that keeps the shapes: `none`, `ram` or `device`."""
    bytes: int
    """Bytes of the split's shapes, as stored."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: StreamConfig,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
        pin: str = "auto",
        device: torch.device | str = "cpu",
    ) -> None:
        if workers < 0:
            raise StreamError(f"workers: got {workers}, takes 0 or more")
        self._disk = open_split(Path(path), config)
        if not self._disk.dataset.splits:
            config = replace(config, split="")
        self.config = config = with_stored_sets(config, self._disk.dataset)
        self._device, self._workers = torch.device(device), workers
        counts = self._disk.dataset.point_counts
        stored = min((counts[name] for name in config.sets if name in counts), default=0)
        self._order = BatchOrder(config, len(self._disk.numbers), stored, rank, world)
        self.bytes = stored_bytes(config, self.shape_count, stored)
        self.placement = placement(pin, self.bytes, self._device, world)
        # A tensor, not a number: GPUs would multiply by its inverse, which rounds differently.
        self._pinned: MemorySource | None = None
        self._steps = torch.full((), POSITION_STEPS, dtype=torch.float32, device=self._device)

    @property
    def shape_count(self) -> int:
        """Shapes in the split."""
        return len(self._disk.numbers)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches per pass over the shapes."""
        return self._order.steps_per_epoch

    @property
    def ids(self) -> list[str]:
        """Ids of the split's shapes."""
        ids = self._disk.dataset.ids
        return [ids[number] for number in self._disk.numbers]

    @property
    def finest(self) -> int:
        """The highest resolution of the dataset's voxels.

        Raises:
            DatasetError: the dataset has no voxels.
        """
        return self._disk.dataset.finest

    @property
    def categories(self) -> list[str]:
        """Categories of the split's shapes: synset ids or folders."""
        categories = self._disk.dataset.categories
        return [categories[number] for number in self._disk.numbers]

    def whole_voxels(self, resolution: int, limit: int) -> Iterator[Tensor]:
        """Grids (R, R, R), on the CPU, of at most `limit` shapes evenly spaced in the split.

        Raises:
            StreamError: a shard is missing or damaged.
        """
        for number in evenly_spaced(self.shape_count, limit):
            try:
                grid = self._disk.read_field(voxel_name(resolution), number)
            except DatasetError as error:
                raise StreamError(str(error)) from error
            yield torch.from_numpy(grid).float()

    def batches(self, start: int = 0) -> Generator[VoxelBatch | PointBatch, None, None]:
        """This rank's batches of the steps `start`, `start + 1` and so on, without end.

        Closing or deleting the iterator ends its loader workers.

        Raises:
            StreamError: a shard is missing or damaged, or a loader worker died.
        """
        for stored in self._stored_batches(start):
            if isinstance(stored, ReadFailure):
                raise StreamError(stored.message)
            yield self._decode(self._to_device(stored))

    def _stored_batches(self, start: int) -> Iterator[StoredBatch | ReadFailure]:
        steps = StepDataset(self._source(), self.config, self._order)
        if self.placement == "none" and self._workers:
            yield from _read_ahead(steps, start, self._workers, self._device.type == "cuda")
        else:
            yield from map(steps.__getitem__, itertools.count(start))

    def release(self) -> None:
        """Free pinned memory; the next iterator reads the shapes again."""
        self._pinned = None

    def _source(self) -> FieldSource:
        if self.placement == "none":
            return self._disk
        if self._pinned is None:
            self._pinned = self._load()
        return self._pinned

    def _load(self) -> MemorySource:
        where = self._device if self.placement == "device" else torch.device("cpu")
        try:
            return MemorySource.load(self._disk, field_names(self.config), where)
        except DatasetError as error:
            raise StreamError(str(error)) from error
        finally:
            self._disk.dataset.close()

    def _to_device(self, stored: StoredBatch) -> StoredBatch:
        return {name: moved(values, self._device) for name, values in stored.items()}

    def _decode(self, stored: StoredBatch) -> VoxelBatch | PointBatch:
        config, indices = self.config, stored[INDICES]
        if config.kind == "voxels":
            name = voxel_name(config.size)
            thin = stored[THIN_PREFIX + name].float() if config.thin_parts else None
            return VoxelBatch(indices, stored[name].float(), thin)
        sets = (BALANCED,) if config.balanced else config.sets
        points = {
            name: (
                stored[position_name(name)].float() / self._steps,
                stored[sdf_name(name)].float(),
            )
            for name in sets
        }
        thin = stored[THIN_UNIFORM].float() if config.thin_parts else None
        return PointBatch(indices, points, thin)


def _read_ahead(
    steps: StepDataset, start: int, workers: int, pinned: bool
) -> Iterator[StoredBatch | ReadFailure]:
    """Read the steps in workers; they end with this iterator."""
    loader: DataLoader[Any] = DataLoader(
        steps,  # type: ignore[arg-type]  # a loader needs no more of a dataset
        batch_size=None,
        sampler=itertools.count(start),
        num_workers=workers,
        worker_init_fn=_ignore_parent_signals,
        pin_memory=pinned,
        generator=torch.Generator(),  # otherwise it draws from the global one
    )
    running = [_start(loader)]

    def stop() -> None:
        running.clear()

    # Before multiprocessing's own exit handler, which waits for workers that never end.
    atexit.register(stop)
    try:
        while True:
            yield _next(running[0])
    finally:
        atexit.unregister(stop)
        stop()


def _start(loader: DataLoader[Any]) -> Iterator[Any]:
    """Start the workers; the death of one shows when its batch is read.

    Torch's own handler would raise an error out of whatever line is running then.
    """
    handler = signal.getsignal(signal.SIGCHLD)
    # Workers inherit the blocked signals, so they are safe before they set their own handlers.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENT_SIGNALS)
    try:
        loaded = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, handler)
    return loaded


def _next(loaded: Iterator[Any]) -> StoredBatch | ReadFailure:
    try:
        batch: StoredBatch | ReadFailure = next(loaded)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        return ReadFailure(
            "a loader worker was killed, perhaps for lack of memory: lower --workers or"
            " --batch-size"
        )
    return batch


def _ignore_parent_signals(_worker: int) -> None:
    for number in _PARENT_SIGNALS:
        signal.signal(number, signal.SIG_IGN)

"""Shards -> batches on a device, in an order that is a pure function of seed and step.

stream = Stream("datasets/chairs", StreamConfig("voxels", 32, batch=16), device="cuda")
for batch in stream.batches(start=1000):        # as if steps 0 to 999 had been taken
    batch.voxels                                # (16, 32, 32, 32) float32 on the GPU

What is small enough is kept in memory (`memory.py`); all else is read from the shards, by this
process or by loader workers, only the chunks that a batch needs. Numbers travel as they are
stored, and are decoded on the device.
"""

import atexit
import itertools
import os
import signal
import threading
from collections.abc import Generator, Iterator
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
from shapegan.model.streaming.memory import placement, stored_bytes
from shapegan.model.streaming.order import Order
from shapegan.model.streaming.sources import (
    INDICES,
    Disk,
    Encoded,
    Failure,
    Memory,
    Source,
    Steps,
    field_names,
)
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.schema import POSITION_STEPS, position_name, sdf_name, voxel_name

__all__ = ["BALANCED", "PointBatch", "Stream", "StreamConfig", "StreamError", "VoxelBatch"]

_FOR_THE_PARENT = (signal.SIGINT, signal.SIGTERM)
"""What is sent to all processes of a run must not end those that its last steps need."""


class Stream:
    """The batches of a split.

    Args:
        path: The dataset's folder.
        config: What a batch is.
        rank: This process, of `world` that share each batch: rank r gets the r-th slice of it.
        world: Processes.
        workers: Loader processes that read ahead; none are started where shapes are in memory.
        pin: `ram` or `device` keeps all of the split there from the first batch until the
            iterator is closed; `none` reads each batch from the shards; `auto` chooses by what
            is free.
        device: Where batches go.

    Raises:
        StreamError: where the dataset cannot be used, lacks what is asked for, has fewer shapes
            than a batch or fewer points than asked for, or does not fit where it is pinned.
    """

    config: StreamConfig
    placement: str
    """`none`, `ram` or `device`: where the shapes are kept."""
    bytes: int
    """What the split's shapes take, as stored."""

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
        self.config = config
        self._device, self._workers = torch.device(device), workers
        self._disk = _opened(Path(path), config)
        stored = self._disk.dataset.config.points
        self._order = Order(config, len(self._disk.numbers), stored, rank, world)
        self.bytes = stored_bytes(config, self.shape_count, stored)
        self.placement = placement(pin, self.bytes, self._device, world)
        # A tensor, not a number: GPUs multiply by the inverse of a number, and round otherwise.
        self._steps = torch.full((), POSITION_STEPS, dtype=torch.float32, device=self._device)

    @property
    def shape_count(self) -> int:
        """Shapes in the split."""
        return len(self._disk.numbers)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in a pass over the shapes."""
        return self._order.steps_per_epoch

    @property
    def ids(self) -> list[str]:
        """Id of each shape of the split."""
        ids = self._disk.dataset.ids
        return [ids[number] for number in self._disk.numbers]

    @property
    def categories(self) -> list[str]:
        """Synset id, or folder, of each shape of the split."""
        categories = self._disk.dataset.categories
        return [categories[number] for number in self._disk.numbers]

    def batches(self, start: int = 0) -> Generator[VoxelBatch | PointBatch, None, None]:
        """This rank's batches of the steps `start`, `start + 1` and so on, without end.

        Close the iterator, or drop it, and its loader workers leave; so does what it pinned.

        Raises:
            StreamError: where a shard is gone or torn, or a loader worker died.
        """
        for encoded in self._encoded(start):
            if isinstance(encoded, Failure):
                raise StreamError(encoded.message)
            yield self._decode(self._to_device(encoded))

    def _encoded(self, start: int) -> Iterator[Encoded | Failure]:
        steps = Steps(self._source(), self.config, self._order)
        if self.placement == "none" and self._workers:
            yield from _read_ahead(steps, start, self._workers, self._device.type == "cuda")
        else:
            yield from map(steps.__getitem__, itertools.count(start))

    def _source(self) -> Source:
        if self.placement == "none":
            return self._disk
        where = self._device if self.placement == "device" else torch.device("cpu")
        try:
            return Memory.load(self._disk, field_names(self.config), where)
        except DatasetError as error:
            raise StreamError(str(error)) from error
        finally:
            self._disk.dataset.close()

    def _to_device(self, encoded: Encoded) -> Encoded:
        return {name: self._moved(values) for name, values in encoded.items()}

    def _moved(self, values: Tensor) -> Tensor:
        if self._device.type != "cuda" or values.is_cuda:
            return values.to(self._device)
        return values.pin_memory().to(self._device, non_blocking=True)

    def _decode(self, encoded: Encoded) -> VoxelBatch | PointBatch:
        config, shapes = self.config, encoded[INDICES]
        if config.kind == "voxels":
            return VoxelBatch(shapes, encoded[voxel_name(config.size)].float())
        sets = (BALANCED,) if config.balanced else config.sets
        points = {
            name: (
                encoded[position_name(name)].float() / self._steps,
                encoded[sdf_name(name)].float(),
            )
            for name in sets
        }
        return PointBatch(shapes, points)


def _opened(path: Path, config: StreamConfig) -> Disk:
    """The split's shapes."""
    try:
        dataset = Dataset(path)
        splits = dataset.splits
    except DatasetError as error:
        raise StreamError(str(error)) from error
    if config.kind == "voxels":
        _check_has(path, "voxels of resolution", config.size, dataset.resolutions, "--stages")
    else:
        for name in config.sets:
            _check_has(path, "point set", name, dataset.point_sets, "--recipe voxel")
    if not config.split or not splits:
        return Disk(dataset, range(len(dataset)))
    _check_has(path, "shapes in split", config.split, tuple(splits), "--split")
    return Disk(dataset, splits[config.split])


def _check_has(
    path: Path, what: str, wanted: object, there: tuple[object, ...], option: str
) -> None:
    if wanted not in there:
        listed = ", ".join(str(one) for one in there) or "none"
        raise StreamError(
            f"{path} has no {what} {wanted}, there are: {listed}; choose with {option}, or"
            " preprocess the meshes into another dataset"
        )


def _read_ahead(
    steps: Steps, start: int, workers: int, pinned: bool
) -> Iterator[Encoded | Failure]:
    """Has workers read the steps; they leave with this iterator."""
    loader: DataLoader[Any] = DataLoader(
        steps,  # type: ignore[arg-type]  # all that a loader wants of a dataset
        batch_size=None,
        sampler=itertools.count(start),
        num_workers=workers,
        worker_init_fn=_leave_signals_to_the_parent,
        pin_memory=pinned,
        generator=torch.Generator(),  # or it would draw from the global one
    )
    running = [_started(loader)]

    def stop() -> None:
        running.clear()

    # Before multiprocessing's own way of ending them, which waits for what does not end.
    atexit.register(stop)
    try:
        while True:
            yield _next(running[0])
    finally:
        atexit.unregister(stop)
        stop()


def _started(loader: DataLoader[Any]) -> Iterator[Any]:
    """Starts the workers, and has the death of one noticed when its batch is asked for.

    Torch would raise an error out of whatever line runs when it happens.
    """
    handler = signal.getsignal(signal.SIGCHLD)
    # Workers inherit this, and so are safe before they can say for themselves what they ignore.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_PARENT)
    try:
        loaded = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, handler)
    return loaded


def _next(loaded: Iterator[Any]) -> Encoded | Failure:
    try:
        batch: Encoded | Failure = next(loaded)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        return Failure(
            "a loader worker was killed, perhaps for want of memory: take fewer of them, or"
            " smaller batches"
        )
    return batch


def _leave_signals_to_the_parent(_worker: int) -> None:
    for number in _FOR_THE_PARENT:
        signal.signal(number, signal.SIG_IGN)

"""Streams of a small dataset, and batches compared."""

import itertools

import pytest
import torch

from shapegan.model.streaming.batches import PointBatch, StreamConfig, VoxelBatch
from shapegan.model.streaming.stream import Stream
from shapegan.pipeline.config import PreprocessConfig

STORED = 10_000
CONFIG = PreprocessConfig(resolutions=(4, 8), points=STORED, shard_size=5)
VOXELS = StreamConfig("voxels", 8, batch=3, seed=1)
POINTS = StreamConfig("points", 700, batch=3, seed=1, sets=("uniform", "surface"))
BALANCED = StreamConfig("points", 700, batch=3, sets=("uniform", "surface"), balanced=True)
ALL = pytest.mark.parametrize("config", [VOXELS, POINTS, BALANCED], ids=["voxels", "points", "bal"])
WITH_WORKERS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def take(stream: Stream, start: int, count: int) -> list[VoxelBatch | PointBatch]:
    batches = stream.batches(start)
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def tensors(batch: VoxelBatch | PointBatch) -> list[torch.Tensor]:
    if isinstance(batch, VoxelBatch):
        return [batch.indices, batch.voxels]
    return [batch.indices, *itertools.chain.from_iterable(batch.points.values())]


def assert_same(left: list[VoxelBatch | PointBatch], right: list[VoxelBatch | PointBatch]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert all(map(torch.equal, tensors(one), tensors(other)))
        assert len(tensors(one)) == len(tensors(other))


def joined(parts: list[VoxelBatch | PointBatch]) -> list[torch.Tensor]:
    """The global batch of the ranks'."""
    return [torch.cat(columns) for columns in zip(*map(tensors, parts), strict=True)]

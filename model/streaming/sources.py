"""Sources of a stream's data, as stored: the shards, or memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shapegan.model.streaming.batches import BALANCED, StreamConfig
from shapegan.model.streaming.memory import moved
from shapegan.model.streaming.order import BatchOrder, Int64Array
from shapegan.model.streaming.thin_parts import (
    THIN_RESOLUTION,
    thin_distances_at,
    thin_part_distances,
)
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.schema import position_name, sdf_name, voxel_name

StoredBatch = dict[str, Tensor]
"""A batch as stored: field -> (b, ...), and `indices` (b,) int64."""
INDICES = "indices"
THIN_PREFIX = "thin/"
"""Prefix of fields that are computed from voxels: the distances to thin parts. `thin/voxels/64`
(N, R, R, R) float16 has them at the voxels, `thin/uniform/sdf` (N, P) float16 at the points."""
THIN_UNIFORM = THIN_PREFIX + sdf_name("uniform")


class FieldSource(Protocol):
    """Source of the fields of a split's shapes."""

    def read_rows(self, name: str, indices: Int64Array, starts: Int64Array, rows: int) -> Tensor:
        """Read `rows` rows of a field from each start: (b, rows, ...)."""


@dataclass(frozen=True)
class ShardSource:
    """The shards themselves; each process opens its own handles."""

    dataset: Dataset
    numbers: Sequence[int]
    """Indices of the split's shapes in the dataset."""

    def read_rows(self, name: str, indices: Int64Array, starts: Int64Array, rows: int) -> Tensor:
        """Read from the shards; see `FieldSource`."""
        if name.startswith(THIN_PREFIX):
            parts = [
                self.read_field(name, shape)[start : start + rows]
                for shape, start in zip(indices.tolist(), starts.tolist(), strict=True)
            ]
        else:
            parts = [
                self.dataset.stored(self.numbers[shape], name, start, start + rows)
                for shape, start in zip(indices.tolist(), starts.tolist(), strict=True)
            ]
        return torch.from_numpy(np.stack(parts))

    def read_field(self, name: str, shape: int) -> NDArray[Any]:
        """Read or compute a whole field of a shape, by its position in the split."""
        number = self.numbers[shape]
        if not name.startswith(THIN_PREFIX):
            return self.dataset.stored(number, name)
        if name != THIN_UNIFORM:
            voxels = self.dataset.stored(number, name.removeprefix(THIN_PREFIX))
            return thin_part_distances(voxels.astype(np.float32))
        thin = thin_part_distances(self.dataset.voxels(number, THIN_RESOLUTION))
        frame = self.dataset.frame(number)
        size = frame.scale_sphere / frame.scale_cube
        return thin_distances_at(thin, self.dataset.points(number, "uniform")[0], size)


@dataclass(frozen=True)
class MemorySource:
    """Whole fields in RAM or on a device."""

    fields: dict[str, Tensor]
    """Field -> (S, ...), as stored."""

    @classmethod
    def load(
        cls, source: ShardSource, names: Sequence[str], device: torch.device
    ) -> "MemorySource":
        """Read fields of all shapes.

        Raises:
            DatasetError: a shard is missing or damaged.
        """
        fields = {}
        for name in names:
            for place in range(len(source.numbers)):
                values = torch.from_numpy(source.read_field(name, place))
                if place == 0:
                    size = (len(source.numbers), *values.shape)
                    fields[name] = torch.empty(size, dtype=values.dtype, device=device)
                fields[name][place].copy_(values)
        return cls(fields)

    def read_rows(self, name: str, indices: Int64Array, starts: Int64Array, rows: int) -> Tensor:
        """Copy from memory; see `FieldSource`."""
        field = self.fields[name]
        pairs = zip(indices.tolist(), starts.tolist(), strict=True)
        return torch.stack([field[shape, start : start + rows] for shape, start in pairs])


@dataclass(frozen=True)
class ReadFailure:
    """Message of an error in reading; exceptions of loader workers would lose their type."""

    message: str


@dataclass(frozen=True)
class StepDataset:
    """The batches of one rank, by step, for a `DataLoader`."""

    source: FieldSource
    config: StreamConfig
    order: BatchOrder

    def __getitem__(self, step: int) -> StoredBatch | ReadFailure:
        """Read the batch of a step, or report what is wrong with the dataset."""
        try:
            return self._read(step)
        except DatasetError as error:
            return ReadFailure(str(error))

    def _read(self, step: int) -> StoredBatch:
        plan = self.order.plan(step)
        indices = torch.from_numpy(plan.indices.copy())
        if self.config.kind == "voxels":
            grids = {
                name: self.source.read_rows(name, plan.indices, plan.starts, self.config.size)
                for name in field_names(self.config)
            }
            return {INDICES: indices} | grids
        fields = {
            name: self.source.read_rows(name, plan.indices, plan.starts, self.order.rows)
            for name in field_names(self.config)
        }
        if self.config.balanced:
            fields = _balanced(fields, self.config, torch.from_numpy(plan.search_starts.copy()))
        return {INDICES: indices} | fields


def field_names(config: StreamConfig) -> list[str]:
    """Fields that a stream reads."""
    if config.kind == "voxels":
        name = voxel_name(config.size)
        return [name, THIN_PREFIX + name] if config.thin_parts else [name]
    fields = [field for name in config.sets for field in (position_name(name), sdf_name(name))]
    return [*fields, THIN_UNIFORM] if config.thin_parts else fields


def _balanced(fields: StoredBatch, config: StreamConfig, search_starts: Tensor) -> StoredBatch:
    """Draw balanced points from all sets together; the rows of the sets alternate."""
    sets = len(config.sets)
    positions = torch.cat([fields[position_name(name)] for name in config.sets], dim=1)
    sdf = torch.stack([fields[sdf_name(name)] for name in config.sets], dim=2).flatten(1)
    rows = balanced_rows(sdf < 0, moved(search_starts, sdf.device) * sets, config.size)
    places = rows % sets * (sdf.shape[1] // sets) + rows // sets
    return {
        position_name(BALANCED): positions.gather(1, places[:, :, None].expand(-1, -1, 3)),
        sdf_name(BALANCED): sdf.gather(1, rows),
    }


def balanced_rows(inside: Tensor, search_starts: Tensor, count: int) -> Tensor:
    """Choose rows half inside and half outside: (b, count) int64, `count // 2` inside first.

    The rows of each side are taken in order, from `search_starts` on and around the end, repeatedly
    if there are too few of them (as many inside as outside, as in DeepSDF's code). A shape without
    rows on one side has all from the other. The rows must lie in random order; no random number is
    drawn here, so the result is the same on any device.

    Args:
        inside: (b, M) bool.
        search_starts: (b,) int64, below M.
        count: Number of rows to choose.
    """
    within = inside.cumsum(dim=1, dtype=torch.int32)
    all_rows = torch.arange(1, inside.shape[1] + 1, dtype=torch.int32, device=inside.device)
    sides = ((within, count // 2), (all_rows - within, count - count // 2))
    return torch.cat(
        [_next_rows(ranks, search_starts[:, None], wanted) for ranks, wanted in sides], dim=1
    )


def _next_rows(ranks: Tensor, search_starts: Tensor, count: int) -> Tensor:
    """Next `count` rows of a side from row `search_starts` on, repeated as needed: (b, count).

    Args:
        ranks: (b, M) int32, number of rows on this side up to each row.
        search_starts: (b, 1) int64.
        count: Number of rows to choose.
    """
    rows, total = ranks.shape[1], ranks[:, -1:]
    passed = torch.where(search_starts > 0, ranks.gather(1, (search_starts - 1).clamp(min=0)), 0)
    following = torch.arange(count, dtype=torch.int32, device=ranks.device)
    wanted = (passed + following) % total.clamp(min=1) + 1
    found = torch.searchsorted(ranks, wanted)
    # If no row lies on this side, all lie on the other.
    return torch.where(total > 0, found, (search_starts + following) % rows)

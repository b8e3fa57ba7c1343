"""Where a stream takes its numbers from, as they are stored: the shards, or memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from shapegan.model.streaming.batches import BALANCED, StreamConfig
from shapegan.model.streaming.order import Numbers, Order
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.schema import position_name, sdf_name, voxel_name

Encoded = dict[str, Tensor]
"""A batch as it is stored: field -> (b, ...), and `indices` (b,) int64."""
INDICES = "indices"


class Source(Protocol):
    """Fields of a split's shapes."""

    def take(self, name: str, shapes: Numbers, starts: Numbers, rows: int) -> Tensor:
        """Rows of a field, `rows` from each start: (b, rows, ...)."""


@dataclass(frozen=True)
class Disk:
    """The shards themselves; each process opens them for itself."""

    dataset: Dataset
    numbers: Sequence[int]
    """Of the split's shapes in the dataset."""

    def take(self, name: str, shapes: Numbers, starts: Numbers, rows: int) -> Tensor:
        """Reads them."""
        parts = [
            self.dataset.stored(self.numbers[shape], name, start, start + rows)
            for shape, start in zip(shapes.tolist(), starts.tolist(), strict=True)
        ]
        return torch.from_numpy(np.stack(parts))


@dataclass(frozen=True)
class Memory:
    """Whole fields in RAM, or on a device."""

    fields: dict[str, Tensor]
    """Field -> (S, ...), as stored."""

    @classmethod
    def load(cls, source: Disk, names: Sequence[str], device: torch.device) -> "Memory":
        """Reads the fields of all shapes.

        Raises:
            DatasetError: where a shard is gone or torn.
        """
        fields = {}
        for name in names:
            for place, number in enumerate(source.numbers):
                values = torch.from_numpy(source.dataset.stored(number, name))
                if place == 0:
                    size = (len(source.numbers), *values.shape)
                    fields[name] = torch.empty(size, dtype=values.dtype, device=device)
                fields[name][place].copy_(values)
        return cls(fields)

    def take(self, name: str, shapes: Numbers, starts: Numbers, rows: int) -> Tensor:
        """Copies them together."""
        field = self.fields[name]
        pairs = zip(shapes.tolist(), starts.tolist(), strict=True)
        return torch.stack([field[shape, start : start + rows] for shape, start in pairs])


@dataclass(frozen=True)
class Failure:
    """What went wrong in reading; it crosses from a loader worker whole, as errors do not."""

    message: str


@dataclass(frozen=True)
class Steps:
    """The batches of one rank by their step, for a `DataLoader`."""

    source: Source
    config: StreamConfig
    order: Order

    def __getitem__(self, step: int) -> Encoded | Failure:
        """The batch of a step, or what is wrong with the dataset."""
        try:
            return self._read(step)
        except DatasetError as error:
            return Failure(str(error))

    def _read(self, step: int) -> Encoded:
        plan = self.order.plan(step)
        shapes = torch.from_numpy(plan.indices.copy())
        if self.config.kind == "voxels":
            name = voxel_name(self.config.size)
            grids = self.source.take(name, plan.indices, plan.starts, self.config.size)
            return {INDICES: shapes, name: grids}
        fields = {
            name: self.source.take(name, plan.indices, plan.starts, self.order.rows)
            for name in field_names(self.config)
        }
        if self.config.balanced:
            fields = _balanced(fields, self.config, torch.from_numpy(plan.turns.copy()))
        return {INDICES: shapes} | fields


def field_names(config: StreamConfig) -> list[str]:
    """The fields that a stream reads."""
    if config.kind == "voxels":
        return [voxel_name(config.size)]
    return [field for name in config.sets for field in (position_name(name), sdf_name(name))]


def _balanced(fields: Encoded, config: StreamConfig, turns: Tensor) -> Encoded:
    """Draws points out of all sets together; rows of the sets alternate."""
    sets = len(config.sets)
    positions = torch.cat([fields[position_name(name)] for name in config.sets], dim=1)
    sdf = torch.stack([fields[sdf_name(name)] for name in config.sets], dim=2).flatten(1)
    rows = balanced_rows(sdf < 0, turns.to(sdf.device) * sets, config.size)
    places = rows % sets * (sdf.shape[1] // sets) + rows // sets
    return {
        position_name(BALANCED): positions.gather(1, places[:, :, None].expand(-1, -1, 3)),
        sdf_name(BALANCED): sdf.gather(1, rows),
    }


def balanced_rows(inside: Tensor, turns: Tensor, count: int) -> Tensor:
    """Chooses rows half inside and half outside: (b, count) int64, `count // 2` inside first.

    Each side's rows are taken one after the other from `turns` on, around the end, and again
    where there are too few of them (DeepSDF, section 4: as many inside as outside). A shape with
    no row on one side has all from the other. Rows must lie in random order, then so do those
    chosen; no random number is drawn here, so the result is the same on any device.

    Args:
        inside: (b, M) bool.
        turns: (b,) int64, below M.
        count: Rows to choose.
    """
    within = inside.cumsum(dim=1, dtype=torch.int32)
    all_rows = torch.arange(1, inside.shape[1] + 1, dtype=torch.int32, device=inside.device)
    sides = ((within, count // 2), (all_rows - within, count - count // 2))
    return torch.cat([_next_rows(ranks, turns[:, None], wanted) for ranks, wanted in sides], dim=1)


def _next_rows(ranks: Tensor, turns: Tensor, count: int) -> Tensor:
    """The next `count` rows of a side from row `turns` (b, 1) on, over and over: (b, count).

    Args:
        ranks: (b, M) int32, how many of the rows up to each one lie on this side.
        turns: (b, 1) int64.
        count: Rows to choose.
    """
    rows, total = ranks.shape[1], ranks[:, -1:]
    passed = torch.where(turns > 0, ranks.gather(1, (turns - 1).clamp(min=0)), 0)
    following = torch.arange(count, dtype=torch.int32, device=ranks.device)
    wanted = (passed + following) % total.clamp(min=1) + 1
    found = torch.searchsorted(ranks, wanted)
    # Where no row lies on this side, all lie on the other.
    return torch.where(total > 0, found, (turns + following) % rows)

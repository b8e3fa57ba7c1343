"""Map-style datasets for `torch.utils.data.DataLoader`, for training loops of other projects.

from torch.utils.data import DataLoader
from shapegan.model import PointDataset

data = PointDataset("datasets/chairs", points=4096, split="train")
for batch in DataLoader(data, batch_size=16, shuffle=True, num_workers=4):
    batch.points, batch.sdf                     # (16, 4096, 3) and (16, 4096) float32

Items are read from the shards one by one. `Stream` reads whole batches, and keeps small datasets in
memory; it is the faster way where its order of batches will do.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from shapegan.model.streaming.batches import StreamError
from shapegan.model.streaming.order import window_starts
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.dataset.reader import Dataset


class VoxelItem(NamedTuple):
    """A shape as a voxel grid; a `DataLoader` makes batches of the same type."""

    indices: int | Tensor
    """Position in the dataset, such as for latents of an autodecoder; (B,) int64 in a batch."""
    voxels: Tensor
    """(R, R, R) float32, signed distances, cube frame, index order x, y, z; (B, R, R, R) in a
    batch."""


class PointItem(NamedTuple):
    """A shape as points with distances; a `DataLoader` makes batches of the same type."""

    indices: int | Tensor
    """Position in the dataset, such as for latents of an autodecoder; (B,) int64 in a batch."""
    points: Tensor
    """(N, 3) float32, positions, sphere frame; (B, N, 3) in a batch."""
    sdf: Tensor
    """(N,) float32, signed distances, sphere frame; (B, N) in a batch."""


class _MapDataset(TorchDataset[Any]):
    """The shapes of a split by position.

    It may be pickled, and used on both sides of a fork: each process opens the shards itself.
    """

    def __init__(self, path: str | os.PathLike[str], split: str | None) -> None:
        try:
            self._dataset = Dataset(path)
            splits = self._dataset.splits
        except DatasetError as error:
            raise StreamError(str(error)) from error
        if split is None:
            self._numbers: Sequence[int] = range(len(self._dataset))
        elif split in splits:
            self._numbers = splits[split]
        else:
            listed = ", ".join(splits) or "none"
            raise StreamError(
                f"{path} has no split {split!r}, it has: {listed}; `shapegan split` makes splits"
            )

    def __len__(self) -> int:
        """Number of shapes."""
        return len(self._numbers)

    @property
    def ids(self) -> list[str]:
        """Id of each shape."""
        ids = self._dataset.ids
        return [ids[number] for number in self._numbers]

    @property
    def categories(self) -> list[str]:
        """Synset id, or folder, of each shape."""
        categories = self._dataset.categories
        return [categories[number] for number in self._numbers]

    def _number(self, index: int) -> tuple[int, int]:
        """Position of a shape, 0 or more, and its index in the whole dataset."""
        place = int(index) + len(self) if index < 0 else int(index)
        if not 0 <= place < len(self):
            raise IndexError(f"got shape {index}, there are {len(self)}")
        return place, self._numbers[place]


class VoxelDataset(_MapDataset):
    """The voxel grids of a split, for a `DataLoader`.

    Args:
        path: Folder of the dataset.
        resolution: R; one of the dataset's.
        split: Name of a split; None for all shapes.
        transform: Applied to each grid, such as `lambda voxels: voxels.clamp(-0.1, 0.1)`.

    Raises:
        StreamError: the dataset cannot be used, or lacks the resolution or the split.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        resolution: int = 64,
        split: str | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(path, split)
        _check_has(path, "voxels of resolution", resolution, self._dataset.resolutions)
        self.resolution, self.transform = resolution, transform

    def __getitem__(self, index: int) -> VoxelItem:
        """Read a shape.

        Raises:
            IndexError: there is no such shape.
            DatasetError: its shard is missing or damaged.
        """
        place, number = self._number(index)
        voxels = torch.from_numpy(self._dataset.voxels(number, self.resolution))
        return VoxelItem(place, voxels if self.transform is None else self.transform(voxels))


class PointDataset(_MapDataset):
    """Random points of each shape of a split, others at each access, for a `DataLoader`.

    Points are stored in random order, so an item is a window of consecutive rows at a random
    place: a fair sample, of which one or two chunks are read. The place comes from torch's random
    numbers, so `torch.manual_seed` decides it, and each loader worker draws others.

    Args:
        path: Folder of the dataset.
        points: N, points of each item.
        point_set: One of the dataset's: `uniform`, `surface`, ...
        split: Name of a split; None for all shapes.
        transform: Applied to the points (N, 3) and distances (N,) of each item; gives both.

    Raises:
        StreamError: the dataset cannot be used, or lacks the split, the set or as many points.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        points: int = 4096,
        point_set: str = "uniform",
        split: str | None = None,
        transform: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        super().__init__(path, split)
        _check_has(path, "point set", point_set, self._dataset.point_sets)
        self._stored = stored = self._dataset.point_counts[point_set]
        if not 1 <= points <= stored:
            raise StreamError(f"points: got {points}, {path} has 1 to {stored} per shape and set")
        self.points, self.point_set, self.transform = points, point_set, transform

    def __getitem__(self, index: int) -> PointItem:
        """Read a random window of a shape's points.

        Raises:
            IndexError: there is no such shape.
            DatasetError: its shard is missing or damaged.
        """
        place, number = self._number(index)
        source = np.random.default_rng(int(torch.randint(2**63 - 1, ())))
        (start,) = window_starts(source, 1, self.points, self._stored).tolist()
        positions, sdf = self._dataset.points(number, self.point_set, start, self.points)
        found = torch.from_numpy(positions), torch.from_numpy(sdf)
        return PointItem(place, *(found if self.transform is None else self.transform(*found)))


def _check_has(
    path: str | os.PathLike[str], noun: str, wanted: object, available: Sequence[object]
) -> None:
    if wanted not in available:
        listed = ", ".join(map(str, available)) or "none"
        raise StreamError(f"{path} has no {noun} {wanted}, there are: {listed}")

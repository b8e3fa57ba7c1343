"""The order of batches: shapes, and rows of their points, as a pure function of the step.

There is no state, so a run may start anywhere, and every rank and every loader worker computes the
same global batch.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shapegan.model.streaming.batches import StreamConfig, StreamError
from shapegan.pipeline.schema import POINT_CHUNK

BALANCED_POOL = 4
"""Rows of each set per balanced point that is drawn from them, if the dataset has as many."""
_SHAPES, _WINDOWS, _SEARCHES = range(3)
"""Purposes of random numbers; each has a stream of its own."""

Int64Array = NDArray[np.int64]


@dataclass(frozen=True)
class BatchPlan:
    """Shapes and rows that one rank reads for one step."""

    indices: Int64Array
    """(b,) positions in the split."""
    starts: Int64Array
    """(b,) first rows of the windows of points, contiguous rows of a shape."""
    search_starts: Int64Array
    """(b,) rows of the windows at which the search for balanced points starts."""


@dataclass(frozen=True)
class BatchOrder:
    """The plans of all steps.

    Args:
        config: Settings of the stream.
        shape_count: Shapes in the split.
        stored: Points per shape and set in the dataset.
        rank: Rank of this process.
        world: Number of processes that share each batch.

    Raises:
        StreamError: there are too few shapes or points, or the batch cannot be divided.
    """

    config: StreamConfig
    shape_count: int
    stored: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        """Check all settings."""
        batch, size = self.config.batch, self.config.size
        if not 0 <= self.rank < self.world:
            raise StreamError(f"rank {self.rank}: there are {self.world} processes")
        if batch % self.world:
            raise StreamError(
                f"a batch of {batch} cannot be divided among {self.world} processes:"
                f" use a multiple of {self.world}"
            )
        if self.shape_count < batch:
            raise StreamError(
                f"too few shapes: {self.shape_count} in {self.config.where}, {batch} in a batch:"
                f" lower --batch-size to {self.shape_count}"
            )
        if self.config.kind == "points" and size > self.stored:
            raise StreamError(
                f"too few points: the dataset has {self.stored} per shape and set, the stream needs"
                f" {size}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches per epoch; the shapes left over differ from epoch to epoch."""
        return self.shape_count // self.config.batch

    @property
    def rows(self) -> int:
        """Rows per window of points."""
        wanted = self.config.size * (BALANCED_POOL if self.config.balanced else 1)
        return min(wanted, self.stored)

    def plan(self, step: int) -> BatchPlan:
        """Plan of a step for this rank: its slice of the global batch."""
        config = self.config
        epoch, place = divmod(step, self.steps_per_epoch)
        indices = _permutation(config.seed, epoch, self.shape_count)[place * config.batch :]
        starts = search_starts = np.zeros(config.batch, np.int64)
        if config.kind == "points":
            source = np.random.default_rng([config.seed, _WINDOWS, step])
            starts = window_starts(source, config.batch, self.rows, self.stored)
        if config.balanced:
            source = np.random.default_rng([config.seed, _SEARCHES, step])
            search_starts = source.integers(self.rows, size=config.batch)
        part = config.batch // self.world
        mine = slice(self.rank * part, (self.rank + 1) * part)
        return BatchPlan(indices[mine], starts[mine], search_starts[mine])


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> Int64Array:
    order: Int64Array = np.random.default_rng([seed, _SHAPES, epoch]).permutation(count)
    order.setflags(write=False)
    return order


def window_starts(source: np.random.Generator, count: int, rows: int, stored: int) -> Int64Array:
    """Draw windows that touch as few chunks as possible: (count,) first rows.

    Chunks form blocks, each as long as a window needs, and blocks are cut into as many windows as
    they hold; the rows left over come before or after. All rows are drawn equally often if windows
    fill their blocks, as powers of two do. Only a window at the end of a last, partial chunk may
    touch one chunk more.

    Args:
        source: Random generator.
        count: Number of windows.
        rows: Rows per window.
        stored: Rows of the dataset, at least `rows`.
    """
    needed = -(-rows // POINT_CHUNK)
    chunks = -(-stored // POINT_CHUNK)
    blocks, windows = chunks // needed, needed * POINT_CHUNK // rows
    first = source.integers(blocks, size=count) * needed
    first += source.integers(chunks - blocks * needed + 1, size=count)
    place = source.integers(windows, size=count) * rows
    place += source.integers(needed * POINT_CHUNK - windows * rows + 1, size=count)
    starts: Int64Array = np.minimum(first * POINT_CHUNK + place, stored - rows)
    return starts


def evenly_spaced(count: int, limit: int) -> list[int]:
    """At most `limit` of the numbers below `count`, evenly spaced."""
    wanted = min(count, limit)
    return [place * count // wanted for place in range(wanted)]

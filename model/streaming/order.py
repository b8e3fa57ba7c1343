"""Which shapes, and which rows of their points, each step gets: a pure function of the step.

Nothing is counted along, so a run may begin anywhere, and every rank and every loader worker finds
the same global batch for itself.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shapegan.model.streaming.batches import StreamConfig, StreamError
from shapegan.pipeline.schema import POINT_CHUNK

POOL = 4
"""Balanced points are drawn out of so many times as many rows of each set, if there are."""
_SHAPES, _WINDOWS, _TURNS = range(3)
"""What is drawn: each has a stream of random numbers of its own."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """What one rank reads for one step."""

    indices: Numbers
    """(b,) positions in the split."""
    starts: Numbers
    """(b,) first rows of the windows of points."""
    turns: Numbers
    """(b,) rows of the windows at which the search for balanced points begins."""


@dataclass(frozen=True)
class Order:
    """The plans of all steps.

    Args:
        config: Of the stream.
        shape_count: Shapes in the split.
        stored: Rows of points that the dataset has of each shape.
        rank: This process, of `world` that share each batch.
        world: Processes.

    Raises:
        StreamError: where there are too few shapes or rows, or the batch cannot be shared.
    """

    config: StreamConfig
    shape_count: int
    stored: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        """Refuses what cannot work."""
        batch, size = self.config.batch, self.config.size
        if not 0 <= self.rank < self.world:
            raise StreamError(f"rank {self.rank} asked for, there are {self.world}")
        if batch % self.world:
            raise StreamError(
                f"a batch of {batch} cannot be shared by {self.world} processes:"
                f" take a multiple of {self.world}"
            )
        if self.shape_count < batch:
            raise StreamError(
                f"too few shapes: {self.shape_count} in split {self.config.split or 'of all'},"
                f" {batch} in a batch: take smaller batches"
            )
        if self.config.kind == "points" and size > self.stored:
            raise StreamError(
                f"too few points: the dataset has {self.stored} to a shape and set,"
                f" {size} were asked for"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in a pass over the shapes; the ragged rest sits out, another each time."""
        return self.shape_count // self.config.batch

    @property
    def rows(self) -> int:
        """Length of the windows of points."""
        wanted = self.config.size * (POOL if self.config.balanced else 1)
        return min(wanted, self.stored)

    def plan(self, step: int) -> Plan:
        """What this rank reads for a step: its slice of the global batch."""
        config = self.config
        epoch, place = divmod(step, self.steps_per_epoch)
        shapes = _permutation(config.seed, epoch, self.shape_count)[place * config.batch :]
        starts = turns = np.zeros(config.batch, np.int64)
        if config.kind == "points":
            source = np.random.default_rng([config.seed, _WINDOWS, step])
            starts = window_starts(source, config.batch, self.rows, self.stored)
        if config.balanced:
            source = np.random.default_rng([config.seed, _TURNS, step])
            turns = source.integers(self.rows, size=config.batch)
        part = config.batch // self.world
        mine = slice(self.rank * part, (self.rank + 1) * part)
        return Plan(shapes[mine], starts[mine], turns[mine])


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> Numbers:
    order: Numbers = np.random.default_rng([seed, _SHAPES, epoch]).permutation(count)
    order.setflags(write=False)
    return order


def window_starts(source: np.random.Generator, count: int, rows: int, stored: int) -> Numbers:
    """Draws windows that touch as few chunks as windows of their length can: (count,) first rows.

    Chunks are taken in blocks of as many as a window needs, blocks are cut into as many windows as
    they hold, and what is over is put before or after. So all rows are drawn as often where
    windows fill their blocks, which powers of two do. Only a window at the end of rows that are
    no whole number of chunks may reach back into one chunk more.

    Args:
        source: Random numbers.
        count: Windows.
        rows: Rows to a window.
        stored: Rows that there are, at least `rows`.
    """
    needed = -(-rows // POINT_CHUNK)
    chunks = -(-stored // POINT_CHUNK)
    blocks, windows = chunks // needed, needed * POINT_CHUNK // rows
    first = source.integers(blocks, size=count) * needed
    first += source.integers(chunks - blocks * needed + 1, size=count)
    place = source.integers(windows, size=count) * rows
    place += source.integers(needed * POINT_CHUNK - windows * rows + 1, size=count)
    starts: Numbers = np.minimum(first * POINT_CHUNK + place, stored - rows)
    return starts

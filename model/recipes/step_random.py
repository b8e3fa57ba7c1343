"""Random numbers as functions of seed, stage and step: no state to save, the same on any device.

The numbers of a step are drawn for all processes at once. So a resumed run continues with the same
numbers, and two devices train as one does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from shapegan.model.streaming.memory import moved

LATENTS, MIXING, WEIGHTS, NOISE, PICTURES, CHOICE, LATTICE, TIMES, STRETCH = range(9)
CODES, CENTRES, PLACES = range(9, 12)
"""Purposes of random numbers; each has a stream of its own."""


class RandomNumbers(Protocol):
    """The random numbers of a step; `kind` is a purpose, whose numbers are always the same."""

    def normal(self, kind: int, rows: int, *shape: int) -> Tensor:
        """Standard normal numbers: (rows, *shape)."""

    def uniform(self, kind: int, rows: int, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1): (rows, *shape)."""

    def shared_integers(self, kind: int, below: int, *shape: int) -> Tensor:
        """Integers from 0 to `below` - 1, the same on all ranks: (*shape,) int64."""


class StepRandom:
    """The random numbers of one step.

    Args:
        seed: Seed of the run.
        place: Stage and step, or other numbers that identify the place in the run.
        rank: Rank of this process; each process gets its slice of the global batch.
        world: Number of processes.
        device: Device of the numbers.
    """

    def __init__(
        self,
        seed: int,
        *place: int,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        self._key = [seed, *place]
        self._rank, self._world, self._device = rank, world, torch.device(device)

    def normal(self, kind: int, rows: int, *shape: int) -> Tensor:
        """Draw standard normal numbers: (rows, *shape), this rank's slice of `rows * world`."""
        return self._slice(
            torch.randn((rows * self._world, *shape), generator=self._generator(kind))
        )

    def uniform(self, kind: int, rows: int, *shape: int) -> Tensor:
        """Draw uniform numbers in [0, 1): (rows, *shape), this rank's slice of `rows * world`."""
        return self._slice(
            torch.rand((rows * self._world, *shape), generator=self._generator(kind))
        )

    def shared_integers(self, kind: int, below: int, *shape: int) -> Tensor:
        """Draw integers from 0 to `below` - 1, the same on all ranks: (*shape,) int64."""
        return moved(torch.randint(below, shape, generator=self._generator(kind)), self._device)

    def _generator(self, kind: int) -> torch.Generator:
        return torch.Generator().manual_seed(_mixed(*self._key, kind))

    def _slice(self, numbers: Tensor) -> Tensor:
        rows = len(numbers) // self._world
        return moved(numbers[self._rank * rows : (self._rank + 1) * rows], self._device)


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seed torch's global random generator with a key, and restore its state afterwards.

    For the initial weights of networks, which torch draws from that generator.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_mixed(*key))
        yield


def _mixed(*key: int) -> int:
    # The key's length comes first, because a seed sequence ignores zeros at the end.
    state = np.random.SeedSequence((len(key), *key)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))

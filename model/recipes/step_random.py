"""Random numbers that are functions of (seed, place): no state to save, the same on any device.

What a step draws depends on the run's seed, the stage and the step alone, and is drawn for all
devices at once. So a resumed run goes on with the same numbers, and two devices do what one does.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

LATENTS, MIXING, WEIGHTS, NOISE, PICTURES, CHOICE = range(6)
"""What is drawn: each has a stream of its own."""


class StepRandom:
    """The numbers of one step.

    Args:
        seed: Of the run.
        place: Stage and step, or whatever else tells this place from others.
        rank: This process, of `world` that share each batch.
        world: Processes.
        device: Where the numbers are put.
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
        self._rank, self._world, self._device = rank, world, device

    def normal(self, kind: int, rows: int, *shape: int) -> Tensor:
        """Standard normal numbers: (rows, *shape), this rank's of `rows * world`."""
        return self._part(torch.randn((rows * self._world, *shape), generator=self._source(kind)))

    def uniform(self, kind: int, rows: int, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1): (rows, *shape), this rank's of `rows * world`."""
        return self._part(torch.rand((rows * self._world, *shape), generator=self._source(kind)))

    def _source(self, kind: int) -> torch.Generator:
        return torch.Generator().manual_seed(_mixed(*self._key, kind))

    def _part(self, numbers: Tensor) -> Tensor:
        rows = len(numbers) // self._world
        return numbers[self._rank * rows : (self._rank + 1) * rows].to(self._device)


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Gives torch's global source a seed of this key, and its old state back afterwards.

    For the initial weights of networks, which torch draws from that source.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_mixed(*key))
        yield


def _mixed(*key: int) -> int:
    # With its length before it: to a seed sequence, zeros at the end of a key are nothing.
    state = np.random.SeedSequence((len(key), *key)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))

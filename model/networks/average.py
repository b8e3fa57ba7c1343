"""The generator's running average: its shapes are better than any state's (Yazici et al. 2018)."""

import copy
from typing import Any

import torch

from shapegan.model.networks.generator import Generator


class Average:
    """An exponential running average of a generator's weights.

    Args:
        generator: The one that is trained.
        halflife: Updates after which half of the past is forgotten; 0: the average is the
            generator itself.
    """

    def __init__(self, generator: Generator, halflife: float) -> None:
        self.module = generator
        self._decay = 0.0
        self._updates = 0
        if halflife:
            self.module = copy.deepcopy(generator).requires_grad_(False)
            self._decay = 0.5 ** (1 / halflife)

    @torch.no_grad()
    def update(self, generator: Generator) -> None:
        """Takes in the generator's present weights."""
        if self.module is generator:
            return
        # The first states are forgotten faster, or the start would linger for many half-lives.
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for mean, now in zip(self.module.parameters(), generator.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        """The average's weights and how many updates it has seen."""
        return {"updates": self._updates, "weights": self.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self._updates = state["updates"]
        self.module.load_state_dict(state["weights"])

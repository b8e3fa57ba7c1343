"""Running average of a generator's weights, which gives better shapes (Yazici et al. 2018)."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class RunningAverage(Generic[Network]):
    """Exponential moving average of a generator's weights.

    Args:
        generator: The generator in training.
        halflife: Updates after which half of the past is forgotten; 0: the average is the
            generator itself.
    """

    def __init__(self, generator: Network, halflife: float) -> None:
        self.module = generator
        self._decay = 0.0
        self._updates = 0
        if halflife:
            self.module = copy.deepcopy(generator).requires_grad_(False)
            self._decay = 0.5 ** (1 / halflife)
        self._share = torch.zeros((), device=next(generator.parameters()).device)

    def update(self, generator: Network) -> None:
        """Add the generator's present weights to the average."""
        self.count_update()
        self.blend(generator)

    def restart(self) -> None:
        """Let the next updates replace most of the average, as the first ones do."""
        self._updates = 0

    def count_update(self) -> None:
        """Set the share of the present weights in the next `blend`."""
        if self._decay == 0.0:
            return
        # The decay grows from 0.18, because the initial weights would last for many half-lives.
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._share.fill_(1 - decay)

    @torch.no_grad()
    def blend(self, generator: Network) -> None:
        """Add the generator's present weights by their share: work of the device alone."""
        if self.module is generator:
            return
        means: list[Tensor] = list(self.module.parameters())
        now: list[Tensor] = list(generator.parameters())
        changes = list(torch._foreach_sub(now, means))
        torch._foreach_mul_(changes, self._share)
        torch._foreach_add_(means, changes)
        for kept, buffer in zip(self.module.buffers(), generator.buffers(), strict=True):
            kept.copy_(buffer)

    def state_dict(self) -> dict[str, Any]:
        """Weights of the average, and the number of its updates."""
        return {"updates": self._updates, "weights": self.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self._updates = state["updates"]
        self.module.load_state_dict(state["weights"])

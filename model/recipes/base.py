"""What recipes have in common: a generator, its running average, and how they are kept."""

from abc import ABC, abstractmethod
from typing import Any

from torch import nn
from torch.optim import Optimizer

from shapegan.model.config import TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.networks.average import Average
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.objectives import Execution
from shapegan.model.recipes.step_random import WEIGHTS, seeded


class GeneratorRecipe(ABC):
    """Trains a generator together with another network.

    Args:
        config: Of the run.
        ranks: The processes that share it.
        execution: How networks are run.
    """

    def __init__(self, config: TrainConfig, ranks: Ranks, execution: Execution) -> None:
        self._config, self._ranks, self._execution = config, ranks, execution
        with seeded(config.seed, WEIGHTS):
            self.generator = Generator(config.generator).to(execution.device)
        self._average = Average(self.generator, config.ema_halflife)
        self._optimisers: list[Optimizer] = []

    @property
    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """What is trained, by name."""

    @property
    def result(self) -> Generator:
        """What a run is for: the running average of the generator, if there is one."""
        return self._average.module

    def state(self) -> dict[str, Any]:
        """All that training has changed."""
        return {
            "networks": {name: net.state_dict() for name, net in self.networks.items()},
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "average": self._average.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of `state`, at the same stage."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for optimiser, its_state in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(its_state)
        self._average.load_state_dict(state["average"])

"""The part that all recipes share: a generator, its running average, and their state."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from shapegan.model.config import TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.networks.running_average import RunningAverage
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.optimisers import load_optimiser
from shapegan.model.recipes.step_graphs import build_runner
from shapegan.model.recipes.step_random import WEIGHTS, seeded

Network = TypeVar("Network", bound=nn.Module)
Settings = TypeVar("Settings")


class GeneratorRecipe(ABC, Generic[Network]):
    """Training of a generator together with another network.

    Args:
        config: Config of the run.
        ranks: Processes that share the run.
        execution: Precision, compilation and chunking.
        network: Class of the generator.
        settings: Its settings.
    """

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        execution: Execution,
        network: Callable[[Settings], Network],
        settings: Settings,
    ) -> None:
        self._config, self._ranks, self._execution = config, ranks, execution
        with seeded(config.seed, WEIGHTS):
            self.generator = network(settings).to(execution.device)
        self._average = RunningAverage(self.generator, config.ema_halflife)
        self._optimisers: list[Optimizer] = []
        self._runner = build_runner(execution.device, execution.graphs, execution.note)
        self._progress = torch.zeros((), device=execution.device)

    @property
    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Name -> network, of all that are trained."""

    @abstractmethod
    def preview(self, count: int) -> Tensor:
        """Latents of the shapes in the previews, always those of the same shapes: (count, Z)."""

    def learned_in_preview(self, count: int) -> int:
        """Number of the previews' latents that are learned; these come first, then drawn ones."""
        del count
        return 0

    def draw(self, count: int) -> Tensor:
        """Latents of random shapes, always the same: (count, Z)."""
        return self.preview(count)

    def measurements(self) -> dict[str, float]:
        """Measurements of the present state; this waits for the device."""
        return {}

    @property
    def result(self) -> Network:
        """The trained generator: its running average, if there is one."""
        return self._average.module

    def state(self) -> dict[str, Any]:
        """State of networks, optimisers and running average, for a checkpoint."""
        return {
            "networks": {name: net.state_dict() for name, net in self.networks.items()},
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "average": self._average.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave, at the same stage."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            load_optimiser(optimiser, saved)
        self._average.load_state_dict(state["average"])

    def forget_graphs(self) -> None:
        """Release the CUDA graphs; the next stage may make others.

        NCCL does not leave the other processes before all graphs that hold its calls are gone.
        """
        self._runner.reset()

    def _descend(self, loss: Tensor, *optimisers: Optimizer) -> None:
        """Take one step of optimisers down the gradient of a loss, averaged over all processes."""
        descend(loss, *optimisers, average=self._ranks.average_gradients)


def descend(
    loss: Tensor,
    *optimisers: Optimizer,
    average: Callable[[list[Tensor]], None] = lambda _: None,
) -> None:
    """Take one step of optimisers down the gradient of a loss; `average` changes it in place."""
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    weights = [one for optimiser in optimisers for one in weights_of(optimiser)]
    # Nothing else: shapes whose scores are penalised have gradients, too.
    loss.backward(inputs=weights)  # type: ignore[no-untyped-call]
    average([one for optimiser in optimisers for one in gradients_of(optimiser)])
    for optimiser in optimisers:
        optimiser.step()


def weights_of(optimiser: Optimizer) -> list[Tensor]:
    """An optimiser's weights."""
    return [one for group in optimiser.param_groups for one in group["params"]]


def gradients_of(optimiser: Optimizer) -> list[Tensor]:
    """Gradients of an optimiser's weights."""
    return [one.grad for one in weights_of(optimiser) if one.grad is not None]


def gradient_norm(name: str, optimiser: Optimizer) -> dict[str, Tensor]:
    """Column of the norm of an optimiser's last gradients, a scalar.

    Args:
        name: `generator`, or `critic` for the critic, the learned latents or the prior.
        optimiser: The optimiser that took the step.
    """
    return {f"{name}_gradient": nn.utils.get_total_norm(gradients_of(optimiser))}


def rate_column(name: str, rate: float) -> dict[str, Tensor]:
    """Column of a learning rate, in double precision on the CPU: no work for a GPU."""
    return {f"{name}_rate": torch.tensor(rate, dtype=torch.float64)}

"""Optimisers by name, and the schedule of their learning rates."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from shapegan.model.recipes.muon import Muon


def build_optimiser(
    name: str,
    parameters: Iterable[nn.Parameter],
    betas: tuple[float, float],
    at_points: bool = False,
) -> Optimizer:
    """Build an optimiser of `objective_config.OPTIMISERS`.

    On a GPU its steps can be captured in a CUDA graph: its learning rate is a tensor there.

    Args:
        name: One of those.
        parameters: Weights.
        betas: Those of Adam.
        at_points: The linear layers are applied at many points, as those of a DeepSDF network.
    """
    weights = list(parameters)
    device = weights[0].device
    on_gpu = device.type == "cuda"
    rate = torch.zeros((), device=device) if on_gpu else 0.0
    if name == "adam":
        # Fused: an eighth of the time on a CPU.
        return _quiet(torch.optim.Adam(weights, rate, betas=betas, fused=True, capturable=on_gpu))
    if name == "muon":
        return _quiet(Muon(weights, rate, betas, on_gpu, at_points))
    return _quiet(torch.optim.RMSprop(weights, rate, capturable=on_gpu))


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def load_optimiser(optimiser: Optimizer, state: dict[str, Any]) -> None:
    """Restore a state that may come from another device.

    What the optimiser was built with stays: the place of its learning rate, and how it steps.
    """
    options = [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimiser.param_groups
    ]
    saved = [group | own for group, own in zip(state["param_groups"], options, strict=True)]
    optimiser.load_state_dict(state | {"param_groups": saved})
    for group, own in zip(optimiser.param_groups, options, strict=True):
        group.update(own)  # the same tensor, not a copy
    set_rate(optimiser, float(state["param_groups"][0]["lr"]))


def decay(halvings: int, overall: float) -> float:
    """Factor of the learning rates at a progress of the run in [0, 1]: halved at even distances."""
    return 0.5 ** math.floor(overall * halvings)


def _quiet(optimiser: Optimizer) -> Optimizer:
    """Suppress torch's warning about steps outside a graph, such as those before its capture."""
    optimiser._warned_capturable_if_run_uncaptured = True
    return optimiser

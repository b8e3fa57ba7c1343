"""Optimisers by name; their rate is set anew at each step, so that it is a function of the step."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer


def build_optimiser(
    name: str, parameters: Iterable[nn.Parameter], betas: tuple[float, float]
) -> Optimizer:
    """An optimiser of `config.OPTIMISERS`; `betas` are Adam's."""
    if name == "adam":
        return torch.optim.Adam(parameters, betas=betas)
    return torch.optim.RMSprop(parameters)


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Sets the learning rate of the next step."""
    for group in optimiser.param_groups:
        group["lr"] = rate

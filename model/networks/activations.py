"""ReLUs for networks whose gradients are differentiated again, as a gradient penalty does.

The slope of a ReLU is constant almost everywhere, so its second derivative is 0. torch computes
those zeros and takes them through all layers below, back to the input. The functions here have no
second derivative instead, which saves that work.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def relu(features: Tensor) -> Tensor:
    """`torch.nn.functional.relu`, with the same derivatives of any order."""
    if _are_differentiated_once():
        return F.relu(features)
    result: Tensor = _LeakyReLU.apply(features, 0.0)  # type: ignore[no-untyped-call]
    return result


def leaky_relu(features: Tensor, slope: float) -> Tensor:
    """`torch.nn.functional.leaky_relu`, with the same derivatives of any order."""
    if _are_differentiated_once():
        return F.leaky_relu(features, slope)
    result: Tensor = _LeakyReLU.apply(features, slope)  # type: ignore[no-untyped-call]
    return result


def _are_differentiated_once() -> bool:
    """True while torch compiles, or if no gradients are wanted."""
    return torch.compiler.is_compiling() or not torch.is_grad_enabled()


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, slope: float) -> Tensor:
        # Without this, torch calls `backward` with zeros where no gradient comes in.
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(features)
        ctx.slope = slope
        return F.leaky_relu(features, slope)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None]:
        (features,) = ctx.saved_tensors
        return _sloped(gradient, features, ctx.slope), None


class _Sloped(torch.autograd.Function):
    """Numbers times the slopes at features: linear in the numbers, constant in the features."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, features: Tensor, slope: float) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(features)
        ctx.slope = slope
        result: Tensor = torch.ops.aten.leaky_relu_backward(numbers, features, slope, False)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None, None]:
        (features,) = ctx.saved_tensors
        return _sloped(gradient, features, ctx.slope), None, None


def _sloped(numbers: Tensor | None, features: Tensor, slope: float) -> Tensor | None:
    if numbers is None:
        return None
    result: Tensor = _Sloped.apply(numbers, features, slope)  # type: ignore[no-untyped-call]
    return result

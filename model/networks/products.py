"""Linear layers of many places, by the fastest of a device's matrix products.

torch multiplies float32 matrices on a CPU by MKL. On AMD processors MKL does without AVX-512, and
oneDNN, which torch has as well, is faster.

On a GPU, a layer of these networks waits for memory rather than for arithmetic. There a product
adds its bias and applies the ReLU before it writes its result, instead of a further kernel that
reads and writes it again.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_PROCESSORS = Path("/proc/cpuinfo")
_FEWEST_FEATURES = 32
"""Features that a layer needs on both sides; MKL is faster with fewer."""
_FEWEST_PRODUCTS = 2**22
"""Products of two numbers that a layer needs; calls of oneDNN have a higher cost of their own."""


def linear(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`, with the same derivatives of any order: (..., I) -> (..., O).

    Of features (N, I) the result is not a view, so that it may be changed in place.
    """
    if not _is_for_onednn(features, weight):
        return F.linear(features, weight, bias)
    result: Tensor = _Linear.apply(  # type: ignore[no-untyped-call]
        features.flatten(0, -2), weight, bias
    )
    return result if features.dim() == 2 else result.view(*features.shape[:-1], -1)


def linear_relu(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """ReLU of `linear`: (N, I) -> (N, O), with the same derivatives of any order."""
    if not _fuses(features):
        return F.relu_(linear(features, weight, bias))
    # Under autocast, features have its type already.
    dtype = features.dtype
    result: Tensor = _LinearRelu.apply(  # type: ignore[no-untyped-call]
        features, weight.to(dtype), bias.to(dtype)
    )
    return result


@cache
def prefers_onednn() -> bool:
    """True on AMD processors with AVX-512, if torch has both libraries."""
    return (
        torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and _vendor() == "AuthenticAMD"
    )


def _vendor() -> str:
    """Vendor of the processor; empty where Linux does not tell."""
    lines = _PROCESSORS.read_text().splitlines() if _PROCESSORS.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")]
    return named[0] if named else ""


def _is_for_onednn(features: Tensor, weight: Tensor) -> bool:
    return (
        features.device.type == "cpu"
        and features.dtype == weight.dtype == torch.float32
        and min(weight.shape) >= _FEWEST_FEATURES
        and features.numel() * len(weight) >= _FEWEST_PRODUCTS
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and prefers_onednn()
    )


def _fuses(features: Tensor) -> bool:
    """True where a product's kernel does more than the product; torch.compile fuses by itself."""
    return (
        features.is_cuda
        and features.dtype in (torch.bfloat16, torch.float32)
        and not torch.compiler.is_compiling()
    )


class _LinearRelu(torch.autograd.Function):
    """relu(rows @ weight.T + bias), which torch computes at once but does not differentiate."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        result = torch._addmm_activation(bias, rows, weight.t())
        ctx.save_for_backward(rows, weight, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight, result = ctx.saved_tensors
        needs = ctx.needs_input_grad
        passed = torch.ops.aten.threshold_backward(gradient, result, 0)
        return (
            passed @ weight if needs[0] else None,
            passed.t() @ rows if needs[1] else None,
            passed.sum(0) if needs[2] else None,
        )


class _Linear(torch.autograd.Function):
    """rows @ weight.T + bias, by oneDNN; the derivative by rows is such a product as well.

    The derivative by weights sums over many rows, and MKL does that faster.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(rows, weight)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
        return result

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        if gradient is None:
            return None, None, None
        rows, weight = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            _Linear.apply(gradient, weight.t(), None) if needs[0] else None,  # type: ignore[no-untyped-call]
            gradient.t() @ rows if needs[1] else None,
            gradient.sum(0) if needs[2] else None,
        )

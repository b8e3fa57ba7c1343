"""Precision, compilation and chunking of the networks during training."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from shapegan.model.streaming.memory import free_device

PRECISIONS = ("fp32", "tf32", "bf16")
"""`tf32` is for CUDA. `bf16` is autocast without losses and penalties; these have TF32 on CUDA."""
CPU_CHUNK = 2**17
"""Points of all shapes whose activations a generator holds at once on a CPU."""
_MOST_POINTS = 2**23
"""Points beyond which a GPU gains nothing by more."""
_MEMORY_SHARE = 0.2
"""Share of a GPU's free memory that activations of a generator may take. Graphs keep theirs while
another half of a step, not captured yet, needs as much."""


@dataclass(frozen=True)
class Execution:
    """Settings of how networks are run: they change speed and memory, and results by rounding."""

    device: torch.device
    precision: str = "fp32"
    """One of `PRECISIONS`."""
    compiled: bool = False
    """Use torch.compile, except where gradients are differentiated again."""
    chunk: int = CPU_CHUNK
    """Points of all shapes whose activations the generator holds at once."""
    graphs: bool = False
    """Run steps as CUDA graphs on a GPU; results are the same."""
    note: Callable[[str], None] = field(default=lambda _: None, compare=False)
    """Receiver of one line, where something is run otherwise than wanted."""

    @property
    def is_exact(self) -> bool:
        """True if networks are run by autocast or compilation nowhere."""
        return self.precision != "bf16" and not self.compiled

    def allow_rounding(self) -> None:
        """Let CUDA round products to TF32, or not: settings of the whole process.

        By default torch would round convolutions to TF32 in `fp32` too. With `bf16` it may, because
        TF32 is eight times as fine: those are the losses and penalties.
        """
        tf32 = self.precision != "fp32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32

    def autocast(self) -> AbstractContextManager[Any]:
        """Context of bf16 arithmetic, if `precision` is `bf16`.

        Weights are cast at each use. Up to torch 2.10, a weight that was cast without gradients
        would be used again where gradients are wanted, and get none.
        """
        enabled = self.precision == "bf16"
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=enabled, cache_enabled=False
        )

    def compile(self, module: nn.Module) -> nn.Module:
        """The module, compiled if `compiled` is set; the weights stay shared."""
        return torch.compile(module) if self.compiled else module  # type: ignore[return-value]


def default_precision(device: torch.device) -> str:
    """`bf16` on GPUs that compute with it, otherwise `fp32`."""
    on_gpu = device.type == "cuda"
    return "bf16" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def default_chunk(device: torch.device, features: int) -> int:
    """Points that a generator may evaluate at once, by the free memory of a GPU.

    Args:
        device: Device of the generator.
        features: Hidden features of all its layers together.
    """
    if device.type != "cuda":
        return CPU_CHUNK
    # Four bytes a feature, kept for the backward pass and needed a second time during it.
    points = int(free_device(device) * _MEMORY_SHARE / (8 * features))
    return min(max(points, CPU_CHUNK), _MOST_POINTS)

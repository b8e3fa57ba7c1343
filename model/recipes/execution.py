"""Precision, compilation and chunking of the networks during training."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Execution:
    """Settings of how networks are run: they change speed and memory, and results by rounding."""

    device: torch.device
    precision: str = "fp32"
    """`fp32`, `tf32` (CUDA) or `bf16`: autocast, with losses and penalties in fp32."""
    compiled: bool = False
    """Use torch.compile, except where gradients are differentiated again."""
    chunk: int = 2**17
    """Points of all shapes whose activations the generator holds at once."""

    def allow_rounding(self) -> None:
        """Let CUDA round products to TF32, or not: settings of the whole process.

        By default torch would round convolutions to TF32 in `fp32` too.
        """
        tf32 = self.precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32

    def autocast(self) -> AbstractContextManager[Any]:
        """Context of bf16 arithmetic, if `precision` is `bf16`."""
        enabled = self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def compile(self, module: nn.Module) -> nn.Module:
        """The module, compiled if `compiled` is set; the weights stay shared."""
        return torch.compile(module) if self.compiled else module  # type: ignore[return-value]

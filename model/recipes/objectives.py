"""Critic against generator: their losses as modules, and one step of both.

A `CriticTask` says what the critic judges: voxels (`voxel.py`) or points (`point.py`). The two
objectives are modules because DistributedDataParallel averages the gradients of what happens inside
a module's forward; the gradient penalty happens there too.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from shapegan.model.config import Objective
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes import losses
from shapegan.model.recipes.step_random import LATENTS, MIXING, StepRandom
from shapegan.model.streaming.stream import PointBatch, VoxelBatch

Batch = VoxelBatch | PointBatch


@dataclass(frozen=True)
class CriticInput:
    """What a critic sees of B shapes."""

    sdf: Tensor
    """(B, R, R, R), or (B, N) at points."""
    points: Tensor | None = None
    """(B, N, 3), where `sdf` holds."""
    mask: Tensor | None = None
    """(B, N) bool: the points that count; None: all."""
    plain: "CriticInput | None" = None
    """The part that the gradient penalty looks at; None: all of it."""


class CriticTask(Protocol):
    """What is judged at a stage, and by which critic."""

    def real(self, batch: Any, draws: StepRandom, /) -> CriticInput:
        """Shapes of the dataset."""

    def fake(
        self, generator: Generator, latents: Tensor, batch: Any, draws: StepRandom, /
    ) -> CriticInput:
        """Generated shapes at the places of the batch, for the critic's step: without gradients."""

    def generator_scores(
        self,
        generator: Generator,
        critic: nn.Module,
        latents: Tensor,
        batch: Any,
        draws: StepRandom,
        fade: Tensor,
        /,
    ) -> Tensor:
        """The critic's score of generated shapes, for the generator's step: (B,) float32."""

    def scores(self, critic: nn.Module, judged: CriticInput, fade: Tensor, /) -> Tensor:
        """The critic's score of each shape: (B,) float32."""


@dataclass(frozen=True)
class Execution:
    """How networks are run; it changes speed and memory, and results only by rounding."""

    device: torch.device
    precision: str = "fp32"
    """`fp32`, `tf32` (CUDA) or `bf16`: autocast, with losses and penalties in fp32."""
    compiled: bool = False
    """Whether torch.compile is used; never for what is differentiated twice."""
    chunk: int = 2**17
    """Points of all shapes that the generator holds activations of at once."""

    def allow_rounding(self) -> None:
        """Lets CUDA round products to TF32, or not: settings of the whole process.

        Left alone, torch would round convolutions to TF32 in `fp32` too.
        """
        tf32 = self.precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32

    def autocast(self) -> AbstractContextManager[Any]:
        """Turns bf16 on, if it is asked for."""
        enabled = self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def compile(self, module: nn.Module) -> nn.Module:
        """The module, compiled if that is asked for; weights stay shared."""
        return torch.compile(module) if self.compiled else module  # type: ignore[return-value]


class CriticObjective(nn.Module):
    """The critic's loss: tells real from generated, with a penalty on its gradients."""

    def __init__(
        self, critic: nn.Module, game: CriticTask, objective: Objective, execution: Execution
    ) -> None:
        super().__init__()
        self.critic = critic
        # Compiled modules cannot be differentiated twice, so the penalty keeps to the plain one.
        # A tuple hides the second name of the same weights from `parameters()`.
        self._fast = (execution.compile(critic),)
        self._task, self._objective, self._execution = game, objective, execution

    def forward(
        self, real: CriticInput, fake: CriticInput, mix: Tensor, fade: Tensor, penalise: bool
    ) -> dict[str, Tensor]:
        """The critic's loss and what it is made of, scalars.

        Args:
            real: B shapes of the dataset.
            fake: B generated shapes, without gradients.
            mix: (B,) in [0, 1], where between both WGAN-GP looks.
            fade: scalar, how far the critic's newest block is faded in.
            penalise: whether the penalty is taken at this step.
        """
        with self._execution.autocast():
            real_scores = self._task.scores(self._fast[0], real, fade)
            fake_scores = self._task.scores(self._fast[0], fake, fade)
        loss = losses.critic_loss(self._objective.loss, real_scores, fake_scores)
        distance = real_scores.detach().mean() - fake_scores.detach().mean()
        values = {"critic_loss": loss, "distance": distance}
        if penalise:
            penalty = self._penalty(real.plain or real, fake.plain or fake, mix, fade)
            weight = self._objective.penalty_weight * self._objective.penalty_every
            values["critic_loss"] = loss + weight * penalty
            values["penalty"] = penalty.detach()
        return values

    def _penalty(self, real: CriticInput, fake: CriticInput, mix: Tensor, fade: Tensor) -> Tensor:
        def scores(sdf: Tensor) -> Tensor:
            return self._task.scores(self.critic, CriticInput(sdf, real.points, real.mask), fade)

        def fake_scores(sdf: Tensor) -> Tensor:
            return self._task.scores(self.critic, CriticInput(sdf, fake.points, fake.mask), fade)

        if self._objective.penalty == "gradient":
            return losses.gradient_penalty(scores, real.sdf, fake.sdf, mix)
        penalty = losses.zero_centred_penalty(scores, real.sdf)
        if self._objective.penalty == "r1+r2":
            penalty = penalty + losses.zero_centred_penalty(fake_scores, fake.sdf)
        return penalty


class GeneratorObjective(nn.Module):
    """The generator's loss: what the critic says of its shapes."""

    def __init__(
        self,
        generator: Generator,
        critic: nn.Module,
        game: CriticTask,
        objective: Objective,
        execution: Execution,
    ) -> None:
        super().__init__()
        self.generator = generator
        self._critic = (execution.compile(critic),)
        self._task, self._objective, self._execution = game, objective, execution

    def forward(self, latents: Tensor, batch: Batch, draws: StepRandom, fade: Tensor) -> Tensor:
        """The generator's loss, a scalar, for latents (B, Z) at the places of a batch."""
        with self._execution.autocast():
            critic = self._critic[0]
            fake_scores = self._task.generator_scores(
                self.generator, critic, latents, batch, draws, fade
            )
            real_scores = None
            if self._objective.loss == "relativistic":
                real = self._task.real(batch, draws)
                real_scores = self._task.scores(critic, real, fade)
        return losses.generator_loss(self._objective.loss, fake_scores, real_scores)


def draw_latents(draws: StepRandom, count: int, size: int) -> Tensor:
    """Latents of `count` shapes: (count, size), standard normal."""
    return draws.normal(LATENTS, count, size)


def draw_mix(draws: StepRandom, count: int) -> Tensor:
    """Where between real and generated shapes WGAN-GP looks: (count,)."""
    return draws.uniform(MIXING, count)

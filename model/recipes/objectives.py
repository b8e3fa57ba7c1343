"""The losses of critic and generator as modules.

A `CriticTask` decides what the critic sees: voxels (`voxel.py`) or points (`point.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from shapegan.model.networks.generator import Generator
from shapegan.model.objective_config import Objective
from shapegan.model.recipes import losses
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.loose_parts import LooseParts
from shapegan.model.recipes.step_random import CENTRES, LATENTS, MIXING, RandomNumbers
from shapegan.model.streaming.stream import PointBatch, VoxelBatch

Batch = TypeVar("Batch", bound=VoxelBatch | PointBatch)


@dataclass(frozen=True)
class StepData(Generic[Batch]):
    """Data of one training step."""

    batch: Batch
    """Shapes of the dataset."""
    random: RandomNumbers
    """Random numbers of the step."""
    progress: Tensor = field(default_factory=lambda: torch.zeros(()))
    """Progress of the stage, 0 to 1: a scalar on the device."""


@dataclass(frozen=True)
class CriticInput:
    """Input of a critic for B shapes."""

    sdf: Tensor
    """(B, R, R, R), or (B, N) at points."""
    points: Tensor | None = None
    """(B, N, 3), the positions of `sdf`."""
    mask: Tensor | None = None
    """(B, N) bool: the points that count; None: all."""
    penalised: "CriticInput | None" = None
    """The part for the gradient penalty; None: all of it."""


class CriticTask(Protocol):
    """Inputs of a stage's critic from real and generated shapes, and its scores."""

    graph_obstacle: str
    """Why a step cannot be recorded as a CUDA graph; empty if it can."""

    def real(self, data: StepData[Any], /) -> CriticInput:
        """Critic input of the dataset's shapes."""

    def fake(self, generator: Generator, codes: Tensor, data: StepData[Any], /) -> CriticInput:
        """Critic input of the shapes of codes (B, Z), for the critic's step: without gradients."""

    def judged(
        self, generator: Generator, critic: nn.Module, codes: Tensor, data: StepData[Any], /
    ) -> CriticInput:
        """Critic input of the shapes of codes, for the generator's step: with gradients.

        What leaves the scores and their gradients as they are may be left out.
        """

    def scores(self, critic: nn.Module, critic_input: CriticInput, /) -> Tensor:
        """Critic scores of shapes: (B,) float32."""

    def reconstruction(self, generator: Generator, codes: Tensor, data: StepData[Any], /) -> Tensor:
        """Error of the batch's shapes when they are generated from their codes (B, Z), a scalar.

        Distances are clipped as for the critic, and compared at the places that it sees.
        """

    def loose_parts(
        self, generator: Generator, codes: Tensor, judged: CriticInput, /
    ) -> LooseParts:
        """Loose parts of shapes of codes (B, Z), clipped as for the critic.

        Args:
            generator: The generator.
            codes: Of the shapes that the critic judges.
            judged: The critic's input, by `judged`.
        """


class CriticObjective(nn.Module):
    """The critic's loss: it separates real from generated shapes, with a gradient penalty."""

    def __init__(
        self, critic: nn.Module, task: CriticTask, objective: Objective, execution: Execution
    ) -> None:
        super().__init__()
        self.critic = critic
        # Compiled modules cannot be differentiated twice, so the penalty calls the plain one.
        # A tuple hides the second name of the same weights from `parameters()`.
        self._fast = (execution.compile(critic),)
        self._task, self._objective, self._execution = task, objective, execution

    def forward(
        self, real: CriticInput, fake: CriticInput, mix: Tensor, penalise: bool
    ) -> dict[str, Tensor]:
        """The critic's loss and its parts, scalars.

        Args:
            real: B shapes of the dataset.
            fake: B generated shapes, without gradients.
            mix: (B,) in [0, 1], share of the real shape in the samples of WGAN-GP's penalty.
            penalise: whether the penalty is applied at this step.
        """
        kind = self._objective.penalty
        real_scores, real_penalty = self._scored(real, penalise and kind != "gradient")
        fake_scores, fake_penalty = self._scored(fake, penalise and kind == "r1+r2")
        loss = losses.critic_loss(self._objective.loss, real_scores, fake_scores)
        distance = real_scores.detach().mean() - fake_scores.detach().mean()
        values = {"critic_loss": loss, "distance": distance}
        if penalise:
            penalty = real_penalty + fake_penalty
            if kind == "gradient":
                penalty = self._gradient_penalty(
                    real.penalised or real, fake.penalised or fake, mix
                )
            # Lazy regularisation, scaled to the same strength (StyleGAN2, section 3.1)
            weight = self._objective.penalty_weight * self._objective.penalty_every
            values["critic_loss"] = loss + weight * penalty
            values["penalty"] = penalty.detach()
        return values

    def _scored(self, shapes: CriticInput, penalise: bool) -> tuple[Tensor, Tensor]:
        """Scores (B,) and, with `penalise`, their zero-centred penalty; without, 0."""
        penalty = shapes.sdf.new_zeros(())
        if penalise:
            penalised = shapes.penalised or shapes
            scores, penalty = losses.scores_and_penalty(self._exact(penalised), penalised.sdf)
            # The loss takes these scores if it would compute the same ones.
            if penalised is shapes and self._execution.is_exact:
                return scores, penalty
        with self._execution.autocast():
            return self._task.scores(self._fast[0], shapes), penalty

    def _gradient_penalty(self, real: CriticInput, fake: CriticInput, mix: Tensor) -> Tensor:
        return losses.gradient_penalty(self._exact(real), real.sdf, fake.sdf, mix)

    def _exact(self, shapes: CriticInput) -> losses.Critic:
        """Scores of distances at the places of shapes, neither compiled nor under autocast."""

        def scores(sdf: Tensor) -> Tensor:
            return self._task.scores(self.critic, CriticInput(sdf, shapes.points, shapes.mask))

        return scores


class GeneratorObjective(nn.Module):
    """The generator's loss, from the critic's scores of its shapes.

    Args:
        generator: The generator.
        critic: The critic of the stage.
        task: The critic's inputs.
        objective: Settings of the losses.
        execution: Precision and compilation.
        torn: Share of the training shapes that have several parts.
        average: Mean of a tensor over all processes.
    """

    def __init__(
        self,
        generator: Generator,
        critic: nn.Module,
        task: CriticTask,
        objective: Objective,
        execution: Execution,
        torn: float = 0.0,
        average: Callable[[Tensor], Tensor] = lambda values: values,
    ) -> None:
        super().__init__()
        self.generator, self._torn, self._average = generator, torn, average
        self._critic = (execution.compile(critic),)
        self._task, self._objective, self._execution = task, objective, execution

    def forward(
        self,
        drawn: Tensor,
        data: StepData[Any],
        known: Tensor | None = None,
        join: bool = False,
    ) -> dict[str, Tensor]:
        """The generator's loss and its parts, scalars.

        Args:
            drawn: Codes (B, Z) of the shapes that the critic judges.
            data: Data of the step.
            known: Codes (B, Z) of the batch's shapes, with noise; None: nothing is reconstructed.
            join: True at a step that looks for loose parts.
        """
        with self._execution.autocast():
            critic = self._critic[0]
            judged = self._task.judged(self.generator, critic, drawn, data)
            fake_scores, real_scores = self._task.scores(critic, judged), None
            if self._objective.loss == "relativistic":
                real_scores = self._task.scores(critic, self._task.real(data))
            if known is not None:
                reconstruction = self._task.reconstruction(self.generator, known, data)
            if join:
                parts = self._task.loose_parts(self.generator, drawn, judged)
        loss = losses.generator_loss(self._objective.loss, fake_scores, real_scores)
        values = {}
        if known is not None:
            loss = loss + self._objective.reconstruction_weight * reconstruction
            values["reconstruction"] = reconstruction.detach()
        if join:
            torn = self._average(parts.torn_share)
            weight = self._objective.wholeness_weight * self._objective.wholeness_every
            loss = loss + weight * parts.loss(torn, self._torn)
            values["torn"] = torn
        return {"generator_loss": loss, **values}


def draw_latents(random: RandomNumbers, count: int, size: int) -> Tensor:
    """Draw latents of `count` shapes, standard normal: (count, size)."""
    return random.normal(LATENTS, count, size)


def draw_codes(generator: Generator, random: RandomNumbers, count: int) -> Tensor:
    """Draw codes of `count` shapes, distributed as `generator.codes` of latents: (count, Z)."""
    noise = draw_latents(random, count, generator.config.latent)
    if generator.prior is None:
        return noise
    return generator.prior.draw(noise, random.uniform(CENTRES, count))


def draw_mix(random: RandomNumbers, count: int) -> Tensor:
    """Draw the share of the real shape in each sample of WGAN-GP's penalty: (count,) in [0, 1)."""
    return random.uniform(MIXING, count)

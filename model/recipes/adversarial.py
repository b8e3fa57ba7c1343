"""The recipes `voxel` and `point`: a generator and a critic, stage by stage."""

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from shapegan.model.config import Stage, TrainConfig, TrainConfigError
from shapegan.model.distributed import Ranks
from shapegan.model.networks.point_critic import PointCritic, PointCriticConfig
from shapegan.model.networks.voxel_critic import VoxelCritic, VoxelCriticConfig
from shapegan.model.recipes.base import GeneratorRecipe
from shapegan.model.recipes.objectives import (
    Batch,
    CriticObjective,
    CriticTask,
    Execution,
    GeneratorObjective,
    draw_latents,
    draw_mix,
)
from shapegan.model.recipes.optimisers import build_optimiser, set_rate
from shapegan.model.recipes.point import PointTask, RefinementTask
from shapegan.model.recipes.step_random import PICTURES, WEIGHTS, StepRandom, seeded
from shapegan.model.recipes.voxel import VoxelTask
from shapegan.model.schedule import Moment
from shapegan.model.streaming.stream import StreamConfig
from shapegan.pipeline.schema import voxel_spacing


class Adversarial(GeneratorRecipe):
    """Trains a generator against a critic.

    Args:
        config: Of the run; recipe `voxel` or `point`.
        ranks: The processes that share it.
        execution: How networks are run.
    """

    def __init__(self, config: TrainConfig, ranks: Ranks, execution: Execution) -> None:
        super().__init__(config, ranks, execution)
        if execution.compiled:
            self.generator.compile()
        self._critic: nn.Module | None = None
        self._stage = -1

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What is trained, by name."""
        assert self._critic is not None
        return {"generator": self.generator, "critic": self._critic}

    def stream(self, stage: Stage) -> StreamConfig:
        """What a stage reads."""
        config = self._config
        if config.recipe == "voxel":
            return StreamConfig("voxels", stage.size, stage.batch, config.seed, config.split)
        sets = ("uniform", "surface") if stage.refine else ("uniform",)
        return StreamConfig("points", stage.size, stage.batch, config.seed, config.split, sets=sets)

    def begin(self, number: int, _shapes: int) -> None:
        """Gets ready for a stage: the critic grows, where its input does."""
        stage = self._config.stages[number]
        critic = self._grown(number)
        if critic is not self._critic:
            self._critic = critic.to(self._execution.device)
            name, betas = self._config.optimiser.name, self._config.optimiser.betas
            self._optimisers = [
                build_optimiser(name, network.parameters(), betas)
                for network in (self.generator, self._critic)
            ]
        game = self._task(stage)
        objective = self._config.objective
        self._critic.requires_grad_(True)
        parts = (game, objective, self._execution)
        self._objectives = [
            self._ranks.wrap_ddp(GeneratorObjective(self.generator, self._critic, *parts)),
            self._ranks.wrap_ddp(CriticObjective(self._critic, *parts)),
        ]
        self._game_here, self._stage = game, number

    def step(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """One step of the critic and, each so-manieth time, one of the generator.

        Args:
            batch: Shapes of the dataset.
            moment: Where in the stage and in the run it is.

        Returns:
            Losses and what they are made of: scalars on the device.
        """
        objective, rates = self._config.objective, self._config.optimiser
        share = 0.5 ** math.floor(moment.overall * rates.halvings)
        faded = torch.tensor(moment.fade, device=self._execution.device)
        values = self._critic_step(batch, moment.step, faded, rates.critic_rate * share)
        if (moment.step + 1) % objective.critic_steps == 0:
            loss = self._generator_step(batch, moment.step, faded, rates.rate * share)
            values["generator_loss"] = loss
        return values

    def preview(self, count: int) -> Tensor:
        """Latents whose shapes are drawn again and again: (count, Z)."""
        draws = StepRandom(self._config.seed, device=self._execution.device)
        return draws.normal(PICTURES, count, self._config.generator.latent)

    def close(self) -> None:
        """Lets go of what is shared with other processes."""
        self._objectives = []

    def _critic_step(self, batch: Batch, step: int, fade: Tensor, rate: float) -> dict[str, Tensor]:
        assert self._critic is not None
        draws = self._draws(step, 0)
        count = len(batch.indices)
        self._critic.requires_grad_(True)
        # The critic's step needs generated shapes, not the way back through their generator.
        with torch.no_grad(), self._execution.autocast():
            latents = draw_latents(draws, count, self._config.generator.latent)
            fake = self._game_here.fake(self.generator, latents, batch, draws)
            real = self._game_here.real(batch, draws)
        penalise = step % self._config.objective.penalty_every == 0
        values = self._objectives[1](real, fake, draw_mix(draws, count), fade, penalise)
        self._descend(self._optimisers[1], values["critic_loss"], rate)
        return {name: value.detach() for name, value in values.items()}

    def _generator_step(self, batch: Batch, step: int, fade: Tensor, rate: float) -> Tensor:
        assert self._critic is not None
        draws = self._draws(step, 1)
        self._critic.requires_grad_(False)
        latents = draw_latents(draws, len(batch.indices), self._config.generator.latent)
        loss: Tensor = self._objectives[0](latents, batch, draws, fade)
        self._descend(self._optimisers[0], loss, rate)
        self._average.update(self.generator)
        return loss.detach()

    def _descend(self, optimiser: Optimizer, loss: Tensor, rate: float) -> None:
        set_rate(optimiser, rate)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def _draws(self, step: int, which: int) -> StepRandom:
        ranks = self._ranks
        return StepRandom(
            self._config.seed,
            self._stage,
            step,
            which,
            rank=ranks.rank,
            world=ranks.world,
            device=self._execution.device,
        )

    def _grown(self, number: int) -> nn.Module:
        """The critic of a stage: the one there is, grown, or a new one."""
        config, stage = self._config.critic, self._config.stages[number]
        with seeded(self._config.seed, WEIGHTS, number):
            if isinstance(config, PointCriticConfig):
                return self._critic or PointCritic(config)
            if not isinstance(config, VoxelCriticConfig):
                raise TrainConfigError(f"critic: recipe {self._config.recipe} needs one")
            if isinstance(self._critic, VoxelCritic):
                same = self._critic.config.resolution == stage.size
                return self._critic if same else self._critic.grown(stage.size)
            return VoxelCritic(dataclasses.replace(config, resolution=stage.size))

    def _task(self, stage: Stage) -> CriticTask:
        config, execution = self._config, self._execution
        if config.recipe == "voxel":
            clip = max(config.clip, config.clip_voxels * voxel_spacing(stage.size))
            return VoxelTask(stage.size, clip, config.clip_mode, execution.chunk, execution.device)
        kind = RefinementTask if stage.refine else PointTask
        return kind(config.clip, config.clip_mode, execution.chunk)

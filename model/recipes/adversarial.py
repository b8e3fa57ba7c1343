"""The recipes `voxel` and `point`: a generator and a critic, stage by stage."""

from functools import partial

import torch
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.distributed import Ranks
from shapegan.model.networks.generator import Generator
from shapegan.model.networks.point_critic import PointCritic, PointCriticConfig
from shapegan.model.networks.point_voxel_critic import PointVoxelCritic
from shapegan.model.networks.voxel_critic import VoxelCritic, VoxelCriticConfig
from shapegan.model.recipes.base import GeneratorRecipe, gradient_norm, rate_column
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.loose_parts import torn_share
from shapegan.model.recipes.objectives import (
    Batch,
    CriticObjective,
    CriticTask,
    GeneratorObjective,
    StepData,
    draw_codes,
    draw_mix,
)
from shapegan.model.recipes.optimisers import build_optimiser, decay, set_rate
from shapegan.model.recipes.point import PointTask, RefinementTask
from shapegan.model.recipes.shape_codes import ShapeCodes
from shapegan.model.recipes.step_graphs import Half
from shapegan.model.recipes.step_random import CODES, PICTURES, WEIGHTS, StepRandom, seeded
from shapegan.model.recipes.voxel import VoxelTask, lattice_clip
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.order import evenly_spaced
from shapegan.model.streaming.stream import Stream

Critic = VoxelCritic | PointCritic | PointVoxelCritic

_CRITIC_STEP, _GENERATOR_STEP = range(2)
"""The two halves of a step; each draws random numbers of its own."""


class Adversarial(GeneratorRecipe[Generator]):
    """Training of a generator against a critic.

    Args:
        config: Config of the run, with recipe `voxel` or `point`.
        ranks: Processes that share the run.
        execution: Precision, compilation and chunking.
        stream: The training shapes; None if no shape is reconstructed, or for a forecast.

    Raises:
        DatasetError: shapes are reconstructed, and the dataset has no voxels.
    """

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        execution: Execution,
        stream: Stream | None = None,
    ) -> None:
        super().__init__(config, ranks, execution, Generator, config.deepsdf)
        self._stream, self._codes = stream, None
        objective = config.objective
        asked = objective.reconstruction_weight or objective.wholeness_weight
        if asked and stream is not None:
            _ = stream.finest  # fails without voxels, before the run's folder is made
        if objective.reconstruction_weight and stream is not None:
            codes = ShapeCodes(stream.shape_count, config.generator.latent, self._half)
            self._codes = codes.to(execution.device)
        if execution.compiled:
            self.generator.compile()
        self._critic: Critic | None = None
        self._codes_found = False
        self._stage = -1

    @property
    def critic(self) -> Critic:
        """The critic of the present stage."""
        assert self._critic is not None, "begin a stage first"
        return self._critic

    @property
    def _half(self) -> bool:
        """True if the critic sees half of each shape; the other half is its mirror image."""
        return self._config.generator.symmetry == "x"

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Name -> network, of all that are trained."""
        codes = {} if self._codes is None else {"codes": self._codes}
        return {"generator": self.generator, "critic": self.critic, **codes}

    def begin(self, stage: int) -> None:
        """Prepare for a stage: grow the critic if its input grows, and build the objectives."""
        critic = self._critic_of(stage)
        if critic is not self._critic:
            self._critic = critic.to(self._execution.device)
            name, betas = self._config.optimiser.name, self._config.optimiser.betas
            self._optimisers = [
                build_optimiser(name, self.generator.parameters(), betas, at_points=True),
                build_optimiser(name, self._critic.parameters(), betas),
            ]
        self._task, self._stage = self._task_of(self._config.stages[stage]), stage
        self.critic.requires_grad_(True)
        parts = (self._task, self._config.objective, self._execution)
        torn = self._torn_share(self._config.stages[stage])
        self._generator_objective = GeneratorObjective(
            self.generator, self.critic, *parts, torn, self._ranks.mean
        )
        self._critic_objective = CriticObjective(self.critic, *parts)
        self._runner.reset(self._task.graph_obstacle)

    def step(self, batch: Batch, progress: StepProgress) -> dict[str, Tensor]:
        """Take one step of the critic and, every `critic_steps`-th time, one of the generator.

        Args:
            batch: Shapes of the dataset.
            progress: Place in the stage and in the run.

        Returns:
            Losses and their parts: scalars on the device.
        """
        self._find_codes()
        # 1. What the halves read besides batch and random numbers
        if isinstance(self.critic, VoxelCritic):
            self.critic.set_fade(progress.fade)
        self._progress.fill_(progress.stage)
        optimiser = self._config.optimiser
        factor = decay(optimiser.halvings, progress.overall)
        rates = optimiser.rate * factor, optimiser.critic_rate * factor
        for each, rate in zip(self._optimisers, rates, strict=True):
            set_rate(each, rate)
        # 2. The halves
        penalise = progress.step % self._config.objective.penalty_every == 0
        data = StepData(batch, self._random(progress.step, _CRITIC_STEP), self._progress)
        kind = "penalised critic" if penalise else "critic"
        values = self._run(kind, partial(self._critic_half, penalise=penalise), data)
        values |= rate_column("critic", rates[1])
        if (progress.step + 1) % self._config.objective.critic_steps == 0:
            self._average.count_update()
            data = StepData(batch, self._random(progress.step, _GENERATOR_STEP), self._progress)
            join = self._looks_for_loose_parts(progress.step)
            kind = "joining generator" if join else "generator"
            values |= self._run(kind, partial(self._generator_half, join=join), data)
            values |= rate_column("generator", rates[0])
        return values

    def preview(self, count: int) -> Tensor:
        """Latents of the shapes in the previews, always the same: (count, Z)."""
        random = StepRandom(self._config.seed, device=self._execution.device)
        return random.normal(PICTURES, count, self._config.generator.latent)

    def _run(self, kind: str, half: Half, data: StepData[Batch]) -> dict[str, Tensor]:
        """Run a half; a critic that is fading in has other kernels than one that is not."""
        fading = isinstance(self.critic, VoxelCritic) and self.critic.is_fading
        return self._runner.run(f"fading {kind}" if fading else kind, half, data)

    def _critic_half(self, data: StepData[Batch], penalise: bool) -> dict[str, Tensor]:
        random, count = data.random, len(data.batch.indices)
        self.critic.requires_grad_(True)
        # The critic's step needs generated shapes, but no gradients of the generator.
        with torch.no_grad(), self._execution.autocast():
            codes = draw_codes(self.generator, random, count)
            fake = self._task.fake(self.generator, codes, data)
            real = self._task.real(data)
        values = self._critic_objective(real, fake, draw_mix(random, count), penalise)
        self._descend(values["critic_loss"], self._optimisers[1])
        values = {name: value.detach() for name, value in values.items()}
        return values | gradient_norm("critic", self._optimisers[1])

    def _looks_for_loose_parts(self, step: int) -> bool:
        objective = self._config.objective
        turn = step // objective.critic_steps % objective.wholeness_every == 0
        return bool(objective.wholeness_weight) and turn

    def _generator_half(self, data: StepData[Batch], join: bool) -> dict[str, Tensor]:
        self.critic.requires_grad_(False)
        count = len(data.batch.indices)
        codes = draw_codes(self.generator, data.random, count)
        values = self._generator_objective(codes, data, self._noisy_codes(data), join)
        self._descend(values["generator_loss"], self._optimisers[0])
        self._average.blend(self.generator)
        values = {name: value.detach() for name, value in values.items()}
        return values | gradient_norm("generator", self._optimisers[0])

    def _noisy_codes(self, data: StepData[Batch]) -> Tensor | None:
        """Codes (B, Z) of the batch's shapes, with noise; None: nothing is reconstructed."""
        if self._codes is None:
            return None
        codes: Tensor = self._codes(data.batch.indices)
        noise = data.random.normal(CODES, *codes.shape)
        return codes + self._config.objective.reconstruction_noise * noise

    def _find_codes(self) -> None:
        """Find the codes before the first step of a run."""
        if self._codes is None or self._codes_found:
            return
        if not bool(self._codes.found):  # asked once, because the answer is on the device
            assert self._stream is not None, "codes are of a stream's shapes"
            self._codes.find(self._stream, self._ranks)
            for generator in (self.generator, self.result):
                if generator.prior is not None:
                    centres = generator.prior.centres
                    rows = evenly_spaced(len(self._codes.codes), len(centres))
                    centres.copy_(self._codes.codes[rows])
        self._codes_found = True

    def _random(self, step: int, half: int) -> StepRandom:
        ranks = self._ranks
        return StepRandom(
            self._config.seed,
            self._stage,
            step,
            half,
            rank=ranks.rank,
            world=ranks.world,
            device=self._execution.device,
        )

    def _torn_share(self, stage: Stage) -> float:
        """Share of the training shapes that have several parts; 0 if nobody asks.

        An offset of recipe `point`, of the sphere frame, is taken for one of the cube frame, where
        it would be larger: fewer parts are joined, and none more.
        """
        if not self._config.objective.wholeness_weight or self._stream is None:
            return 0.0
        return torn_share(self._stream, stage.thin_offset, self._half)

    def _critic_of(self, stage: int) -> Critic:
        """Critic of a stage: the present one, the present one grown, or a new one."""
        config, size = self._config.critic, self._config.stages[stage].size
        with seeded(self._config.seed, WEIGHTS, stage):
            if isinstance(config, PointCriticConfig):
                return self._critic or self._point_critic(config)
            if not isinstance(config, VoxelCriticConfig):
                raise TrainConfigError(f"critic: recipe {self._config.recipe} needs one")
            if isinstance(self._critic, VoxelCritic):
                same = self._critic.resolution == size
                return self._critic if same else self._critic.grown(size)
            return VoxelCritic(config, size, self._half)

    def _point_critic(self, config: PointCriticConfig) -> PointCritic | PointVoxelCritic:
        return PointVoxelCritic(config, self._half) if config.grid else PointCritic(config)

    def _task_of(self, stage: Stage) -> CriticTask:
        config, execution = self._config, self._execution
        if config.recipe == "voxel":
            return VoxelTask(
                stage,
                lattice_clip(config, stage),
                config.clip_mode,
                execution.chunk,
                execution.device,
                self._half,
            )
        kind = RefinementTask if stage.refine else PointTask
        return kind(
            stage,
            config.clip,
            config.clip_mode,
            execution.chunk,
            self._half,
            isinstance(self.critic, PointCritic),
            execution.device,
        )

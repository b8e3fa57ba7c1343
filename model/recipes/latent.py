"""The recipe `latent`: a decoder of codes, then a prior from which codes are drawn.

Stages without `prior` train the decoder to give back training shapes from their codes, to which
noise is added, so that codes nearby give whole shapes as well. The prior is a kernel density of
codes, found in the first step, or a flow from normal noise to codes that stages with `prior` train
(Rombach et al. 2022 train their two parts in the same order).
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from shapegan.model.config import TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.distributed import Ranks
from shapegan.model.networks.autoencoder_config import AutoencoderConfig
from shapegan.model.networks.flow_prior import FlowPrior
from shapegan.model.networks.grid_decoder import GridDecoder
from shapegan.model.networks.grid_encoder import GridEncoder, half_sizes
from shapegan.model.networks.latent_generator import LatentGenerator, LatentGeneratorConfig
from shapegan.model.recipes.base import GeneratorRecipe, gradient_norm, rate_column
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.optimisers import build_optimiser, set_rate
from shapegan.model.recipes.shape_codes import fit_encoder, stretched_codes
from shapegan.model.recipes.step_random import (
    CHOICE,
    LATENTS,
    NOISE,
    PICTURES,
    PLACES,
    TIMES,
    RandomNumbers,
    StepRandom,
)
from shapegan.model.recipes.training_points import (
    choose_places,
    drawn_factors,
    moved_points,
    stretched_distances,
)
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.order import evenly_spaced
from shapegan.model.streaming.stream import Stream, VoxelBatch
from shapegan.model.streaming.thin_parts import thickened

_WARM_UP = 30
"""Steps over which the rates of a stage grow to their full size."""
_LAST_RATE = 0.03
"""Rates at the end of a stage, relative to the start."""
_LONGER = 1.5
"""Length of the longest code that the prior gives, relative to the longest of a training shape."""
_BOX_WEIGHT = 2.0
"""Weight of the error of bounding boxes."""


class DecoderObjective(nn.Module):
    """The loss of shapes that are decoded from their codes."""

    def __init__(self, decoder: GridDecoder, config: TrainConfig, execution: Execution) -> None:
        super().__init__()
        assert config.autoencoder is not None
        self.decoder = decoder
        self._clip, self._settings = config.clip, config.autoencoder
        self._execution = execution

    def forward(self, codes: Tensor, points: Tensor, sdf: Tensor, boxes: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            codes: (B, Z), with noise.
            points: (B, N, 3).
            sdf: (B, N), true distances there.
            boxes: (B, 3), true half sizes of the bounding boxes.
        """
        with self._execution.autocast():
            predicted = self.decoder(points, codes, self._execution.chunk, boxes)
            found = self.decoder.boxes(codes)
        settings, clip = self._settings, self._clip
        distance = ((predicted / clip).tanh() - (sdf / clip).tanh()).abs().mean()
        inside = (sdf < 0).float()
        sign = F.binary_cross_entropy_with_logits(
            -predicted / settings.sign_width,
            inside,
            pos_weight=torch.full((), settings.inside_weight, device=sdf.device),
        )
        box = (found - boxes).abs().mean()
        loss: Tensor = distance + settings.sign_weight * sign + _BOX_WEIGHT * box
        return loss


class Latent(GeneratorRecipe[LatentGenerator]):
    """Training of a decoder, then of a prior.

    Args:
        config: Config of the run, with recipe `latent`.
        ranks: Processes that share the run.
        execution: Precision and chunking.
        stream: The training shapes; None if no step is taken, as for a forecast.
    """

    def __init__(
        self, config: TrainConfig, ranks: Ranks, execution: Execution, stream: Stream | None
    ) -> None:
        if not isinstance(config.generator, LatentGeneratorConfig) or config.autoencoder is None:
            raise TrainConfigError("recipe latent needs its generator and its autoencoder")
        super().__init__(config, ranks, execution, LatentGenerator, config.generator)
        self._settings: AutoencoderConfig = config.autoencoder
        self._stream, self._stage, self._fitted = stream, -1, False
        self._mirrored = config.generator.symmetry == "x"
        self._names = config.generator.categories or ()
        self._numbers = self._category_numbers().to(execution.device)
        self._all_numbers = torch.arange(len(self._names), device=execution.device)
        self._objective = DecoderObjective(self.generator.decoder, config, execution)
        self.encoder = GridEncoder(config.generator.code, self._mirrored).to(execution.device)
        name, betas = config.optimiser.name, config.optimiser.betas
        trained = [self.generator.decoder, self.generator.prior]
        self._optimisers = [
            build_optimiser(name, part.parameters(), betas)
            for part in (trained if config.stages[-1].prior else trained[:1])
        ]

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Name -> network: the encoder is found rather than trained."""
        return {"generator": self.generator, "encoder": self.encoder}

    def begin(self, stage: int) -> None:
        """Prepare for a stage."""
        self._stage = stage
        stages = self._config.stages
        if stages[stage].prior and not stages[stage - 1].prior:
            # The decoder ends as its average. That of the prior begins without its first weights.
            self.generator.decoder.load_state_dict(self.result.decoder.state_dict())
            self._average.restart()
        self._runner.reset()

    def step(self, batch: VoxelBatch, progress: StepProgress) -> dict[str, Tensor]:
        """Take one step of the decoder, or some of the prior; see `Adversarial.step`."""
        if not self._fitted:  # asked once, because the answer is on the device
            if not bool(self.encoder.fitted):
                self._fit()
            self._fitted = True
        prior = self._config.stages[self._stage].prior
        optimiser = self._config.optimiser
        rate = (optimiser.critic_rate if prior else optimiser.rate) * rate_factor(progress)
        set_rate(self._optimisers[prior], rate)
        self._progress.fill_(progress.stage)
        self._average.count_update()
        random = StepRandom(
            self._config.seed,
            self._stage,
            progress.step,
            rank=self._ranks.rank,
            world=self._ranks.world,
            device=self._execution.device,
        )
        data = StepData(batch, random, self._progress)
        kind, step = ("prior", self._prior_step) if prior else ("decoder", self._decoder_step)
        values = self._runner.run(kind, step, data)
        return values | rate_column("critic" if prior else "generator", rate)

    def preview(self, count: int) -> Tensor:
        """Latents of the shapes in the previews, always the same: (count, Z)."""
        random = StepRandom(self._config.seed, device=self._execution.device)
        return random.normal(PICTURES, count, self.generator.config.latent)

    def _decoder_step(self, data: StepData[VoxelBatch]) -> dict[str, Tensor]:
        batch, random = data.batch, data.random
        with torch.no_grad():
            boxes = half_sizes(batch.voxels)
            factors = drawn_factors(boxes, random, 1, self._settings.stretch)[:, 0]
            codes = self._noisy_codes(batch, boxes, factors[:, None], random, self._settings.noise)
            rows, points, sdf = self._training_points(data)
            sdf = stretched_distances(batch.voxels, rows, sdf, factors)
            points = points * factors[:, None]
        loss: Tensor = self._objective(codes[:, 0], points, sdf, boxes * factors)
        self._descend(loss, self._optimisers[0])
        self._average.blend(self.generator)
        return {"loss": loss.detach()} | gradient_norm("generator", self._optimisers[0])

    def _training_points(self, data: StepData[VoxelBatch]) -> tuple[Tensor, Tensor, Tensor]:
        """Voxels (B, n) of a step, points (B, n, 3) near them, and distances (B, n) at these."""
        settings, batch, field = self._settings, data.batch, data.batch.voxels
        first = field.shape[1] // 2 if self._mirrored else 0
        if batch.thin is not None:
            offset = self._config.stages[self._stage].thin_offset_at(data.progress)
            field = thickened(field, batch.thin, offset)
        count = settings.near_points + settings.far_points
        draws = data.random.uniform(CHOICE, len(field), count)
        chosen = choose_places(field[:, first:].flatten(1), draws, settings.near_points)
        rows = chosen + first * field.shape[1] ** 2
        points, sdf = moved_points(field, rows, data.random.uniform(PLACES, len(field), count, 3))
        return rows, points, sdf

    def _prior_step(self, data: StepData[VoxelBatch]) -> dict[str, Tensor]:
        """Take `prior_repeats` steps with the codes of a batch, each with fresh noise."""
        batch, random = data.batch, data.random
        settings, count = self._settings, len(batch.indices)
        repeats, copies = settings.prior_repeats, settings.prior_copies
        with torch.no_grad():
            boxes = half_sizes(batch.voxels)
            factors = drawn_factors(boxes, random, repeats * copies, settings.stretch)
            codes = self._noisy_codes(batch, boxes, factors, random, settings.prior_noise)
        noise = random.normal(LATENTS, count, repeats * copies, codes.shape[2])
        # Times are logit-normal: the middle of the way is hardest (Esser et al. 2024, section 3.1).
        times = random.normal(TIMES, count, repeats * copies, 1).sigmoid()
        categories = self._one_hot(batch.indices)[:, None].expand(-1, copies, -1).flatten(0, 1)
        prior = self.generator.prior
        assert isinstance(prior, FlowPrior)
        total = torch.zeros((), device=codes.device)
        for first in range(0, repeats * copies, copies):
            part = slice(first, first + copies)
            code, start, time = (one[:, part].flatten(0, 1) for one in (codes, noise, times))
            loss = prior.loss(code, start, time, categories)
            self._descend(loss, self._optimisers[1])
            total = total + loss.detach()
        self._average.blend(self.generator)
        return {"loss": total / repeats} | gradient_norm("critic", self._optimisers[1])

    def _noisy_codes(
        self, batch: VoxelBatch, boxes: Tensor, factors: Tensor, random: RandomNumbers, noise: float
    ) -> Tensor:
        """Codes (B, copies, Z) of stretched shapes, with noise, given factors (B, copies, 3)."""
        codes = self.encoder.stretched(self.encoder(batch.voxels), boxes, factors)
        noisy: Tensor = codes + noise * random.normal(NOISE, *codes.shape)
        return noisy

    def _one_hot(self, indices: Tensor) -> Tensor:
        """Weights of categories (B, K) of training shapes (B,)."""
        if not self._names:
            return torch.zeros(len(indices), 0, device=indices.device)
        return (self._numbers[indices][:, None] == self._all_numbers).float()

    def _category_numbers(self) -> Tensor:
        """Number of the category of each training shape: (S,) int64."""
        if not self._names or self._stream is None:
            return torch.zeros(0, dtype=torch.int64)
        return torch.tensor([self._names.index(name) for name in self._stream.categories])

    def _fit(self) -> None:
        """Find the encoder's components, the prior's constants and the shares of categories."""
        assert self._stream is not None, "a recipe without shapes takes no steps"
        config, prior = self.generator.config, self.generator.prior
        size = self._config.stages[0].size
        codes = fit_encoder(self.encoder, self._stream, size)
        if self._names:
            device = self._execution.device
            everything = torch.arange(self._stream.shape_count, device=device)
            self.generator.shares.copy_(self._one_hot(everything).mean(dim=0))
        if isinstance(prior, FlowPrior):
            prior.longest.copy_(_LONGER * codes.norm(dim=1).max())
        else:
            count, copies = config.prior_shapes or 0, config.prior_stretches
            stretch = self._settings.stretch
            found = stretched_codes(self.encoder, self._stream, size, count, copies, stretch)
            prior.centres.copy_(found.flatten(0, 1))
            if self._names:
                kept = evenly_spaced(self._stream.shape_count, count)
                prior.numbers.copy_(self._numbers[kept].repeat_interleave(1 + copies))
        # Eigenvectors of other processors may differ by rounding.
        for network in (self.encoder, prior):
            for found in network.buffers():
                self._ranks.broadcast_tensor(found)


def rate_factor(progress: StepProgress) -> float:
    """Factor of the learning rates: it grows for a few steps, then falls along half a cosine."""
    cosine = (1 + math.cos(math.pi * progress.stage)) / 2
    return min(1.0, (progress.step + 1) / _WARM_UP) * (_LAST_RATE + (1 - _LAST_RATE) * cosine)

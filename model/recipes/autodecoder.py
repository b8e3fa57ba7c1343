"""The recipe `autodecoder`: DeepSDF, and the latents of unseen shapes (Park et al. 2019)."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from shapegan.model.config import TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.base import GeneratorRecipe, descend, gradient_norm, rate_column
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.losses import autodecoder_loss
from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.optimisers import build_optimiser, decay, set_rate
from shapegan.model.recipes.step_random import PICTURES, WEIGHTS, StepRandom, seeded
from shapegan.model.schedule import StepProgress
from shapegan.model.streaming.stream import PointBatch

_RAMP_EPOCHS = 100.0
"""Epochs over which the latents' regulariser grows to its full weight, as in DeepSDF's code."""


class AutodecoderObjective(nn.Module):
    """The loss of shapes that each have a latent of their own."""

    def __init__(
        self, generator: Generator, latents: nn.Embedding, clip: float, execution: Execution
    ) -> None:
        super().__init__()
        self.generator, self.latents = generator, latents
        self._clip, self._execution = clip, execution

    def forward(self, indices: Tensor, points: Tensor, sdf: Tensor, weight: Tensor) -> Tensor:
        """The loss, a scalar, of shapes (B,) with distances (B, N) at points (B, N, 3).

        `weight`, a scalar, is that of the latents' squared lengths.
        """
        latents = self.latents(indices)
        with self._execution.autocast():
            predicted = self.generator(points, latents, self._execution.chunk)
        return autodecoder_loss(predicted, sdf, latents, self._clip, weight)


class Autodecoder(GeneratorRecipe[Generator]):
    """Training of a generator together with a latent for each shape.

    Args:
        config: Config of the run, with recipe `autodecoder`.
        ranks: Processes that share the run.
        execution: Precision and chunking.
        shape_count: Training shapes.
    """

    def __init__(
        self, config: TrainConfig, ranks: Ranks, execution: Execution, shape_count: int
    ) -> None:
        super().__init__(config, ranks, execution, Generator, config.deepsdf)
        with seeded(config.seed, WEIGHTS, 1):
            latents = nn.Embedding(shape_count, config.generator.latent)
            nn.init.normal_(latents.weight, std=config.latent_spread)
        self.latents = latents.to(execution.device)
        name, betas = config.optimiser.name, config.optimiser.betas
        self._optimisers = [
            build_optimiser(name, self.generator.parameters(), betas, at_points=True),
            build_optimiser(name, self.latents.parameters(), betas),
        ]
        self._objective = AutodecoderObjective(self.generator, self.latents, config.clip, execution)
        self._weight = torch.zeros((), device=execution.device)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Name -> network, of all that are trained."""
        return {"generator": self.generator, "latents": self.latents}

    def begin(self, stage: int) -> None:
        """Prepare for a stage."""
        self._epochs, self._stage = self._config.stages[stage].epochs, stage
        self._runner.reset()

    def step(self, batch: PointBatch, progress: StepProgress) -> dict[str, Tensor]:
        """Take one step of generator and latents; see `Adversarial.step`."""
        config = self._config
        # 1. What the step reads besides the batch
        factor = decay(config.optimiser.halvings, progress.overall)
        rates = config.optimiser.rate * factor, config.optimiser.critic_rate * factor
        for optimiser, rate in zip(self._optimisers, rates, strict=True):
            set_rate(optimiser, rate)
        ramp = min(1.0, progress.overall * self._epochs / _RAMP_EPOCHS)
        self._weight.fill_(config.latent_weight * ramp)
        self._average.count_update()
        # 2. The step; it draws no random numbers
        random = StepRandom(config.seed, self._stage, progress.step)
        values = self._runner.run("autodecoder", self._descend_batch, StepData(batch, random))
        return values | rate_column("generator", rates[0]) | rate_column("critic", rates[1])

    def _descend_batch(self, data: StepData[PointBatch]) -> dict[str, Tensor]:
        points, sdf = data.batch.balanced
        loss: Tensor = self._objective(data.batch.indices, points, sdf, self._weight)
        self._descend(loss, *self._optimisers)
        self._average.blend(self.generator)
        values = {"loss": loss.detach()}
        for name, optimiser in zip(("generator", "critic"), self._optimisers, strict=True):
            values |= gradient_norm(name, optimiser)
        return values

    def preview(self, count: int) -> Tensor:
        """Latents of the shapes in the previews: (count, Z).

        Half belong to training shapes, half are drawn from the normal distribution of the latents.
        """
        known = self.latents.weight.detach()[: self.learned_in_preview(count)]
        return torch.cat([known, self.draw(count - len(known))])

    def learned_in_preview(self, count: int) -> int:
        """Half of the previews, if there are so many training shapes."""
        return min(len(self.latents.weight), count // 2)

    def draw(self, count: int) -> Tensor:
        """Latents drawn from the normal distribution of the learned ones: (count, Z)."""
        weights = self.latents.weight.detach()
        random = StepRandom(self._config.seed, device=self._execution.device)
        normal = random.normal(PICTURES, count, weights.shape[1])
        return weights.mean(dim=0) + weights.std(dim=0) * normal

    def measurements(self) -> dict[str, float]:
        """The mean norm of the learned latents."""
        return {"latent_norm": float(self.latents.weight.detach().norm(dim=1).mean())}


def fit_latents(
    generator: Generator,
    points: Tensor,
    sdf: Tensor,
    *,
    steps: int = 800,
    rate: float = 5e-3,
    clip: float = 0.1,
    latent_weight: float = 1e-4,
    samples: int = 8192,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Fit a latent to the distances of each of several shapes (Park et al. 2019, equation 10).

    The shapes share their steps, not their losses: up to rounding, a latent does not depend on the
    other shapes.

    Args:
        generator: A trained generator; it is not changed.
        points: (B, P, 3), in the generator's frame.
        sdf: (B, P) true distances there.
        steps: Steps of Adam.
        rate: Learning rate; the second half of the steps has a tenth of it.
        clip: Truncation distance.
        latent_weight: Weight of |z|^2.
        samples: Points per shape and step, drawn at random: the same rows for all shapes.
        seed: Seed of that draw.
        progress: Called before each step with its number, from 0.

    Returns:
        (B, Z) on the points' device.
    """
    source = torch.Generator().manual_seed(seed)
    shapes, count, _ = points.shape
    size = generator.config.latent
    latents = torch.zeros(shapes, size, device=points.device, requires_grad=True)
    optimiser = torch.optim.Adam([latents], lr=rate)
    with _frozen(generator):
        for step in range(steps):
            progress(step)
            chosen = torch.randint(count, (samples,), generator=source).to(points.device)
            predicted = generator(points[:, chosen], latents)
            loss = autodecoder_loss(predicted, sdf[:, chosen], latents, clip, latent_weight)
            # Times B: the sum over the shapes, so that a shape's gradient is that of it alone.
            set_rate(optimiser, rate * (0.1 if step >= steps // 2 else 1.0))
            descend(shapes * loss, optimiser)
    return latents.detach()


@contextlib.contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Turn off the gradients of a network's weights for a while."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)

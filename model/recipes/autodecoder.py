"""The recipe `autodecoder`: DeepSDF's own training, latents of unseen shapes (Park et al. 2019)."""

import math

import torch
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.base import GeneratorRecipe
from shapegan.model.recipes.losses import autodecoder_loss
from shapegan.model.recipes.objectives import Execution
from shapegan.model.recipes.optimisers import build_optimiser, set_rate
from shapegan.model.recipes.step_random import PICTURES, WEIGHTS, StepRandom, seeded
from shapegan.model.schedule import Moment
from shapegan.model.streaming.stream import BALANCED, PointBatch, StreamConfig

SETS = ("surface", "uniform")
"""Point sets that are learned from."""
_RAMP = 100.0
"""Epochs over which the latents' regulariser comes to full weight, as in DeepSDF's code."""


class AutodecoderObjective(nn.Module):
    """The loss of shapes that each have a latent of their own."""

    def __init__(
        self, generator: Generator, latents: nn.Embedding, clip: float, execution: Execution
    ) -> None:
        super().__init__()
        self.generator, self.latents = generator, latents
        self._clip, self._execution = clip, execution

    def forward(self, shapes: Tensor, points: Tensor, sdf: Tensor, weight: float) -> Tensor:
        """The loss, a scalar, of shapes (B,) with distances (B, N) at points (B, N, 3)."""
        latents = self.latents(shapes)
        with self._execution.autocast():
            predicted = self.generator(points, latents, self._execution.chunk)
        return autodecoder_loss(predicted, sdf, latents, self._clip, weight)


class Autodecoder(GeneratorRecipe):
    """Trains a generator together with a latent for each shape.

    Args:
        config: Of the run; recipe `autodecoder`.
        ranks: The processes that share it.
        execution: How networks are run.
    """

    def __init__(self, config: TrainConfig, ranks: Ranks, execution: Execution) -> None:
        super().__init__(config, ranks, execution)
        self.latents: nn.Embedding | None = None
        self._epochs = 1.0

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What is trained, by name."""
        assert self.latents is not None
        return {"generator": self.generator, "latents": self.latents}

    def stream(self, stage: Stage) -> StreamConfig:
        """What a stage reads: as many points inside as outside."""
        config = self._config
        return StreamConfig(
            "points", stage.size, stage.batch, config.seed, config.split, sets=SETS, balanced=True
        )

    def begin(self, number: int, shapes: int) -> None:
        """Gets ready for a stage; the first makes the latents, one for each shape."""
        config, device = self._config, self._execution.device
        self._epochs = config.stages[number].epochs
        if self.latents is None:
            with seeded(config.seed, WEIGHTS, 1):
                self.latents = nn.Embedding(shapes, config.generator.latent).to(device)
                nn.init.normal_(self.latents.weight, std=config.latent_spread)
            self._optimisers = [
                build_optimiser(config.optimiser.name, network.parameters(), config.optimiser.betas)
                for network in (self.generator, self.latents)
            ]
        objective = AutodecoderObjective(self.generator, self.latents, config.clip, self._execution)
        self._objective: nn.Module = self._ranks.wrap_ddp(objective)

    def step(self, batch: PointBatch, moment: Moment) -> dict[str, Tensor]:
        """One step of generator and latents; see `Adversarial.step`."""
        rates = self._config.optimiser
        share = 0.5 ** math.floor(moment.overall * rates.halvings)
        set_rate(self._optimisers[0], rates.rate * share)
        set_rate(self._optimisers[1], rates.critic_rate * share)
        points, sdf = batch.points[BALANCED]
        weight = self._config.latent_weight * min(1.0, moment.overall * self._epochs / _RAMP)
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss: Tensor = self._objective(batch.indices, points, sdf, weight)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self._optimisers:
            optimiser.step()
        self._average.update(self.generator)
        return {"loss": loss.detach()}

    def preview(self, count: int) -> Tensor:
        """Latents whose shapes are drawn again and again: (count, Z).

        Half are of training shapes, half are drawn from the latents' normal distribution.
        """
        assert self.latents is not None
        weights = self.latents.weight.detach()
        known = weights[: min(len(weights), count // 2)]
        draws = StepRandom(self._config.seed, device=self._execution.device)
        normal = draws.normal(PICTURES, count - len(known), weights.shape[1])
        return torch.cat([known, weights.mean(dim=0) + weights.std(dim=0) * normal])

    def close(self) -> None:
        """Lets go of what is shared with other processes."""
        self._objective = nn.Identity()


def reconstruct(
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
) -> Tensor:
    """The latent that explains a shape's distances best (Park et al. 2019, sec. 6.2).

    Args:
        generator: A trained one; it is not changed.
        points: (P, 3), in the generator's frame.
        sdf: (P,) true distances there.
        steps: Of Adam; the rate is divided by ten half way.
        rate: Adam's at the start.
        clip: Distances beyond are not told apart.
        latent_weight: Of |z|^2.
        samples: Points to a step, drawn anew each time.
        seed: Of the choice of points.

    Returns:
        (Z,) on the points' device.
    """
    source = torch.Generator().manual_seed(seed)
    latent = torch.zeros(1, generator.config.latent, device=points.device, requires_grad=True)
    optimiser = torch.optim.Adam([latent], lr=rate)
    frozen = [parameter for parameter in generator.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        for step in range(steps):
            set_rate(optimiser, rate * (0.1 if step >= steps // 2 else 1.0))
            chosen = torch.randint(len(points), (samples,), generator=source).to(points.device)
            predicted = generator(points[chosen], latent)
            loss = autodecoder_loss(predicted, sdf[chosen][None], latent, clip, latent_weight)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    return latent.detach()[0]

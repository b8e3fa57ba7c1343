"""The point game: a PointNet judges (x, y, z, sdf) (Kleineberg et al., sec. 3.2 and 3.3)."""

import torch
from torch import Tensor, nn

from shapegan.model.networks.generator import Generator
from shapegan.model.networks.point_critic import gather_points
from shapegan.model.recipes.objectives import CriticInput
from shapegan.model.recipes.step_random import CHOICE, NOISE, StepRandom
from shapegan.model.recipes.voxel import clip_distances
from shapegan.model.streaming.stream import PointBatch

NEAR = 0.1
"""Uniform points nearer to the surface than this are all kept in refinement, and moved onto it."""
KEPT = 0.15
"""Share of the other uniform points that refinement keeps."""
SURFACE_NOISE = 0.0025
"""Standard deviation of what is added to moved points: that of the dataset's surface points."""


class PointTask:
    """Points of the unit ball.

    Args:
        clip: Distances beyond are not told apart, frame units.
        way: How, one of `config.CLIP_MODES`.
        chunk: Points whose activations the generator holds at once.
    """

    def __init__(self, clip: float, way: str, chunk: int) -> None:
        self._clip, self._way, self._chunk = clip, way, chunk

    def real(self, batch: PointBatch, _draws: StepRandom) -> CriticInput:
        """Points of the dataset with their distances."""
        points, sdf = batch.points["uniform"]
        return CriticInput(self._seen(sdf), points)

    def fake(
        self, generator: Generator, latents: Tensor, batch: PointBatch, _draws: StepRandom
    ) -> CriticInput:
        """Generated distances at the points of the batch."""
        points, _ = batch.points["uniform"]
        return CriticInput(self._seen(generator(points, latents, self._chunk)), points)

    def generator_scores(
        self,
        generator: Generator,
        critic: nn.Module,
        latents: Tensor,
        batch: PointBatch,
        draws: StepRandom,
        fade: Tensor,
    ) -> Tensor:
        """The critic's score of generated shapes, with gradients: (B,).

        The score hangs on the few points that decide it, and so do its gradients: only those go
        through the generator with a way back.
        """
        with torch.no_grad():
            fake = self.fake(generator, latents, batch, draws)
        assert fake.points is not None
        deciding = critic.deciding(fake.points, fake.sdf)  # type: ignore[operator]
        points = gather_points(fake.points, deciding)
        sdf = self._seen(generator(points, latents, self._chunk))
        return self.scores(critic, CriticInput(sdf, points), fade)

    def scores(self, critic: nn.Module, judged: CriticInput, _fade: Tensor) -> Tensor:
        """The critic's score of each shape: (B,)."""
        scores: Tensor = critic(judged.points, judged.sdf, judged.mask)
        return scores

    def _seen(self, sdf: Tensor) -> Tensor:
        return clip_distances(sdf, self._clip, self._way)


class RefinementTask(PointTask):
    """Points of the ball, most of them near the surface, together with points on the surface.

    Of generated shapes, the points on the surface come from moving near ones along the SDF's
    gradient: p - f(p) * grad f(p), the gradient taken as constant.
    """

    def real(self, batch: PointBatch, draws: StepRandom) -> CriticInput:
        """The dataset's uniform and surface points, those that count."""
        points, sdf = batch.points["uniform"]
        near = sdf.abs() < NEAR
        kept = near | self._others(draws, sdf)
        uniform = _pack(kept, points, sdf)
        surface = _pack(near, *batch.points["surface"])
        return self._joined(uniform, surface, CriticInput(self._seen(sdf), points))

    def fake(
        self, generator: Generator, latents: Tensor, batch: PointBatch, draws: StepRandom
    ) -> CriticInput:
        """Generated distances at uniform points, and at those moved onto the surface."""
        points, _ = batch.points["uniform"]
        # 1. Which points count: only those are worth a gradient.
        with torch.no_grad():
            everywhere = generator(points, latents, self._chunk)
        near = everywhere.abs() < NEAR
        kept = near | self._others(draws, everywhere)
        # 2. Their distances, and the direction to the surface.
        mask, places, near = _pack(kept, points, near)
        sdf, direction = self._with_gradient(generator, places, latents)
        # 3. The near ones, moved onto the surface.
        noise = SURFACE_NOISE * draws.normal(NOISE, len(points), *points.shape[1:])
        noise = noise[:, : places.shape[1]]
        moved_mask, moved = _pack(near, places - sdf.unsqueeze(-1) * direction + noise)
        surface = (moved_mask, moved, generator(moved, latents, self._chunk))
        return self._joined(
            (mask, places, sdf), surface, CriticInput(self._seen(everywhere), points)
        )

    def generator_scores(
        self,
        generator: Generator,
        critic: nn.Module,
        latents: Tensor,
        batch: PointBatch,
        draws: StepRandom,
        fade: Tensor,
    ) -> Tensor:
        """The critic's score of generated shapes, with gradients: (B,)."""
        return self.scores(critic, self.fake(generator, latents, batch, draws), fade)

    def _with_gradient(
        self, generator: Generator, points: Tensor, latents: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Distances (B, N), with gradients if those are on, and their constant slope (B, N, 3)."""
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            places = points.detach().requires_grad_()
            sdf = generator(places, latents, self._chunk, eager=True)
            (direction,) = torch.autograd.grad(sdf.sum(), places, retain_graph=wanted)
        return sdf if wanted else sdf.detach(), direction

    def _others(self, draws: StepRandom, like: Tensor) -> Tensor:
        return draws.uniform(CHOICE, *like.shape) < KEPT

    def _joined(
        self,
        uniform: tuple[Tensor, ...],
        surface: tuple[Tensor, ...],
        plain: CriticInput,
    ) -> CriticInput:
        mask, points, sdf = (torch.cat(pair, dim=1) for pair in zip(uniform, surface, strict=True))
        return CriticInput(self._seen(sdf), points, mask, plain)


def _pack(mask: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
    """Moves the rows that count to the front and cuts the rest off.

    Args:
        mask: (B, N) bool.
        values: (B, N, ...) each.

    Returns:
        The mask (B, K), K the most rows that count in a shape (at least 1), and the values.
    """
    length = max(1, int(mask.sum(dim=1).max()))
    order = mask.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :length]
    packed = [
        value.gather(1, order) if value.ndim == 2 else _gather_rows(value, order)
        for value in values
    ]
    return mask.gather(1, order), *packed


def _gather_rows(values: Tensor, order: Tensor) -> Tensor:
    return values.gather(1, order.unsqueeze(-1).expand(-1, -1, values.shape[-1]))

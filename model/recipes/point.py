"""The point task: a critic sees points with their distances (Kleineberg et al., 3.2 and 3.3)."""

import math

import torch
from torch import Tensor, nn

from shapegan.model.config import Stage
from shapegan.model.networks.generator import Generator
from shapegan.model.networks.generator_inputs import on_one_side
from shapegan.model.networks.point_critic import gather_points
from shapegan.model.recipes.loose_parts import LooseParts, deciding_places
from shapegan.model.recipes.objectives import CriticInput, StepData
from shapegan.model.recipes.step_random import CHOICE, NOISE, RandomNumbers
from shapegan.model.recipes.voxel import clip_distances, reconstruction_error
from shapegan.model.streaming.stream import PointBatch
from shapegan.model.streaming.thin_parts import thickened
from shapegan.pipeline.schema import grid_points

NEAR_DISTANCE = 0.1
"""Refinement keeps all uniform points nearer to the surface than this, and projects them on it."""
FAR_SHARE = 0.15
"""Share of the other uniform points that refinement keeps."""
NEAR_WEIGHT = 5.0
"""Weight, in the reconstruction, of points nearer to the surface than the clip; others have 1."""
GRID = 32
"""Resolution of the grid on which loose parts are found, of the cube around the ball."""
SURFACE_NOISE = 0.0025
"""Standard deviation of the noise on projected points: that of the dataset's surface points."""


class PointTask:
    """Points of the unit ball.

    Of shapes that are their own mirror images at x = 0, half is enough: half of the points, moved
    to x >= 0.

    Args:
        stage: The offset of thin parts.
        clip: Truncation distance, frame units.
        clip_mode: One of `config.CLIP_MODES`.
        chunk: Points whose activations the generator holds at once.
        half: Show the half x >= 0 of each shape.
        pooled: The critic is a PointNet, which has critical points.
        device: Device of the grid on which loose parts are found; None: the default one.
    """

    graph_obstacle = ""

    def __init__(
        self,
        stage: Stage,
        clip: float,
        clip_mode: str,
        chunk: int,
        half: bool = False,
        pooled: bool = True,
        device: torch.device | None = None,
    ) -> None:
        self._sides = [GRID // 2 if half else GRID, GRID, GRID]
        grid = grid_points(GRID)[-math.prod(self._sides) :]
        self._grid = torch.as_tensor(grid, device=device)
        self._stage, self._half, self._pooled = stage, half, pooled
        self._clip, self._clip_mode, self._chunk = clip, clip_mode, chunk
        self._near = float(self._clipped(torch.tensor(clip)))

    def real(self, data: StepData[PointBatch]) -> CriticInput:
        """The dataset's points with their distances."""
        points, sdf = data.batch.points["uniform"]
        if data.batch.thin is not None:
            sdf = thickened(sdf, data.batch.thin, self._stage.thin_offset_at(data.progress))
        points, sdf = self._shown(points, sdf)
        return CriticInput(self._clipped(sdf), points)

    def fake(self, generator: Generator, codes: Tensor, data: StepData[PointBatch]) -> CriticInput:
        """Generated distances at the points of the batch."""
        points, _ = self._shown(*data.batch.points["uniform"])
        return CriticInput(self._clipped(generator.decode(points, codes, self._chunk)), points)

    def judged(
        self, generator: Generator, critic: nn.Module, codes: Tensor, data: StepData[PointBatch]
    ) -> CriticInput:
        """Generated distances at the points of the batch, with gradients.

        The score of a PointNet and its gradients depend on the critical points alone, so only these
        go through the generator with gradients.
        """
        if not self._pooled:
            return self.fake(generator, codes, data)
        with torch.no_grad():
            fake = self.fake(generator, codes, data)
        assert fake.points is not None
        critical = critic.critical_indices(fake.points, fake.sdf)  # type: ignore[operator]
        points = gather_points(fake.points, critical)
        return CriticInput(self._clipped(generator.decode(points, codes, self._chunk)), points)

    def scores(self, critic: nn.Module, critic_input: CriticInput) -> Tensor:
        """Critic scores of shapes: (B,)."""
        scores: Tensor = critic(critic_input.points, critic_input.sdf, critic_input.mask)
        return scores

    def reconstruction(
        self, generator: Generator, codes: Tensor, data: StepData[PointBatch]
    ) -> Tensor:
        """Error of the shapes of codes (B, Z), a scalar.

        Few of the points that fill the ball are near a surface, so these count more.
        """
        real, fake = self.real(data), self.fake(generator, codes, data)
        weights = torch.where(real.sdf.abs() < self._near, NEAR_WEIGHT, 1.0)
        return reconstruction_error(fake.sdf, real.sdf, weights)

    def loose_parts(self, generator: Generator, codes: Tensor, judged: CriticInput) -> LooseParts:
        """Loose parts of shapes on a grid of the ball, whose half may be enough."""
        del judged
        # Only the places that decide need gradients.
        with torch.no_grad():
            sdf = self._clipped(generator.decode(self._grid, codes, self._chunk)).float()
        places, signs = deciding_places(sdf.view(len(codes), *self._sides))
        found = generator.decode(self._grid[places], codes, self._chunk)
        return LooseParts(self._clipped(found).float(), signs)

    def _shown(self, points: Tensor, sdf: Tensor) -> tuple[Tensor, Tensor]:
        """Points that are shown, and their distances.

        The distance at a point is that at its mirror image. Points are in random order, so the
        first half of them is as good as any.
        """
        if not self._half:
            return points, sdf
        count = (points.shape[1] + 1) // 2
        return on_one_side(points[:, :count]), sdf[:, :count]

    def _clipped(self, sdf: Tensor) -> Tensor:
        return clip_distances(sdf, self._clip, self._clip_mode)


class RefinementTask(PointTask):
    """Points of the ball, most of them near the surface, together with points on the surface.

    The surface points of generated shapes are projections of near points along the SDF's gradient:
    p - f(p) * grad f(p), where the gradient is constant (Kleineberg et al. 2020, section 3.3).
    """

    graph_obstacle = "the number of points that refinement keeps is not known before"

    def real(self, data: StepData[PointBatch]) -> CriticInput:
        """The dataset's uniform and surface points, as many as refinement keeps."""
        points, sdf = self._shown(*data.batch.points["uniform"])
        near, kept = self._choices(data.random, sdf)
        uniform = _pack(kept, points, sdf)
        surface = _pack(near, *self._shown(*data.batch.points["surface"]))
        return self._joined(uniform, surface, points, sdf)

    def fake(self, generator: Generator, codes: Tensor, data: StepData[PointBatch]) -> CriticInput:
        """Generated distances at uniform points and at points projected on the surface."""
        points, _ = self._shown(*data.batch.points["uniform"])
        # 1. Which points are kept: only those need gradients.
        with torch.no_grad():
            all_sdf = generator.decode(points, codes, self._chunk)
        near, kept = self._choices(data.random, all_sdf)
        # 2. Their distances, and the direction to the surface.
        mask, places, near = _pack(kept, points, near)
        sdf, direction = self._with_gradient(generator, places, codes)
        # 3. The near ones, projected on the surface.
        noise = SURFACE_NOISE * data.random.normal(NOISE, len(points), *points.shape[1:])
        noise = noise[:, : places.shape[1]]
        moved_mask, moved = _pack(near, places - sdf.unsqueeze(-1) * direction + noise)
        surface = (moved_mask, moved, generator.decode(moved, codes, self._chunk))
        return self._joined((mask, places, sdf), surface, points, all_sdf)

    def judged(
        self, generator: Generator, critic: nn.Module, codes: Tensor, data: StepData[PointBatch]
    ) -> CriticInput:
        """Generated distances at uniform points and on the surface, with gradients."""
        del critic
        return self.fake(generator, codes, data)

    def reconstruction(
        self, generator: Generator, codes: Tensor, data: StepData[PointBatch]
    ) -> Tensor:
        """Error of the shapes of codes (B, Z) at uniform and at surface points, a scalar."""
        error = torch.zeros((), device=codes.device)
        for name in ("uniform", "surface"):
            points, sdf = self._shown(*data.batch.points[name])
            found = self._clipped(generator.decode(points, codes, self._chunk))
            error = error + reconstruction_error(found, self._clipped(sdf))
        return error

    def _choices(self, random: RandomNumbers, sdf: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of the points near the surface and of those that are kept: (B, N) bool each."""
        near = sdf.abs() < NEAR_DISTANCE
        return near, near | (random.uniform(CHOICE, *sdf.shape) < FAR_SHARE)

    def _with_gradient(
        self, generator: Generator, points: Tensor, codes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Distances (B, N), with gradients if those are enabled, and grad f (B, N, 3) without."""
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            places = points.detach().requires_grad_()
            sdf = generator.decode(places, codes, self._chunk, eager=True)
            (direction,) = torch.autograd.grad(sdf.sum(), places, retain_graph=wanted)
        return sdf if wanted else sdf.detach(), direction

    def _joined(
        self,
        uniform: tuple[Tensor, ...],
        surface: tuple[Tensor, ...],
        all_points: Tensor,
        all_sdf: Tensor,
    ) -> CriticInput:
        """Both sets of points. The penalty is on all uniform points."""
        mask, points, sdf = (torch.cat(pair, dim=1) for pair in zip(uniform, surface, strict=True))
        penalised = CriticInput(self._clipped(all_sdf), all_points)
        return CriticInput(self._clipped(sdf), points, mask, penalised)


def _pack(mask: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
    """Move the rows that count to the front and cut off the rest.

    Args:
        mask: (B, N) bool.
        values: (B, N, ...) each.

    Returns:
        The mask (B, K) and the values (B, K, ...). K is the largest number of rows that count in
        any shape, at least 1.
    """
    length = max(1, int(mask.sum(dim=1).max()))
    order = mask.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :length]
    packed = [
        value.gather(1, order) if value.ndim == 2 else gather_points(value, order)
        for value in values
    ]
    return mask.gather(1, order), *packed

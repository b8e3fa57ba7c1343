"""Stages of the preset `paper` that are timed, and batches of simple shapes for them."""

import dataclasses
from dataclasses import dataclass

import torch
from published_step import Batch
from torch import Tensor

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.presets import preset
from shapegan.model.recipes.objectives import draw_latents, draw_mix
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.streaming.stream import PointBatch, VoxelBatch
from shapegan.pipeline.schema import grid_points

CLIP = 0.1
"""Distance at which training clips."""


@dataclass(frozen=True)
class Case:
    """A stage of the preset `paper`."""

    recipe: str
    size: int
    batch: int
    device: str = "cpu"

    @property
    def config(self) -> TrainConfig:
        """The preset, with this stage alone."""
        stages = (Stage(self.size, self.batch, 1),)
        return dataclasses.replace(preset(self.recipe, "paper"), stages=stages)


CASES = {
    "16^3 x 16": Case("voxel", 16, 16),
    "32^3 x 16": Case("voxel", 32, 16),
    "64^3 x 16": Case("voxel", 64, 16),
    "64^3 x 1": Case("voxel", 64, 1),
    "4,096 points x 32": Case("point", 4096, 32),
    "32,768 points x 6": Case("point", 32768, 6),
    "8^3 x 4": Case("voxel", 8, 4),
    "256 points x 4": Case("point", 256, 4),
}


class Shapes:
    """Batches of a case: balls about the centre, of random radii, distances clipped at 0.1."""

    def __init__(self, case: Case) -> None:
        self._case, self._grid = case, None
        if case.recipe == "voxel":
            grid = torch.from_numpy(grid_points(case.size))
            self._grid = grid.to(case.device, torch.get_default_dtype())

    def batch(self, step: int) -> tuple[VoxelBatch | PointBatch, Batch]:
        """A step's batch in two forms: for our step and for the published one."""
        case, draws = self._case, StepRandom(1, step, device=self._case.device)
        shapes = torch.arange(case.batch)
        points = self._points(draws)
        radii = 0.3 + 0.5 * draws.uniform(0, case.batch)
        sdf = (points.norm(dim=2) - radii[:, None]).clamp(-CLIP, CLIP)
        latents, mix = self._draw(step)
        if self._grid is None:
            ours = PointBatch(shapes, {"uniform": (points, sdf)})
            return ours, Batch(sdf, points, latents, mix)
        sdf = sdf.reshape(-1, case.size, case.size, case.size)
        return VoxelBatch(shapes, sdf), Batch(sdf, points.contiguous(), latents, mix)

    def _points(self, draws: StepRandom) -> Tensor:
        if self._grid is not None:
            return self._grid.expand(self._case.batch, -1, -1)
        places = draws.normal(1, self._case.batch, self._case.size, 3)
        radii = draws.uniform(2, self._case.batch, self._case.size, 1) ** (1 / 3)
        return places / places.norm(dim=2, keepdim=True) * radii

    def _draw(self, step: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Latents of both steps and the mix, as `Adversarial` draws them."""
        config, count = self._case.config, self._case.batch
        first, second = (
            StepRandom(config.seed, 0, step, which, device=self._case.device) for which in (0, 1)
        )
        size = config.generator.latent
        latents = draw_latents(first, count, size), draw_latents(second, count, size)
        return latents, draw_mix(first, count)

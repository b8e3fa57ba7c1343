"""Shapes that a generator gives back from their codes."""

import pytest
import torch
from support.adversarial import COUNT, RADII, Spheres, sphere_batch

from shapegan.model.config import Stage
from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.point import NEAR_WEIGHT, PointTask, RefinementTask
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.recipes.voxel import VoxelTask, clip_distances
from shapegan.model.streaming.stream import PointBatch, VoxelBatch
from shapegan.pipeline.schema import grid_points

STAGE = Stage(COUNT, 3, 1)


@pytest.fixture
def batch() -> PointBatch:
    return sphere_batch()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("kind", "sets"), [(PointTask, 1), (RefinementTask, 2)])
def test_a_reconstruction_is_judged_at_uniform_and_refined_at_surface_points(
    batch: PointBatch, kind: type[PointTask], sets: int, half: bool
) -> None:
    task = kind(STAGE, 10.0, "hard", 10**6, half)
    points, _ = batch.points["uniform"]
    surface, _ = batch.points["surface"]
    exact = PointBatch(
        batch.indices,
        {name: (one, one.norm(dim=-1) - RADII) for name, one in
         (("uniform", points), ("surface", surface))},
    )  # fmt: skip
    data = StepData(exact, StepRandom(0))
    assert task.reconstruction(Spheres(), RADII, data) < 1e-6
    off = task.reconstruction(Spheres(), RADII + 0.02, data)
    assert off.item() == pytest.approx(0.02 * sets, rel=1e-4)


def test_the_other_half_of_the_points_does_not_count(batch: PointBatch) -> None:
    points, _ = batch.points["uniform"]
    sdf = points.norm(dim=-1) - RADII
    wrong = torch.where(torch.arange(COUNT) < COUNT // 2, sdf, sdf + 0.5)
    data = StepData(PointBatch(batch.indices, {"uniform": (points, wrong)}), StepRandom(0))
    both, half = (PointTask(STAGE, 10.0, "hard", 10**6, half) for half in (False, True))
    assert both.reconstruction(Spheres(), RADII, data) > 0.1
    assert half.reconstruction(Spheres(), RADII, data) < 1e-6


@pytest.mark.parametrize("clip_mode", ["hard", "soft", "none"])
def test_clipped_distances_are_compared_and_near_ones_count_more(
    batch: PointBatch, clip_mode: str
) -> None:
    task = PointTask(STAGE, 0.01, clip_mode, 10**6)
    data = StepData(batch, StepRandom(0))
    points, sdf = batch.points["uniform"]
    expected = clip_distances(points.norm(dim=-1) - RADII, 0.01, clip_mode)
    difference = (expected - clip_distances(sdf, 0.01, clip_mode)).abs()
    near = sdf.abs() < 0.01
    assert 0 < near.sum() < near.numel()
    weights = 1 + (NEAR_WEIGHT - 1) * near
    expected = (difference * weights).sum() / weights.sum()
    torch.testing.assert_close(task.reconstruction(Spheres(), RADII, data), expected)


@pytest.mark.parametrize("clip_mode", ["hard", "soft", "none"])
def test_grids_are_compared_as_the_critic_sees_them(clip_mode: str) -> None:
    grid = torch.from_numpy(grid_points(8)).norm(dim=-1).view(1, 8, 8, 8)
    real = grid - RADII[:, :, None, None]
    task = VoxelTask(Stage(8, 3, 1), 0.1, clip_mode, 10**6, torch.device("cpu"))
    data = StepData(VoxelBatch(torch.arange(3), real), StepRandom(0))
    assert task.reconstruction(Spheres(), RADII, data) < 1e-6
    expected = clip_distances(real - 0.05, 0.1, clip_mode) - clip_distances(real, 0.1, clip_mode)
    found = task.reconstruction(Spheres(), RADII + 0.05, data)
    torch.testing.assert_close(found, expected.abs().mean())

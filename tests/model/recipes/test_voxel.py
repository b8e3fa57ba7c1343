import pytest
import torch
from torch import Tensor

from shapegan.model.config import Stage
from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.recipes.voxel import VoxelTask, clip_distances
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.pipeline.schema import grid_points


def planes(points: Tensor, latents: Tensor, chunk: int | None = None) -> Tensor:
    """An exact generator: half spaces, each axis by another factor."""
    return points @ torch.tensor([1.0, 10.0, 100.0]) + latents


def data_of(voxels: Tensor) -> StepData[VoxelBatch]:
    return StepData(VoxelBatch(torch.arange(len(voxels)), voxels), StepRandom(0))


@pytest.mark.parametrize(
    ("clip_mode", "expected"),
    [
        ("hard", [-0.1, -0.05, 0.1]),
        ("none", [-3.0, -0.05, 0.2]),
        ("soft", [-1.0, -0.46211716, 0.9640276]),
    ],
)
def test_clip_modes(clip_mode: str, expected: list[float]) -> None:
    found = clip_distances(torch.tensor([-3.0, -0.05, 0.2]), 0.1, clip_mode)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_generated_grids_lie_as_stored_ones_do() -> None:
    task = VoxelTask(Stage(8, 2, 1), 0.1, "none", 100, torch.device("cpu"))
    latents = torch.tensor([[0.0], [5.0]])
    fake = task.fake(planes, latents, data_of(torch.zeros(2, 8, 8, 8)))
    assert fake.sdf.shape == (2, 8, 8, 8)
    axis = torch.linspace(-1, 1, 8)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    expected = x + 10 * y + 100 * z
    torch.testing.assert_close(fake.sdf, torch.stack([expected, expected + 5]))
    assert grid_points(8).shape == (512, 3)


@pytest.mark.parametrize("clip_mode", ["hard", "soft", "none"])
def test_only_soft_clips_generated_distances(clip_mode: str) -> None:
    task = VoxelTask(Stage(8, 2, 1), 0.1, clip_mode, 100, torch.device("cpu"))
    grid = torch.linspace(-1, 1, 512).view(1, 8, 8, 8)
    real = task.real(data_of(grid))
    assert torch.equal(real.sdf, clip_distances(grid, 0.1, clip_mode))
    fake = task.fake(planes, torch.zeros(1, 1), data_of(grid)).sdf
    assert (fake.abs().max() <= 1) == (clip_mode == "soft")

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from support.training import VOXEL
from torch import Tensor

from shapegan.model.config import Stage
from shapegan.model.recipes.objectives import StepData
from shapegan.model.recipes.step_random import StepRandom
from shapegan.model.recipes.voxel import VoxelTask, clip_distances, lattice_clip
from shapegan.model.streaming.stream import VoxelBatch
from shapegan.pipeline.schema import grid_points


def planes(points: Tensor, codes: Tensor, chunk: int | None = None) -> Tensor:
    """An exact generator: half spaces, each axis by another factor."""
    return points @ torch.tensor([1.0, 10.0, 100.0]) + codes


PLANES = SimpleNamespace(decode=planes)


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
    fake = task.fake(PLANES, latents, data_of(torch.zeros(2, 8, 8, 8)))
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
    fake = task.fake(PLANES, torch.zeros(1, 1), data_of(grid)).sdf
    assert (fake.abs().max() <= 1) == (clip_mode == "soft")


def numbered() -> Tensor:
    """A grid of 64^3 whose values are its generated distances at latent 0: (1, 64, 64, 64)."""
    return planes(torch.from_numpy(grid_points(64)), torch.zeros(1, 1)).view(1, 64, 64, 64)


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_the_generator_is_evaluated_at_the_voxels_that_are_read(size: int) -> None:
    task = VoxelTask(Stage(size, 2, 1, lattice=64), 0.1, "none", 10**6, torch.device("cpu"))
    for step in range(3):
        data = StepData(VoxelBatch(torch.arange(1), numbered()), StepRandom(0, step))
        fake = task.fake(PLANES, torch.zeros(1, 1), data)
        assert fake.sdf.shape == (1, size, size, size)
        assert torch.equal(fake.sdf, task.real(data).sdf)


def test_a_lattice_is_every_fourth_voxel_from_a_random_one() -> None:
    task = VoxelTask(Stage(16, 2, 1, lattice=64), 0.1, "none", 10**6, torch.device("cpu"))
    index = torch.arange(64)
    voxels = (index.view(64, 1, 1) * 64 + index.view(64, 1)) * 64 + index
    found = set()
    for step in range(60):
        data = StepData(VoxelBatch(torch.arange(1), voxels[None].float()), StepRandom(0, step))
        values = task.real(data).sdf[0].long()
        along = values[:, 0, 0] // 4096, values[0, :, 0] // 64 % 64, values[0, 0, :] % 64
        firsts = tuple(int(one[0]) for one in along)
        assert max(firsts) < 4
        for first, one in zip(firsts, along, strict=True):
            assert torch.equal(one, torch.arange(first, 64, 4))
        found.add(firsts)
    assert len(found) > 30


def test_all_ranks_read_the_same_lattice_and_a_step_always_the_same() -> None:
    task = VoxelTask(Stage(8, 2, 1, lattice=64), 0.1, "none", 10**6, torch.device("cpu"))
    batch = VoxelBatch(torch.arange(1), numbered())
    randoms = [StepRandom(3, 1, 7, rank=rank, world=2) for rank in (0, 1)] + [StepRandom(3, 1, 7)]
    first, *others = (task.real(StepData(batch, random)).sdf for random in randoms)
    assert all(torch.equal(first, other) for other in others)


def test_thin_parts_shrink_over_the_stage() -> None:
    stage = Stage(64, 2, 1, thin_offset=0.4, thin_offset_end=0.0)
    task = VoxelTask(stage, 0.1, "none", 10**6, torch.device("cpu"))
    sdf, thin = torch.full((1, 64, 64, 64), 0.5), torch.full((1, 64, 64, 64), 0.6)
    batch = VoxelBatch(torch.arange(1), sdf, thin)
    for progress, expected in ((0.0, 0.2), (0.5, 0.4), (1.0, 0.5)):
        found = task.real(StepData(batch, StepRandom(0), torch.tensor(progress))).sdf
        torch.testing.assert_close(found, torch.full_like(sdf, expected))


def test_clip_counts_voxels_of_the_lattice() -> None:
    config = replace(VOXEL, clip=0.01, clip_voxels=0.5)
    assert lattice_clip(config, Stage(16, 2, 1, lattice=64)) == pytest.approx(4 / 63)
    assert lattice_clip(config, Stage(16, 2, 1)) == pytest.approx(1 / 15)


@pytest.mark.parametrize("stage", [Stage(16, 2, 1), Stage(16, 2, 1, lattice=64)], ids=str)
def test_half_a_grid_is_its_part_at_positive_x(stage: Stage) -> None:
    stored = torch.from_numpy(grid_points(stage.grid))
    voxels = planes(stored, torch.zeros(1, 1)).view(1, *(stage.grid,) * 3)
    whole, half = (
        VoxelTask(stage, 0.1, "none", 10**6, torch.device("cpu"), half) for half in (False, True)
    )
    for step in range(3):
        data = StepData(VoxelBatch(torch.arange(1), voxels), StepRandom(0, step))
        real = half.real(data).sdf
        assert torch.equal(real, whole.real(data).sdf[:, 8:])
        assert torch.equal(real, half.fake(PLANES, torch.zeros(1, 1), data).sdf)

"""The GAN recipes on batches of spheres."""

import dataclasses
from typing import Any

import pytest
import torch
from support.training import POINT, POINT_VOXEL, REFINED, VOXEL
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.recipes.adversarial import Adversarial
from shapegan.model.recipes.execution import Execution
from shapegan.model.streaming.stream import PointBatch, VoxelBatch

CPU = torch.device("cpu")
CONFIGS = {"voxel": VOXEL, "point": POINT, "point-voxel": POINT_VOXEL, "refined": REFINED}
THICKENED = dataclasses.replace(POINT, stages=(Stage(256, 4, 5, thin_offset=0.1),))
each_task = pytest.mark.parametrize("name", CONFIGS)


def batch_of(config: TrainConfig, stage: int = 0) -> Any:
    """Spheres of four radii."""
    torch.manual_seed(0)
    radii, size = torch.tensor([0.3, 0.4, 0.5, 0.6]), config.stages[stage].size
    shapes = torch.arange(4)
    if config.recipe == "voxel":
        axis = torch.linspace(-1, 1, size)
        grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
        return VoxelBatch(shapes, grid - radii.view(4, 1, 1, 1))
    points = torch.rand(4, size, 3) * 1.2 - 0.6
    sdf = points.norm(dim=-1) - radii.view(4, 1)
    surface = points - sdf[..., None] * points / points.norm(dim=-1, keepdim=True)
    return PointBatch(shapes, {"uniform": (points, sdf), "surface": (surface, 0 * sdf)})


def begun(config: TrainConfig, stage: int = 0, **execution: Any) -> Adversarial:
    recipe = Adversarial(config, Ranks(), Execution(CPU, **execution))
    for number in range(stage + 1):
        recipe.begin(number)
    return recipe


def weights(recipe: Adversarial, name: str) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in recipe.networks[name].state_dict().items()}


def changed(recipe: Adversarial, name: str, before: dict[str, Tensor]) -> bool:
    after = recipe.networks[name].state_dict()
    return any(not torch.equal(after[key], value) for key, value in before.items())


def with_objective(config: TrainConfig, **changes: Any) -> TrainConfig:
    return dataclasses.replace(config, objective=dataclasses.replace(config.objective, **changes))


class Spheres(nn.Module):
    """An exact generator: a code is a radius."""

    def __init__(self) -> None:
        super().__init__()
        self.more = nn.Parameter(torch.zeros(()))

    def decode(
        self, points: Tensor, codes: Tensor, chunk: int | None = None, *, eager: bool = False
    ) -> Tensor:
        return points.norm(dim=-1) - codes - self.more


COUNT = 300
"""Points of a shape in `sphere_batch`."""
RADII = torch.tensor([[0.3], [0.4], [0.5]])
"""Codes of `Spheres`."""


def sphere_batch() -> PointBatch:
    """Points of three spheres, of other radii than `RADII`."""
    torch.manual_seed(0)
    points = torch.rand(3, COUNT, 3) * 1.2 - 0.6
    sdf = points.norm(dim=-1) - torch.tensor([[0.45], [0.35], [0.2]])
    surface = points - sdf[..., None] * points / points.norm(dim=-1, keepdim=True)
    return PointBatch(torch.arange(3), {"uniform": (points, sdf), "surface": (surface, sdf * 0.01)})

"""Tests of training with the loss that joins loose parts."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import CONFIGS, VOXEL, make_solids, quick, rows, run
from torch import Tensor, nn

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.objective_config import Objective
from shapegan.model.recipes.execution import Execution
from shapegan.model.recipes.loose_parts import LooseParts
from shapegan.model.recipes.objectives import CriticInput, GeneratorObjective
from shapegan.model.recipes.point import PointTask
from shapegan.model.recipes.voxel import VoxelTask
from shapegan.pipeline.schema import grid_points

CODES = torch.zeros(3, 1)
CLIP = 0.1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


class TwoBalls(nn.Module):
    """A generator of two balls at x > 0, with a gap of 0.19 between them."""

    def __init__(self) -> None:
        super().__init__()
        self.radius = nn.Parameter(torch.tensor(0.31))

    def decode(self, points: Tensor, codes: Tensor, chunk: int | None = None) -> Tensor:
        del chunk
        points = points.expand(len(codes), *points.shape[-2:])
        centres = torch.tensor([[0.32, 0.403, 0.01], [0.34, -0.411, 0.02]])
        return (points[..., None, :] - centres).norm(dim=-1).amin(dim=-1) - self.radius


def judged_balls(generator: TwoBalls, half: bool) -> CriticInput:
    """Input of a voxel critic: (3, 16 or 32, 32, 32)."""
    points = torch.from_numpy(grid_points(32)).view(32, 32, 32, 3)[16 * half :]
    sdf = generator.decode(points.reshape(-1, 3), CODES)
    return CriticInput(torch.tanh(sdf / CLIP).view(3, *points.shape[:3]))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("recipe", ["voxel", "point"])
def test_loose_parts_of_both_recipes_are_joined(recipe: str, half: bool) -> None:
    generator: Any = TwoBalls()
    if recipe == "voxel":
        task: Any = VoxelTask(Stage(32, 4, 5), CLIP, "soft", 1000, torch.device("cpu"), half)
        parts = task.loose_parts(generator, CODES, judged_balls(generator, half))
    else:
        task = PointTask(Stage(64, 4, 5), CLIP, "soft", 1000, half)
        parts = task.loose_parts(generator, CODES, CriticInput(torch.zeros(3, 0)))
    assert parts.torn_share == 1
    loss = parts.loss(parts.torn_share, 0.0)
    (slope,) = torch.autograd.grad(loss, generator.radius)
    # Half of the gap is 0.095, and half of the grid's spacing 0.032.
    assert 0.06 < CLIP * torch.atanh(loss) < 0.13
    assert slope < 0


class Judge:
    """A task whose critic is fond of everything, and whose shapes have a loose part each."""

    def judged(self, *_: object) -> CriticInput:
        return CriticInput(torch.zeros(4, 1))

    def scores(self, *_: object) -> Tensor:
        return torch.zeros(4)

    def loose_parts(self, *_: object) -> LooseParts:
        return LooseParts(torch.full((4, 1), 0.5), torch.tensor([[1.0], [1.0], [0.0], [0.0]]))


def test_the_share_of_torn_shapes_is_that_of_all_processes() -> None:
    objective = Objective("logistic", "r1", wholeness_weight=3.0, wholeness_every=2)
    parts: Any = (nn.Identity(), nn.Identity(), Judge(), objective, Execution(torch.device("cpu")))

    def loss(share: float, join: bool) -> dict[str, Tensor]:
        with_others = GeneratorObjective(*parts, 0.2, lambda own: (own + share) / 2)
        found: dict[str, Tensor] = with_others(torch.zeros(4, 1), None, join=join)
        return found

    without = loss(0.5, False)
    assert without.keys() == {"generator_loss"}
    for others, torn in ((0.5, 0.5), (0.0, 0.25), (-0.1, 0.2)):
        found = loss(others, True)
        assert found["torn"] == pytest.approx(torn)
        mean, excess = 0.25, (torn - 0.2) / torn
        added = found["generator_loss"] - without["generator_loss"]
        assert added.item() == pytest.approx(3 * 2 * excess * mean, abs=1e-6)


@pytest.mark.parametrize("name", ["joined", "joined-point"])
def test_a_run_reports_the_share_of_torn_shapes(data: Path, tmp_path: Path, name: str) -> None:
    run(CONFIGS[name], quick(data, tmp_path / "run", 20))
    found = [float(row["torn"]) for row in rows(tmp_path / "run")]
    assert found
    assert all(0 <= one <= 1 for one in found)
    plain = dataclasses.replace(CONFIGS[name], objective=Objective())
    run(plain, quick(data, tmp_path / "plain", 20))
    assert {row["torn"] for row in rows(tmp_path / "plain")} == {""}


def test_a_generator_that_tears_learns_to_give_whole_shapes(data: Path, tmp_path: Path) -> None:
    def torn(weight: float) -> float:
        folder = tmp_path / str(weight)
        run(tearing(weight), quick(data, folder, 120))
        return float(rows(folder)[-1]["torn"])

    before = torn(1e-9)
    assert before > 0.2
    assert torn(30.0) < 0.3 * before


def tearing(weight: float) -> TrainConfig:
    """A config whose generator begins with noisy fields, and hardly learns from its critic."""
    objective = Objective("relativistic", "r1", 1.0, critic_steps=1, wholeness_weight=weight)
    optimiser = dataclasses.replace(CONFIGS["joined"].optimiser, critic_rate=1e-9)
    return dataclasses.replace(
        CONFIGS["joined"],
        stages=(Stage(16, 4, 60),),
        generator=dataclasses.replace(VOXEL.deepsdf, frequencies=3),
        objective=objective,
        optimiser=optimiser,
    )


@pytest.mark.parametrize(("name", "value"), [("wholeness_weight", -1.0), ("wholeness_every", 0)])
def test_settings_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(TrainConfigError, match=name):
        Objective(**{name: value})  # type: ignore[arg-type]

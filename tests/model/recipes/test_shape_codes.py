import dataclasses
from pathlib import Path

import pytest
import torch
from support.training import (
    CONFIGS,
    R1_R2,
    RECONSTRUCTED,
    SHAPES,
    VOXEL,
    last,
    make_solids,
    quick,
    rows,
    run,
)
from torch import Tensor

from shapegan.model.config import TrainConfig
from shapegan.model.distributed import Ranks
from shapegan.model.recipes.shape_codes import ShapeCodes
from shapegan.model.streaming.stream import Stream, StreamConfig
from shapegan.pipeline.config import ImportConfig
from shapegan.pipeline.dataset.manifest import DatasetError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


def codes_of(data: Path, length: int, mirrored: bool = False) -> ShapeCodes:
    codes = ShapeCodes(SHAPES, length, mirrored)
    codes.find(Stream(data, StreamConfig("voxels", 8, 4)), Ranks())
    return codes


@pytest.mark.parametrize("mirrored", [False, True])
def test_codes_are_uncorrelated_numbers_of_mean_0_and_variance_1(
    data: Path, mirrored: bool
) -> None:
    codes = codes_of(data, 3, mirrored).codes
    assert torch.allclose(codes.mean(dim=0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(codes.T @ codes / SHAPES, torch.eye(3), atol=1e-3)


def test_numbers_beyond_those_of_the_shapes_are_as_drawn_ones(data: Path) -> None:
    codes = codes_of(data, 64).codes
    assert codes.isfinite().all()
    assert torch.allclose(codes[:, :3].var(dim=0, correction=0), torch.ones(3), atol=1e-3)
    assert 0.8 < codes[:, SHAPES:].std() < 1.2


def test_codes_are_those_of_the_shapes_at_their_positions(data: Path) -> None:
    codes = codes_of(data, 4)
    assert torch.equal(codes(torch.tensor([5, 2])), codes.codes[[5, 2]])
    assert torch.equal(codes.codes, codes_of(data, 4).codes)


def reconstruction(run_folder: Path) -> list[float]:
    return [float(row["reconstruction"]) for row in rows(run_folder)]


@pytest.mark.parametrize("name", ["reconstructed", "point-voxel"])
def test_training_shapes_come_nearer_from_their_codes(
    data: Path, tmp_path: Path, name: str
) -> None:
    config = learning(name)
    run(config, quick(data, tmp_path / "run", 80))
    found = reconstruction(tmp_path / "run")
    assert found[-1] < 0.6 * found[0]


def test_a_run_without_reconstruction_has_no_codes(data: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(RECONSTRUCTED, objective=R1_R2, generator=VOXEL.generator)
    found = run(config, quick(data, tmp_path / "run"))
    assert found.recipe["networks"].keys() == {"generator", "critic"}
    assert {row["reconstruction"] for row in rows(tmp_path / "run")} == {""}


def test_a_resumed_run_keeps_its_codes(data: Path, tmp_path: Path) -> None:
    def saved() -> Tensor:
        codes: Tensor = last(tmp_path / "run").recipe["networks"]["codes"]["codes"]
        return codes

    run(RECONSTRUCTED, quick(data, tmp_path / "run", 4))
    before = saved()
    assert before.std() > 0.5
    run(RECONSTRUCTED, quick(data, tmp_path / "run", 12))
    assert torch.equal(saved(), before)


def test_a_dataset_without_voxels_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = make_solids(
        tmp_path, config=ImportConfig((), 8192, shard_size=4, sets=("uniform", "surface"))
    )
    config = learning("point-voxel")
    with pytest.raises(DatasetError, match="has no voxels"):
        run(config, quick(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def learning(name: str) -> TrainConfig:
    """A config of the tests that reconstructs, with a rate for few steps."""
    config = CONFIGS[name]
    objective = dataclasses.replace(config.objective, reconstruction_weight=30.0)
    optimiser = dataclasses.replace(config.optimiser, rate=3e-3)
    return dataclasses.replace(config, objective=objective, optimiser=optimiser)

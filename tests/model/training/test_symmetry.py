from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.training import VOXEL, make_solids

from shapegan.model.config import TrainConfig
from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.training.symmetry import resolve_symmetry, symmetric_share
from shapegan.pipeline.dataset.reader import Dataset

AUTO = replace(VOXEL, generator=replace(VOXEL.generator, symmetry="auto"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


def symmetry(config: TrainConfig, data: Path) -> str:
    return resolve_symmetry(config, data).generator.symmetry


def test_auto_folds_symmetric_shapes(data: Path) -> None:
    assert symmetric_share(Dataset(data), "train") == 1.0
    assert symmetry(AUTO, data) == "x"


def test_auto_does_not_fold_shapes_of_which_many_are_one_sided(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voxels = Dataset.voxels

    def skewed(self: Dataset, index: int, resolution: int) -> np.ndarray:
        grid = voxels(self, index, resolution)
        return grid if index % 4 else grid + np.linspace(0, 0.1, resolution)[:, None, None]

    monkeypatch.setattr(Dataset, "voxels", skewed)
    assert symmetric_share(Dataset(data), "train") == 0.75
    assert symmetry(AUTO, data) == "none"


@pytest.mark.parametrize("given", ["x", "none"])
def test_other_settings_stay_and_need_no_data(given: str) -> None:
    config = replace(VOXEL, generator=replace(VOXEL.generator, symmetry=given))
    assert resolve_symmetry(config, Path("nowhere")) is config


def test_a_folded_generator_makes_mirror_images() -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(latent=3, width=16, depth=4, symmetry="x")
    generator = Generator(config)
    plain = Generator(replace(config, symmetry="none"))
    plain.load_state_dict(generator.state_dict())
    points, latents = torch.rand(50, 3), torch.randn(2, 3)
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.equal(generator(points, latents), plain(points, latents))
    assert torch.equal(generator(mirrored, latents), plain(points, latents))
    own = torch.stack([mirrored, points])
    assert torch.equal(generator(own, latents), plain(points, latents))
    assert not torch.allclose(plain(mirrored, latents), plain(points, latents))


def test_a_generator_does_not_decide_by_itself() -> None:
    with pytest.raises(ValueError, match="expected symmetry x or none, got auto"):
        Generator(GeneratorConfig(symmetry="auto"))

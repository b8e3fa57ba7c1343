from dataclasses import replace
from pathlib import Path

import pytest
from support.training import LATENT, LATENT_KERNELS, RECONSTRUCTED, VOXEL, make_solids

from shapegan.model.config import TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.training.data_settings import resolve_by_data, training_categories
from shapegan.pipeline.dataset.reader import Dataset

UNRESOLVED = LATENT.replaced({"generator.categories": "null", "generator.symmetry": "auto"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


def test_symmetry_and_the_only_category_are_resolved(data: Path) -> None:
    resolved = resolve_by_data(UNRESOLVED, data).generator
    assert resolved == replace(UNRESOLVED.generator, symmetry="x", categories=())


def test_several_categories_are_listed_in_order(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["table", "chair"] * len(Dataset(data))
    monkeypatch.setattr(Dataset, "categories", property(lambda _: names))
    assert training_categories(Dataset(data), "train") == ("chair", "table")
    assert training_categories(Dataset(data), "no such split") == ("chair", "table")
    generator = resolve_by_data(UNRESOLVED, data).generator
    assert generator.latent == LATENT.generator.latent + 2


def test_given_settings_and_other_recipes_need_no_data() -> None:
    assert resolve_by_data(LATENT, Path("nowhere")) is LATENT
    assert resolve_by_data(VOXEL, Path("nowhere")) is VOXEL


@pytest.mark.parametrize("config", [RECONSTRUCTED, LATENT_KERNELS])
def test_a_prior_keeps_the_codes_of_the_splits_shapes(
    config: TrainConfig, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset(data)
    expected = len(dataset.splits.get(config.split) or range(len(dataset)))
    assert resolve_by_data(config, data).generator.prior_shapes == expected
    monkeypatch.setattr("shapegan.model.training.data_settings.MAX_PRIOR_SHAPES", 2)
    assert resolve_by_data(config, data).generator.prior_shapes == 2
    given = config.replaced({"generator.prior_shapes": "3"})
    assert resolve_by_data(given, data) is given
    many = config.replaced({"generator.prior_shapes": str(expected + 1)})
    with pytest.raises(TrainConfigError, match=f"takes 1 to {expected}, the number of training"):
        resolve_by_data(many, data)

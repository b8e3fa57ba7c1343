from pathlib import Path

import pytest
import torch
from support.toys import latent_run, toy_run
from support.training import SHAPES, make_solids

from shapegan.model.generation import encoded
from shapegan.model.generation.encoded import training_latents
from shapegan.model.generation.source import SourceError, open_source
from shapegan.model.networks.latent_generator import LatentGenerator
from shapegan.pipeline.dataset.reader import Dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("categories", [(), ("lamps", "solids")])
def test_the_latents_of_recipe_latent_give_the_codes_of_the_training_shapes(
    categories: tuple[str, ...], data: Path, tmp_path: Path
) -> None:
    source = open_source(latent_run(tmp_path, categories, str(data)))
    shapes, dataset = training_latents(source), Dataset(data)
    assert [shape.id for shape in shapes] == dataset.ids[:SHAPES]
    generator = source.generator
    assert isinstance(generator, LatentGenerator)
    assert source.encoder is not None
    voxels = torch.stack([torch.from_numpy(dataset.voxels(row, 16)) for row in range(SHAPES)])
    latents = torch.stack([shape.latent for shape in shapes])
    expected = source.encoder(voxels)
    assert expected.std() > 0.1
    torch.testing.assert_close(generator.codes(latents), expected, atol=1e-3, rtol=1e-3)
    if categories:
        weights = generator.category_weights(latents[:, generator.config.code :])
        assert (weights[:, 1] > 0.99).all()


def test_some_shapes_of_a_large_dataset_are_encoded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded, "MAX_ENCODED", 3)
    monkeypatch.setattr(encoded, "_BATCH", 2)
    shapes = training_latents(open_source(latent_run(tmp_path)), data)
    assert [shape.id for shape in shapes] == [Dataset(data).ids[row] for row in (0, 2, 5)]


def test_a_gan_has_no_latents_of_training_shapes(data: Path, tmp_path: Path) -> None:
    assert training_latents(open_source(toy_run(tmp_path)), data) == []


def test_datasets_that_do_not_fit_are_reported(data: Path, tmp_path: Path) -> None:
    run = open_source(latent_run(tmp_path / "run"))
    with pytest.raises(SourceError, match="does not name its dataset: name it with --data"):
        training_latents(run)
    other = open_source(latent_run(tmp_path / "other", ("lamps", "tables")))
    with pytest.raises(SourceError, match="has categories that other has not learned"):
        training_latents(other, data)

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from support.toys import latent_run, toy_run
from support.training import SHAPES, make_solids

from shapegan.cli import main
from shapegan.model.generation import encoded
from shapegan.model.generation.learned import all_learned
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
    shapes, dataset = all_learned(source), Dataset(data)
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
    monkeypatch.setattr(encoded, "_BATCH", 2)
    shapes = all_learned(open_source(latent_run(tmp_path)), data, limit=3)
    assert [shape.id for shape in shapes] == [Dataset(data).ids[row] for row in (0, 2, 5)]


def test_a_gan_has_no_latents_of_training_shapes(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected a run of recipe autodecoder or latent"):
        all_learned(open_source(toy_run(tmp_path)), data)


def test_commands_take_shapes_of_recipe_latent_by_id(data: Path, tmp_path: Path) -> None:
    run = latent_run(tmp_path / "run", (), str(data))
    ids = Dataset(data).ids[:SHAPES]
    for words in (
        ("generate", run, "--shape", f"{ids[2]},{ids[0]}", "--resolution", 8),
        ("interpolate", run, "--through", f"{ids[2]},{ids[0]}", "--resolution", 8, "--fps", 4),
        ("evaluate", run, "--data", data, "--reconstructions", "--resolution", 8),
    ):
        command = [*map(str, words), "--out", str(tmp_path / str(words[0])), "--device", "cpu"]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    assert {file.name for file in (tmp_path / "generate").iterdir()} >= {"shapes.png"}
    scores = json.loads((tmp_path / "evaluate" / "reconstructions.json").read_text())
    assert [shape["id"] for shape in scores["shapes"]] == ids


def test_datasets_that_do_not_fit_are_reported(data: Path, tmp_path: Path) -> None:
    run = open_source(latent_run(tmp_path / "run"))
    with pytest.raises(SourceError, match="does not name its dataset: name it with --data"):
        all_learned(run)
    other = open_source(latent_run(tmp_path / "other", ("lamps", "tables")))
    with pytest.raises(SourceError, match="has categories that other has not learned"):
        all_learned(other, data)

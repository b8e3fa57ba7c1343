import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.folders import SHARED, needs_shared
from support.training import CONFIGS, SHAPES, UndisturbedRuns, last, make_solids

from shapegan.model.generation.source import (
    PUBLISHED_LEVEL,
    Source,
    SourceError,
    learned_shapes,
    load_latents,
    open_source,
)
from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.networks.published import WeightsError
from shapegan.model.training.checkpoint import CheckpointError, latest_checkpoint, load_generator
from shapegan.pipeline.dataset.manifest import DatasetError

WEIGHTS = SHARED / "weights"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> UndisturbedRuns:
    return UndisturbedRuns(data, tmp_path_factory.mktemp("alone"))


def latest(run: Path) -> Path:
    path = latest_checkpoint(run / "checkpoints")
    assert path is not None
    return path


def source(learned: torch.Tensor | None = None, latent: int = 4) -> Source:
    generator = Generator(GeneratorConfig(latent=latent, width=8, depth=4))
    return Source("toy", generator, 0.0, "voxel", learned=learned)


@pytest.mark.parametrize("name", ["voxel", "point", "autodecoder"])
def test_a_run_gives_the_average_of_its_last_checkpoint(alone, data, name):
    run = alone[name]
    opened = open_source(run)
    expected = load_generator(latest(run)).state_dict()
    for key, value in opened.generator.state_dict().items():
        assert torch.equal(value, expected[key]), key
    assert not any(weights.requires_grad for weights in opened.generator.parameters())
    assert (opened.recipe, opened.level, opened.split) == (name, 0.0, "train")
    assert opened.generator.config == CONFIGS[name].generator
    assert opened.data == data.resolve()


def test_a_checkpoint_is_the_same_as_its_run(alone):
    run = open_source(alone["voxel"])
    file = open_source(latest(alone["voxel"]))
    assert torch.equal(run.latent(3), file.latent(3))
    weights = [torch.cat([w.flatten() for w in s.generator.parameters()]) for s in (run, file)]
    assert torch.equal(*weights)
    assert (run.name, file.name) == ("voxel", "step-00000020")


@needs_shared
@pytest.mark.parametrize(
    ("name", "frame"),
    [("gan_generator_voxels_chairs.to", "cube"), ("point_generator_sofas.pt", "sphere")],
)
def test_published_weights_have_the_level_of_their_authors(name, frame):
    opened = open_source(WEIGHTS / name)
    assert opened.level == PUBLISHED_LEVEL == 0.04
    assert (opened.recipe, opened.generator.config.frame) == ("published", frame)
    assert opened.data is None
    assert opened.learned is None


def test_a_seed_is_a_latent_whatever_else_is_drawn():
    some, more = source().latents(range(3)), source().latents(range(20))
    assert torch.equal(some, more[:3])
    torch.manual_seed(5)
    assert torch.equal(source().latent(2), some[2])
    assert len({tuple(row.tolist()) for row in more}) == 20


def test_seeds_of_a_gan_are_standard_normal():
    latents = source(latent=64).latents(range(500))
    assert latents.mean().abs() < 0.02
    assert latents.std() == pytest.approx(1, abs=0.02)


def test_truncation_shrinks_towards_the_mean():
    torch.testing.assert_close(source().latent(1, 0.25), 0.25 * source().latent(1))
    learned = torch.randn(30, 4) + 5
    torch.testing.assert_close(source(learned).latent(1, 0.0), learned.mean(dim=0))


def test_seeds_of_an_autodecoder_have_the_distribution_of_its_latents():
    mixing = torch.tensor([[2.0, 0, 0, 0], [1.9, 0.1, 0, 0], [0, 0, 0.01, 0], [0, 0, 0, 0]])
    learned = torch.randn(400, 4, generator=torch.Generator().manual_seed(1)) @ mixing.T + 3
    drawn = source(learned).latents(range(3000))
    torch.testing.assert_close(drawn.mean(dim=0), learned.mean(dim=0), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), learned.T.cov(), atol=0.35, rtol=0)
    # Along what all of them have in common nothing is drawn.
    assert (drawn[:, 3] == 3).all() or (drawn[:, 3] - 3).abs().max() < 1e-5


def test_a_source_with_one_learned_latent_gives_that_latent():
    torch.testing.assert_close(source(torch.ones(1, 4)).latent(7), torch.ones(4))


def test_an_autodecoder_gives_the_latents_of_its_training_shapes(alone, data):
    opened = open_source(alone["autodecoder"])
    expected = last(alone["autodecoder"]).recipe["networks"]["latents"]["weight"]
    assert opened.learned is not None
    assert torch.equal(opened.learned, expected)
    shapes = learned_shapes(opened)
    assert [shape.id for shape in shapes] == [f"solid{number:03d}" for number in range(SHAPES)]
    assert {shape.category for shape in shapes} == {"solids"}
    assert learned_shapes(opened, data) == shapes


def test_refuses_shapes_of_another_dataset(alone, tmp_path):
    opened = open_source(alone["autodecoder"])
    with pytest.raises(SourceError, match=r"has learned 8 shapes, but .* has 4 to train on: name"):
        learned_shapes(opened, make_solids(tmp_path, 4))
    with pytest.raises(DatasetError):
        learned_shapes(opened, tmp_path / "nothing")
    with pytest.raises(SourceError, match="has no learned latents"):
        learned_shapes(open_source(alone["voxel"]))


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"there is no .*gone: expected a run, a checkpoint or"):
        open_source(tmp_path / "gone")
    with pytest.raises(SourceError, match="holds no checkpoint: expected the folder of a run"):
        open_source(tmp_path)


def test_files_of_another_kind_are_refused(tmp_path, alone):
    (tmp_path / "notes.txt").write_text("no weights")
    with pytest.raises(WeightsError, match="is not a file of weights, or damaged"):
        open_source(tmp_path / "notes.txt")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of shapegan"):
        open_source(tmp_path / "other.pt")
    run = tmp_path / "run"
    shutil.copytree(alone["voxel"], run)
    whole = latest(run).read_bytes()
    latest(run).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="or damaged"):
        open_source(run)


def test_latents_come_from_a_file(tmp_path):
    latents = np.random.default_rng(0).normal(size=(3, 4))
    np.save(tmp_path / "z.npy", latents)
    np.save(tmp_path / "one.npy", latents[0])
    found = load_latents(tmp_path / "z.npy", source())
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), latents, rtol=1e-6)
    assert load_latents(tmp_path / "one.npy", source()).shape == (1, 4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 5)), r"holds an array \(2, 5\): expected a \.npy of latents \(S, 4\)"),
        (np.zeros((0, 4)), r"holds an array \(0, 4\)"),
        (np.zeros((1, 2, 4)), r"holds an array \(1, 2, 4\)"),
        (np.full((1, 4), np.nan), "NaN or infinity"),
        (np.array([["a"] * 4]), "does not hold an array of numbers"),
    ],
)
def test_refuses_latents_that_do_not_fit(tmp_path, array, message):
    np.save(tmp_path / "z.npy", array)
    with pytest.raises(SourceError, match=message):
        load_latents(tmp_path / "z.npy", source())


def test_refuses_files_that_hold_no_array(tmp_path):
    (tmp_path / "z.npy").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="is not an array, or is truncated"):
        load_latents(tmp_path / "z.npy", source())
    with pytest.raises(SourceError, match="cannot read"):
        load_latents(tmp_path / "gone.npy", source())

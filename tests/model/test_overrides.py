import dataclasses
from pathlib import Path

import pytest

from shapegan.model.config import RECIPES
from shapegan.model.config_check import TrainConfigError
from shapegan.model.default_data import resolve_data
from shapegan.model.overrides import Overrides, override
from shapegan.model.presets import preset, presets_of
from shapegan.pipeline.dataset.manifest import DatasetError

EVERY_PRESET = [(recipe, name) for recipe in RECIPES for name in presets_of(recipe)]


@pytest.mark.parametrize(("recipe", "name"), EVERY_PRESET)
def test_without_overrides_it_is_the_preset(recipe: str, name: str) -> None:
    assert override(preset(recipe, name), Overrides()) == preset(recipe, name)


def test_batch_split_and_seed_are_taken() -> None:
    config = override(preset("voxel", "paper"), Overrides(batch=3, split="val", seed=9))
    assert {stage.batch for stage in config.stages} == {3}
    assert (config.split, config.seed) == ("val", 9)
    wanted = preset("voxel", "paper")
    stages = tuple(dataclasses.replace(stage, batch=3) for stage in wanted.stages)
    assert config == dataclasses.replace(wanted, stages=stages, split="val", seed=9)


def test_chosen_stages_are_the_presets() -> None:
    its = preset("voxel", "paper").stages
    assert override(preset("voxel", "paper"), Overrides((16, 64))).stages == (its[1], its[3])


def test_a_size_is_taken_with_all_its_stages() -> None:
    """8,192 points are a stage of the paper's GAN, and one of its refinement."""
    its = preset("point", "paper").stages
    chosen = override(preset("point", "paper"), Overrides((1024, 8192))).stages
    assert chosen == (its[0], its[3], its[6])
    assert [stage.refine for stage in chosen] == [False, False, True]


OTHER_SIZE = {"voxel": 64, "point": 777, "autodecoder": 777}


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (recipe, name)
        for recipe, name in EVERY_PRESET
        if recipe in OTHER_SIZE
        and [stage.size for stage in preset(recipe, name).stages].count(OTHER_SIZE[recipe]) < 2
    ],
)
def test_other_sizes_are_trained_as_the_last_that_does_not_refine(recipe: str, name: str) -> None:
    """A shape is refined once there is one."""
    its = preset(recipe, name).stages
    size = OTHER_SIZE[recipe]
    (chosen,) = override(preset(recipe, name), Overrides((size,))).stages
    last = [stage for stage in its if not stage.refine][-1]
    assert chosen == dataclasses.replace(last, size=size)


def test_all_stages_of_a_latent_prior_have_one_size() -> None:
    its = preset("latent", "fast").stages
    chosen = override(preset("latent", "fast"), Overrides((32,))).stages
    true = {"thin_offset": 0.0, "thin_offset_end": None}
    assert chosen == tuple(dataclasses.replace(stage, size=32, **true) for stage in its)
    whole = override(preset("latent", "fast"), Overrides((64,))).stages
    assert whole == its
    assert whole[0].thin_parts


@pytest.mark.parametrize(
    ("recipe", "sizes", "says"),
    [
        ("voxel", (8, 12), "--stages: got 12, takes some of 8, 16, 32, 64"),
        ("voxel", (128,), "--stages: got 128, takes some of 8, 16, 32, 64"),
        ("voxel", (16, 8), "ascending"),
        ("point", (1,), "got 1, takes sizes from 2"),
    ],
)
def test_sizes_that_cannot_be_are_refused(recipe: str, sizes: tuple[int, ...], says: str) -> None:
    with pytest.raises(TrainConfigError, match=says):
        override(preset(recipe, "fast"), Overrides(sizes))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: str) -> Path:
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / "dataset.json").touch()
    return path


def test_a_named_dataset_is_taken(here: Path) -> None:
    put("datasets/chairs")
    assert resolve_data(Path("elsewhere")) == Path("elsewhere")


def test_the_only_dataset_is_found(here: Path) -> None:
    chairs = put("datasets/chairs")
    Path("datasets/README.md").touch()
    Path("datasets/unfinished").mkdir()
    assert resolve_data(None) == chairs
    assert resolve_data(None) == chairs
    whole = put("datasets")
    assert resolve_data(None) == whole


def test_several_datasets_are_refused_and_listed(here: Path) -> None:
    put("datasets/sofas")
    put("datasets/chairs")
    with pytest.raises(DatasetError) as caught:
        resolve_data(None)
    assert "name one with --data: datasets/chairs, datasets/sofas" in str(caught.value)


@pytest.mark.parametrize("made", [True, False])
def test_no_dataset_says_how_to_make_one(here: Path, made: bool) -> None:
    if made:
        Path("datasets").mkdir()
    with pytest.raises(DatasetError, match="shapegan preprocess"):
        resolve_data(None)

import dataclasses
import json
from pathlib import Path

import pytest
from support.training import CONFIGS, VOXEL

from shapegan.model.config import RECIPES, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.config_file import config_text, load_config
from shapegan.model.presets import preset, presets_of

SMALL = VOXEL.stages[:1]


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_config_comes_back_from_yaml(config: TrainConfig, tmp_path: Path) -> None:
    text = config_text(config)
    assert load_config(written(tmp_path, text)) == config
    assert "betas: [0." in text


@pytest.mark.parametrize(
    ("recipe", "name"), [(recipe, name) for recipe in RECIPES for name in presets_of(recipe)]
)
def test_presets_come_back_from_yaml_and_json(recipe: str, name: str, tmp_path: Path) -> None:
    config = preset(recipe, name)
    assert load_config(written(tmp_path, config_text(config))) == config
    text = json.dumps(config.to_dict())
    assert load_config(written(tmp_path, text, "config.json")) == config
    assert load_config(written(tmp_path, text, "json_is_yaml.yml")) == config


@pytest.mark.parametrize("named", ["in the file", "by the caller"])
def test_a_file_may_change_a_preset(named: str, tmp_path: Path) -> None:
    text, caller = "critic: {scale: 2}\noptimiser:\n  rate: 1e-4\n", ("point", "demo")
    if named == "in the file":
        text, caller = f"recipe: point\npreset: demo\n{text}", ()
    found, base = load_config(written(tmp_path, text), *caller), preset("point", "demo")
    assert found.difference(base) == ["critic.scale: 2 -> 1.0", "optimiser.rate: 0.0001 -> 0.001"]


def test_a_preset_without_recipe_is_of_voxels(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "preset: fast")) == preset("voxel", "fast")


def test_lists_are_replaced_as_a_whole(tmp_path: Path) -> None:
    text = "preset: paper\nstages:\n- {size: 8, batch: 4, epochs: 5}\n"
    expected = dataclasses.replace(preset("voxel", "paper"), stages=SMALL)
    assert load_config(written(tmp_path, text)) == expected


def test_a_whole_config_takes_what_it_leaves_out_from_the_defaults(tmp_path: Path) -> None:
    text = "recipe: autodecoder\nstages: [{size: 8, batch: 4, epochs: 5}]\n"
    assert load_config(written(tmp_path, text)) == TrainConfig("autodecoder", SMALL)
    text = "stages: [{size: 8, batch: 4, epochs: 5}]\n"
    found = load_config(written(tmp_path, text), "autodecoder")
    assert found == TrainConfig("autodecoder", SMALL)


@pytest.mark.parametrize(
    ("text", "caller", "says"),
    [
        ("", (), "got no settings, takes lines such as"),
        ("- 1", (), "got no settings"),
        ("a: [", (), "is neither YAML nor JSON"),
        ("clip: 0.2", (), "is not a whole config, with recipe and stages: name a preset"),
        ("preset: slow", (), "preset: got slow, takes paper or fast or best or demo"),
        ("preset: [fast]", (), "preset: got ['fast'], takes paper or"),
        ("recipe: mesh\npreset: fast", (), "recipe: got mesh, takes voxel or point or"),
        ("preset: fast", (None, "demo"), "--preset demo: "),
        ("preset: fast\nrecipe: voxel", ("point", None), "--recipe point: "),
        ("preset: fast\ncritic: {widht: 1}", (), "critic.widht (did you mean critic.width?)"),
        ("preset: fast\nclip: wide", (), "clip: got 'wide', takes a number"),
        ("preset: fast\ncritic: 3", (), "critic: got 3, takes settings of VoxelCriticConfig"),
    ],
)
def test_unusable_files_are_refused_in_a_line(
    text: str, caller: tuple[str | None, ...], says: str, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TrainConfigError) as caught:
        load_config(path, *caller)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_bad_json_are_a_line(tmp_path: Path) -> None:
    with pytest.raises(TrainConfigError, match=r"cannot read .*: No such file"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(TrainConfigError, match="is neither YAML nor JSON"):
        load_config(written(tmp_path, "{", "bad.json"))

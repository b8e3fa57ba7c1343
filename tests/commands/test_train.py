"""`shapegan train`: options, and errors that cost no work."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.train_command import check_one_line, train

from shapegan.model.config import TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.distributed import DeviceError
from shapegan.model.presets import preset
from shapegan.model.schedule import Budget, Position
from shapegan.model.training import trainer
from shapegan.model.training.checkpoint import CheckpointError
from shapegan.model.training.run_folder import RunFolderError
from shapegan.model.training.trainer import TrainingError, TrainSettings
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.files import OutputError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command hands to the trainer."""
    found: dict[str, Any] = {}

    def run(config: TrainConfig, settings: TrainSettings, reporter: Any) -> Position:
        found.update(config=config, settings=settings, reporter=reporter)
        return Position(len(config.stages))

    monkeypatch.setattr(trainer, "train", run)
    return found


def test_plain_train_takes_the_dataset_that_is_there(
    asked: dict[str, Any], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("datasets").mkdir()
    shutil.copytree(data, "datasets/chairs")
    result = train()
    assert result.exit_code == 0, result.output
    assert asked["config"] == preset("voxel", "fast")
    assert asked["settings"] == TrainSettings(
        Path("datasets/chairs"), Path("runs/voxel-fast"), threads="auto"
    )


def test_every_option_arrives(asked: dict[str, Any], tmp_path: Path) -> None:
    options = {
        "--data": tmp_path,
        "--run": tmp_path / "run",
        "--recipe": "voxel",
        "--preset": "paper",
        "--stages": "8,32",
        "--batch-size": 4,
        "--split": "val",
        "--seed": 7,
        "--time": "1.5h",
        "--device": "cuda:1",
        "--precision": "bf16",
        "--chunk": 1000,
        "--workers": 2,
        "--threads": 3,
        "--pin": "ram",
        "--save-every": "90s",
        "--preview-every": "2m",
        "--preview-shapes": 3,
    }
    flat = [word for pair in options.items() for word in pair]
    result = train(*flat, "--compile")
    assert result.exit_code == 0, result.output
    config = asked["config"]
    assert [(stage.size, stage.batch) for stage in config.stages] == [(8, 4), (32, 4)]
    assert (config.split, config.seed) == ("val", 7)
    assert config.generator == preset("voxel", "paper").generator
    assert asked["settings"] == TrainSettings(
        data=tmp_path,
        run=tmp_path / "run",
        device="cuda:1",
        precision="bf16",
        compiled=True,
        chunk=1000,
        threads=3,
        workers=2,
        pin="ram",
        budget=Budget(None, 5400.0),
        save_seconds=90.0,
        preview_seconds=120.0,
        preview_shapes=3,
    )


def test_steps_are_a_budget_and_the_run_is_named_after_recipe_and_preset(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    result = train("--data", tmp_path, "--steps", 9, "--recipe", "point", "--preset", "demo")
    assert result.exit_code == 0, result.output
    assert asked["settings"].budget == Budget(9, None)
    assert asked["settings"].run == Path("runs/point-demo")


def test_single_settings_are_changed_in_any_number(asked: dict[str, Any], tmp_path: Path) -> None:
    words = ("--set", "critic.width=0.25", "objective.critic_steps=5", "--set", "stages.0.batch=3")
    result = train("--data", tmp_path, *words, "--batch-size", 6, "--seed", 2)
    assert result.exit_code == 0, result.output
    assert asked["config"].difference(preset("voxel", "fast")) == [
        "stages.0.batch: 3 -> 8",
        "stages.1.batch: 6 -> 8",
        "stages.2.batch: 6 -> 4",
        "stages.3.batch: 6 -> 4",
        "critic.width: 0.25 -> 0.5",
        "objective.critic_steps: 5 -> 1",
        "seed: 2 -> 0",
    ]
    assert asked["settings"].run == Path("runs/voxel-fast")


def test_a_config_file_is_changed_by_the_flags_that_are_typed(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("preset: demo\nrecipe: point\nseed: 3\nsplit: val\nclip: 0.2\n")
    result = train("--data", tmp_path, "--config", file)
    assert result.exit_code == 0, result.output
    demo = preset("point", "demo")
    assert asked["config"] == dataclasses.replace(demo, seed=3, split="val", clip=0.2)
    assert asked["settings"].run == Path("runs/point-mine")
    typed = ("--seed", 4, "--recipe", "point", "--set", "clip=0.3")
    assert train("--data", tmp_path, "--config", file, *typed).exit_code == 0
    assert asked["config"] == dataclasses.replace(demo, seed=4, split="val", clip=0.3)
    check_one_line(train("--config", file, "--preset", "fast"), "--preset fast: ", "preset demo")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("0.5m", 30), ("2h", 7200), ("1.5d", 129600)]
)
def test_times_have_units(asked: dict[str, Any], tmp_path: Path, text: str, seconds: float) -> None:
    assert train("--data", tmp_path, "--time", text).exit_code == 0
    assert asked["settings"].budget.seconds == seconds


@pytest.mark.parametrize("text", ["", "s", "-1m", "0", "nan", "inf", "2 weeks", "1e400h"])
def test_texts_that_are_not_times_are_refused(tmp_path: Path, text: str) -> None:
    check_one_line(train("--data", tmp_path, "--time", text), "takes a time such as 90s, 30m")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--steps", 3, "--time", "1h"), "--steps and --time exclude each other"),
        (("--stages", "8,x"), "takes whole numbers with commas"),
        (("--stages", "12"), "--stages: got 12, takes some of 8, 16, 32, 64"),
        (("--stages", "32,8"), "ascending"),
        (("--stages", "1", "--recipe", "point"), "stages: got 1"),
        (("--recipe", "mesh"), "--recipe"),
        (("--steps", 0), "--steps"),
        (("--seed", 2**63), "seed: got"),
        (("--set", "critic.widht=1"), "critic.widht (did you mean critic.width?)"),
        (("--set", "critic_step=1"), "critic_step (did you mean objective.critic_steps?)"),
        (("--set", "critic.width"), "--set: got critic.width, takes KEY=VALUE"),
        (("--set", "clip=1", "=2"), "--set: got =2, takes KEY=VALUE"),
        (("--set", "clip=wide"), "clip: got 'wide', takes a number"),
        (("clip=1",), "unexpected argument clip=...: settings follow --set"),
        (("--config", "nowhere.yaml"), "cannot read nowhere.yaml: No such file"),
    ],
)
def test_options_that_cannot_work_are_refused(
    asked: dict[str, Any], tmp_path: Path, options: tuple[object, ...], says: str
) -> None:
    check_one_line(train("--data", tmp_path, *options), says)
    assert not asked


@pytest.mark.parametrize(
    "error",
    [
        CheckpointError,
        DatasetError,
        DeviceError,
        OutputError,
        RunFolderError,
        TrainConfigError,
        TrainingError,
    ],
)
def test_named_errors_are_a_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("what is wrong")

    monkeypatch.setattr(trainer, "train", fail)
    check_one_line(train("--data", tmp_path), "Error: what is wrong")


def test_without_data_it_says_how_to_make_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_one_line(train(), "there is no dataset in `datasets`", "shapegan preprocess")
    check_one_line(train("--data", tmp_path), "is not a dataset")
    assert list(tmp_path.iterdir()) == []

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from support import one_line
from support.training import (
    CONFIGS,
    VOXEL,
    UndisturbedRuns,
    assert_same_run,
    make_solids,
    quick,
    rows,
    run,
)

from shapegan.cli import main
from shapegan.model import presets
from shapegan.model.config import TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.config_file import load_config
from shapegan.model.distributed import DeviceError
from shapegan.model.presets import preset
from shapegan.model.schedule import Budget, Position
from shapegan.model.training import preview_budget, trainer
from shapegan.model.training.checkpoint import CheckpointError
from shapegan.model.training.run_folder import RunFolderError
from shapegan.model.training.trainer import TrainingError, TrainSettings
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.files import OutputError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that are started: sums by more threads round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def alone(
    data: Path, one_thread: None, tmp_path_factory: pytest.TempPathFactory
) -> UndisturbedRuns:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "STEPS_PER_ROW", 5)
        found = UndisturbedRuns(data, tmp_path_factory.mktemp("alone"))
        found["voxel"]
    return found


def check_one_line(result: Result, *expected: str) -> None:
    one_line.check_one_line(result, *expected)
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def train(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


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


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "preset", lambda recipe, _: CONFIGS[recipe])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("recipe", ["voxel", "point", "autodecoder"])
def test_a_dry_run_prints_a_config_and_a_forecast_and_trains_nothing(
    data: Path, tmp_path: Path, recipe: str
) -> None:
    folder = tmp_path / "run"
    result = train("--data", data, "--run", folder, "--recipe", recipe, "--dry-run", "--steps", 20)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("10 steps of 4 shapes; weights: generator ") == 2
    assert "of memory" in result.stderr
    assert not folder.exists()
    (tmp_path / "mine.yaml").write_text(result.stdout)
    assert load_config(tmp_path / "mine.yaml") == CONFIGS[recipe]
    again = train("--data", data, "--config", tmp_path / "mine.yaml", "--dry-run", "--steps", 20)
    assert (again.stdout, again.stderr) == (result.stdout, result.stderr)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("recipe", ["voxel", "point"])
def test_a_dry_run_forecasts_halves_of_symmetric_shapes(
    data: Path, tmp_path: Path, recipe: str
) -> None:
    result = train(
        "--data", data, "--run", tmp_path / "run", "--recipe", recipe,
        "--set", "generator.symmetry=x", "--dry-run", "--steps", 20,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr.count("10 steps of 4 shapes; weights: generator ") == 2


@pytest.mark.usefixtures("small")
def test_a_run_from_start_to_end_with_pictures(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_budget, "_FREE_SECONDS", 1e6)  # for a busy machine
    folder = tmp_path / "run"
    options = ("--data", data, "--run", folder, "--device", "cpu", "--preview-shapes", 2)
    result = train(*options)
    assert result.exit_code == 0, result.output
    assert "stage 1 of 2 (8^3): 10 steps, 4 shapes each" in result.stderr
    assert f"done: 20 steps, in {folder}" in result.stderr
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("events"))
    assert names == [
        ".lock",
        "checkpoints",
        "config.json",
        "metrics.csv",
        "previews",
        "quality.csv",
        "threads.json",
    ]
    pictures = sorted(path.name for path in (folder / "previews").iterdir())
    assert pictures == ["step-00000010.png", "step-00000020.png"]
    assert [row["total"] for row in rows(folder)] == ["10", "20"]
    again = train("--config", folder / "config.json", *options)
    assert again.exit_code == 0
    assert again.stderr.splitlines() == [f"done: 20 steps, in {folder}"]
    check_one_line(train(*options, "--seed", 3), "a run of another config", "seed: 0 -> 3")
    check_one_line(train(*options, "--stages", "8"), "a run of another config", "stages.1.size")
    check_one_line(train(*options, "--run", tmp_path), "holds run but no config.json")
    other = ("--run", tmp_path / "other")
    check_one_line(train(*options, *other, "--batch-size", 99), "too few shapes: 8", "99")
    check_one_line(train(*options, *other, "--stages", "8,64"), "no voxels of resolution 64")
    check_one_line(train(*options, *other, "--device", "cuda:99"), "--device cuda:99")


@pytest.mark.usefixtures("small")
def test_a_resumed_run_keeps_its_threads(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    step = trainer._Training._train_step

    def watched(self: Any, batches: Any) -> None:
        used.append(torch.get_num_threads())
        step(self, batches)

    monkeypatch.setattr(trainer._Training, "_train_step", watched)
    options = ("--data", data, "--run", tmp_path / "run", "--device", "cpu", "--preview-shapes", 0)
    first = train(*options, "--threads", 2, "--steps", 4)
    resumed = train(*options, "--steps", 8)
    assert first.exit_code == resumed.exit_code == 0, first.stderr + resumed.stderr
    assert "threads" not in first.stderr
    assert "the run began with 2 threads, and 1 can be used now" in resumed.stderr
    assert set(used) == {2}
    train(*options, "--threads", 1, "--steps", 10)
    used.clear()
    assert "threads" not in train(*options, "--steps", 12).stderr
    assert set(used) == {1}
    assert torch.get_num_threads() == 1


def start(data: Path, run: Path, *options: str) -> subprocess.Popen[str]:
    """The command as a process of its own, small."""
    program = [sys.executable, str(Path(__file__).parents[1] / "support" / "training.py"), "train"]
    fixed = ("--data", str(data), "--run", str(run), "--preview-shapes", "0", "--device", "cpu")
    return subprocess.Popen(
        [*program, *fixed, "--recipe", "voxel", *options], stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    return said


def wait_for(run: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(run.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def go_on(data: Path, folder: Path) -> None:
    """The rest of the run, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "STEPS_PER_ROW", 5)
        run(VOXEL, quick(data, folder))


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.slow)])
def test_a_signal_ends_it_after_the_step_and_the_same_command_goes_on(
    data: Path, alone: UndisturbedRuns, tmp_path: Path, name: str
) -> None:
    process = start(data, tmp_path / "run", "--save-every", "0.001s")
    wait_for(tmp_path / "run", "checkpoints/step-00000003.pt", process)
    process.send_signal(signal.Signals[name])
    said = finish(process)
    assert "stopped, and the same command resumes: " in said.splitlines()[-1]
    assert not list((tmp_path / "run").glob("checkpoints/stage-2.pt"))
    go_on(data, tmp_path / "run")
    assert_same_run(tmp_path / "run", alone["voxel"])


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    data: Path, alone: UndisturbedRuns, tmp_path: Path
) -> None:
    """Also where it is killed while it writes one."""
    folder = tmp_path / "run"
    process = start(data, folder, "--save-every", "0.001s")
    wait_for(folder, "checkpoints/step-00000012.pt", process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (folder / "checkpoints/.step-00000099.pt.abc.tmp").write_bytes(b"half")
    go_on(data, folder)
    assert_same_run(folder, alone["voxel"])
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.slow
def test_time_is_that_of_the_process_from_its_start_to_its_exit(data: Path, tmp_path: Path) -> None:
    """Imports, previews and checkpoints included."""
    began = time.monotonic()
    finish(start(data, tmp_path / "plan", "--dry-run"))
    busy = time.monotonic() - began  # of imports and exit, which take long on a busy machine
    began = time.monotonic()
    said = finish(start(data, tmp_path / "run", "--time", "40s", "--preview-shapes", "16"))
    assert abs(time.monotonic() - began - 40) <= 10 + busy
    assert "done: " in said.splitlines()[-1]
    assert len(list((tmp_path / "run/previews").iterdir())) >= 1


@pytest.mark.slow
def test_torchrun_trains_with_several_processes(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    program = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--"]
    command = [
        str(Path(__file__).parents[1] / "support" / "training.py"),
        "train",
        "--data",
        str(data),
    ]
    options = ["--run", str(folder), "--preview-shapes", "0", "--device", "cpu"]
    done = subprocess.run(
        [*program, *command, *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"done: 20 steps, in {folder}") == 1
    assert len(rows(folder)) == 4

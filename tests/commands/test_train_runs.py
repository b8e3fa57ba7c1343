"""`shapegan train`: forecasts, and runs of a second from start to end."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.train_command import check_one_line, train
from support.training import CONFIGS, rows

from shapegan.model import presets
from shapegan.model.config_file import load_config
from shapegan.model.training import preview_budget, trainer

pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert again.stderr.splitlines() == [
        f"already finished: 20 steps, in {folder}; a larger --steps or --time continues it"
    ]
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

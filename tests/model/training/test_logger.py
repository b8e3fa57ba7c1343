import csv
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training import VOXEL
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from shapegan.model.schedule import Position
from shapegan.model.training.logger import COLUMNS, MetricsLogger
from shapegan.model.training.wandb_run import WandbRun
from shapegan.pipeline.files import OutputError


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    """Makes ledgers of one folder, and closes them."""
    made: list[MetricsLogger] = []

    def make(total: int = 0, state: Any = None) -> MetricsLogger:
        path = tmp_path / "metrics.csv"
        made.append(MetricsLogger(path, tmp_path, Position(total=total, step=total), state))
        return made[-1]

    yield make
    for logger in made:
        logger.close()


def read(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def step(logger: MetricsLogger, loss: float, **others: float) -> None:
    values = {name: torch.tensor(value) for name, value in (others | {"loss": loss}).items()}
    logger.add(values, seconds=2.0, waited=0.5, shapes=16)


def test_a_row_holds_the_means_since_the_last_one(opened: Any, tmp_path: Path) -> None:
    logger = opened()
    step(logger, 1.0)
    step(logger, 2.0, generator_loss=5.0)
    present = {"generator_rate": 0.001, "generator_gradient": 2.5}
    row = logger.row(Position(1, 2, 12, 4.0, 9.0), fade=0.25, overall=0.6, present=present)
    assert row["loss"] == 1.5
    assert row["generator_loss"] == 5.0
    step(logger, 7.0)
    logger.row(Position(1, 3, 13, 6.0, 11.0), fade=1.0)
    first, second = read(tmp_path)
    assert tuple(first) == COLUMNS
    assert first == {
        "total": "12",
        "stage": "1",
        "step": "2",
        "seconds": "9.0",
        "shapes_per_second": "8.0",
        "waiting": "0.25",
        "fade": "0.25",
        "distance": "",
        "penalty": "",
        "critic_loss": "",
        "generator_loss": "5.0",
        "reconstruction": "",
        "torn": "",
        "loss": "1.5",
        "overall": "0.6",
        "generator_rate": "0.001",
        "critic_rate": "",
        "generator_gradient": "2.5",
        "critic_gradient": "",
        "latent_norm": "",
    }
    assert (second["loss"], second["generator_loss"]) == ("7.0", "")


def test_means_of_an_unfinished_row_are_resumed(opened: Any, tmp_path: Path) -> None:
    logger = opened()
    for loss in (0.1, 0.2, 0.7):
        step(logger, loss)
    state = logger.state()
    again = opened(3, state)
    for one in (logger, again):
        step(one, 0.4)
    rows = [one.row(Position(0, 4, 4, 8.0, 8.0), 1.0) for one in (logger, again)]
    assert rows[0] == rows[1]


def test_a_saved_state_does_not_change_with_its_logger(opened: Any) -> None:
    logger = opened()
    step(logger, 1.0)
    state = logger.state()
    step(logger, 2.0)
    assert (state["sums"]["loss"], state["counts"]["loss"]) == (1.0, 1)
    assert state["times"] == [2.0, 0.5, 16]


def test_rows_after_the_checkpoint_are_dropped(opened: Any, tmp_path: Path) -> None:
    logger = opened()
    for total in (20, 40, 60):
        step(logger, float(total))
        logger.row(Position(0, total, total), 1.0)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("2")  # the beginning of the row after 200 steps
    opened(40)
    assert [row["total"] for row in read(tmp_path)] == ["20", "40"]


@pytest.mark.parametrize("left", ["", "tot", ",".join(COLUMNS)])
def test_a_file_without_a_complete_row_is_started_again(
    opened: Any, tmp_path: Path, left: str
) -> None:
    (tmp_path / "metrics.csv").write_text(left)
    logger = opened()
    step(logger, 1.0)
    logger.row(Position(total=20), 1.0)
    assert [row["loss"] for row in read(tmp_path)] == ["1.0"]


def test_tensorboard_gets_scalars_pictures_and_meshes(opened: Any, tmp_path: Path) -> None:
    logger = opened()
    position = Position(total=20)
    step(logger, 3.0, penalty=float("nan"))
    logger.row(position, 1.0)
    logger.picture("samples", np.zeros((4, 6, 3), np.uint8), position)
    logger.mesh("mesh", np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]), position)
    logger.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (loss,) = events.Scalars("loss/loss")
    assert {tag.partition("/")[0] for tag in events.Tags()["scalars"]} == {
        "loss",
        "speed",
        "schedule",
    }
    assert (loss.step, loss.value) == (20, 3.0)
    assert "loss/penalty" not in events.Tags()["scalars"]
    (picture,) = events.Images("samples")
    assert (picture.step, picture.width, picture.height) == (20, 6, 4)
    assert {"mesh_VERTEX", "mesh_FACE"} <= set(events.Tags()["tensors"])


def test_tensorboard_drops_events_that_a_resumed_run_repeats(opened: Any, tmp_path: Path) -> None:
    logger = opened()
    for total in (20, 40):
        step(logger, 1.0)
        logger.row(Position(total=total), 1.0)
    logger.close()
    again = opened(20)
    step(again, 2.0)
    again.row(Position(total=40), 1.0)
    again.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss/loss")] == [(20, 1.0), (40, 2.0)]


def test_the_config_is_text_and_hyper_parameters(tmp_path: Path) -> None:
    logger = MetricsLogger(tmp_path / "metrics.csv", tmp_path, Position(), config=VOXEL)
    logger.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "    recipe: voxel\n" in text
    assert "    critic_steps: " in text
    assert "_hparams_/experiment" in events.PluginTagToContent("hparams")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_weights_and_biases_receive_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the package: what it is called with."""
    calls: list[Any] = []

    class Run:
        def log(self, values: dict[str, Any], step: int) -> None:
            calls.append((step, values))

        def finish(self) -> None:
            calls.append("finished")

    def init(**settings: Any) -> Run:
        calls.append(settings)
        return Run()

    package = types.SimpleNamespace(init=init, Image=lambda picture: picture.shape)
    monkeypatch.setitem(sys.modules, "wandb", package)
    for _ in range(2):
        wandb = WandbRun(tmp_path, VOXEL.to_dict())
        logger = MetricsLogger(tmp_path / "metrics.csv", tmp_path, Position(), wandb=wandb)
        step(logger, 3.0)
        logger.row(Position(total=20), 1.0)
        logger.picture("previews", np.zeros((4, 6, 3), np.uint8), Position(total=20))
        logger.close()
    settings, (total, values), picture, end = calls[:4]
    assert (settings["project"], settings["name"]) == ("shapegan", tmp_path.name)
    assert (settings["dir"], settings["resume"]) == (str(tmp_path), "allow")
    assert settings["config"]["recipe"] == "voxel"
    assert (total, values["loss/loss"]) == (20, 3.0)
    assert picture == (20, {"previews": (4, 6, 3)})
    assert end == "finished"
    assert calls[4]["id"] == settings["id"]  # a resumed run continues


def test_weights_and_biases_work_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="needs the extra `wandb`")
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb = WandbRun(tmp_path, VOXEL.to_dict())
    wandb.scalars({"loss/loss": 1.0}, 20)
    wandb.close()
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_a_full_disk_is_a_line(opened: Any, tmp_path: Path) -> None:
    logger = opened()
    (tmp_path / "metrics.csv").symlink_to("/dev/full")
    with pytest.raises(OutputError) as caught:
        logger.row(Position(total=20), 1.0)
    assert "No space left on device; make space, and run the same command" in str(caught.value)


def test_a_folder_that_is_not_there_is_a_line(opened: Any, tmp_path: Path) -> None:
    logger = opened()
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    with pytest.raises(OutputError, match=r"metrics\.csv: No such file"):
        logger.row(Position(total=20), 1.0)
    moved.rename(tmp_path)

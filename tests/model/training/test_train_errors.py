import dataclasses
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training import (
    AUTODECODER,
    POINT,
    VOXEL,
    RecordingReporter,
    UndisturbedRuns,
    assert_same_run,
    each_step,
    interrupt,
    last,
    make_solids,
    quick,
    run,
)

from shapegan.model.config import Stage, TrainConfig
from shapegan.model.config_check import TrainConfigError
from shapegan.model.distributed import DeviceError
from shapegan.model.training import trainer
from shapegan.model.training.checkpoint import CheckpointError, checkpoint_path
from shapegan.model.training.run_folder import RunFolderError
from shapegan.model.training.trainer import TrainingError, TrainSettings, train
from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.files import OutputError

ERRORS = (
    TrainingError,
    CheckpointError,
    DatasetError,
    OutputError,
    RunFolderError,
    DeviceError,
    TrainConfigError,
)

pytestmark = pytest.mark.usefixtures("_frequent_rows")


class Step:
    """Stands in for a step that goes wrong."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.at, self.error = at, error

    def __call__(self, step: int) -> None:
        if step == self.at:
            raise self.error


def refused(config: TrainConfig, settings: TrainSettings) -> str:
    with pytest.raises(ERRORS) as caught:
        train(config, settings, RecordingReporter())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ..."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_out_of_memory_names_the_options_that_help(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    each_step(monkeypatch, Step(13, error))
    said = refused(VOXEL, quick(data, tmp_path / "run"))
    assert "out of memory at size 16 with 4 shapes per step: lower --chunk" in said
    assert "--batch-size" in said


def test_other_errors_are_left_as_they_are(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each_step(monkeypatch, Step(2, RuntimeError("a defect")))
    with pytest.raises(RuntimeError, match="a defect"):
        train(VOXEL, quick(data, tmp_path / "run"), RecordingReporter())


def spoil(patch: pytest.MonkeyPatch, at: int, number: float) -> None:
    """Makes a weight of the generator a number that is none, from a step on."""

    def act(step: int) -> None:
        if step == at:
            with torch.no_grad():
                next(built[-1].generator.parameters()).view(-1)[0] = number

    built: list[Any] = []
    build = trainer.build_recipe
    patch.setattr(trainer, "build_recipe", lambda *its: built.append(build(*its)) or built[-1])
    each_step(patch, act)


def test_losses_that_are_not_finite_end_the_run_and_name_the_last_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: UndisturbedRuns
) -> None:
    expected, settings = alone["voxel"], quick(data, tmp_path / "run")
    with monkeypatch.context() as patch:
        spoil(patch, 13, float("nan"))
        said = refused(VOXEL, settings)
    good = checkpoint_path(settings.run / "checkpoints", 10)
    assert " is nan by step 15: the last good checkpoint is " + str(good) in said
    assert last(settings.run).position.total == 10
    # What went wrong once goes well from there on.
    run(VOXEL, settings)
    assert_same_run(settings.run, expected)


def test_weights_that_are_not_finite_are_not_saved(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick(data, tmp_path / "run", save_seconds=0.0)
    spoil(monkeypatch, 4, float("inf"))
    said = refused(VOXEL, settings)
    good = checkpoint_path(settings.run / "checkpoints", 3)
    assert "weights are NaN or infinite by step 4" in said
    assert str(good) in said
    assert last(settings.run).position.total == 3


def test_without_a_checkpoint_none_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, 1, float("nan"))
    assert "there is no checkpoint" in refused(VOXEL, quick(data, tmp_path / "run"))


def test_a_full_disk_leaves_the_checkpoints_that_are_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: UndisturbedRuns
) -> None:
    expected, settings = alone["autodecoder"], quick(data, tmp_path / "run", save_seconds=0.0)

    def full(step: int) -> None:
        if step == 14:
            monkeypatch.setattr(Path, "write_bytes", no_space)

    def no_space(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        each_step(patch, full)
        said = refused(AUTODECODER, settings)
    assert "step-00000014.pt: No space left on device; make space, and run the same command" in said
    names = sorted(path.name for path in (settings.run / "checkpoints").iterdir())
    assert names == ["stage-1.pt", *(f"step-{n:08d}.pt" for n in (11, 12, 13))]
    monkeypatch.undo()
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 3)
    run(AUTODECODER, settings)
    assert_same_run(settings.run, expected)


def test_a_torn_checkpoint_is_refused_and_the_one_before_it_goes_on(
    data: Path, tmp_path: Path, alone: UndisturbedRuns
) -> None:
    settings = quick(data, Path(shutil.copytree(alone["point"], tmp_path / "run")))
    newest = checkpoint_path(settings.run / "checkpoints", 20)
    newest.write_bytes(newest.read_bytes()[:1000])
    assert f"{newest} is not a checkpoint of shapegan, or damaged; delete it" in refused(
        POINT, settings
    )
    newest.unlink()
    run(POINT, settings)
    assert_same_run(settings.run, alone["point"])


def test_a_checkpoint_of_another_architecture_is_refused(
    data: Path, tmp_path: Path, alone: UndisturbedRuns
) -> None:
    settings = quick(data, Path(shutil.copytree(alone["voxel"], tmp_path / "run")))
    (settings.run / "checkpoints/step-00000020.pt").unlink()
    path = settings.run / "checkpoints/step-00000010.pt"
    content = torch.load(path, weights_only=True)
    content["recipe"]["networks"]["generator"]["layers.0.weight"] = torch.zeros(17, 3)
    torch.save(content, path)
    assert f"{path} does not fit the networks of its config" in refused(VOXEL, settings)
    wide = dataclasses.replace(VOXEL.generator, width=17)
    content["config"] = dataclasses.replace(VOXEL, generator=wide).to_dict()
    torch.save(content, path)
    assert f"{path} has another config than the run (generator.width: 16 -> 17)" in refused(
        VOXEL, settings
    )


def test_a_run_of_another_config_or_of_other_shapes_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick(data, tmp_path / "run")
    with monkeypatch.context() as patch:
        each_step(patch, interrupt)
        train(VOXEL, settings, RecordingReporter())
    other = dataclasses.replace(VOXEL, seed=9)
    assert "a run of another config (there -> wanted): seed: 0 -> 9" in refused(other, settings)
    more = make_solids(tmp_path, shapes=12)
    said = refused(VOXEL, dataclasses.replace(settings, data=more))
    assert f"was trained on 8 shapes, but split train of {more} has 12 now: give --run" in said


def test_two_trainings_do_not_share_a_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, said = quick(data, tmp_path / "run"), []
    each_step(monkeypatch, lambda step: step == 2 and said.append(refused(VOXEL, settings)))
    run(VOXEL, settings)
    assert said == [f"{settings.run}: another training runs in it"]


def test_a_shard_that_disappears_is_a_line_and_comes_back(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: UndisturbedRuns
) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    settings = quick(copy, tmp_path / "run", pin="none")
    shard = copy / "shards/00000.h5"
    with monkeypatch.context() as patch:
        each_step(patch, lambda step: step == 12 and shard.rename(copy / "hidden"))
        said = refused(VOXEL, settings)
    assert f"{shard}: No such file or directory" in said
    (copy / "hidden").rename(shard)
    run(VOXEL, settings)
    assert_same_run(settings.run, alone["voxel"])


@pytest.mark.parametrize(
    ("config", "changes", "says"),
    [
        (VOXEL, {"stages": (Stage(8, 9, 1),)}, "too few shapes: 8 in split train, 9 in a batch"),
        (VOXEL, {"stages": (Stage(8, 4, 1), Stage(32, 4, 1))}, "no voxels of resolution 32"),
        (POINT, {"stages": (Stage(10_000, 4, 1),)}, "too few points: the dataset has 8192"),
        (VOXEL, {"split": "test"}, "has no shapes in split test, there are: train, val"),
    ],
)
def test_unusable_data_are_refused_before_the_first_step(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: TrainConfig,
    changes: dict[str, Any],
    says: str,
) -> None:
    each_step(monkeypatch, Step(1, AssertionError("a step")))
    settings = quick(data, tmp_path / "run")
    assert says in refused(dataclasses.replace(config, **changes), settings)
    monkeypatch.undo()
    train(AUTODECODER, settings, RecordingReporter())  # the folder is not spoilt for a better try


def test_a_dataset_of_a_newer_format_is_refused(data: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    manifest = copy / "dataset.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"format_version": 4}))
    said = refused(VOXEL, quick(copy, tmp_path / "run"))
    assert "has format version 4, this shapegan reads 1, 2, 3" in said


def test_a_device_that_is_not_there_is_refused(data: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(quick(data, tmp_path / "run"), device="cuda:7")
    assert "--device cuda:7" in refused(VOXEL, settings)
    assert not settings.run.exists()

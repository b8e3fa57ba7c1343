import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.training import POINT, RECONSTRUCTED, VOXEL

from shapegan.model.config import TrainConfig
from shapegan.model.schedule import Position
from shapegan.model.training.checkpoint import Checkpoint, CheckpointError, save_checkpoint
from shapegan.model.training.run_folder import RunFolder, RunFolderError, TrainingShapes
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.folder_lock import FolderLockError

OTHER = dataclasses.replace(VOXEL, seed=3)


def save(folder: RunFolder, config: TrainConfig = VOXEL, total: int = 7) -> Path:
    checkpoint = Checkpoint(config, Position(total=total), {}, {}, shape_count=8)
    return save_checkpoint(folder.checkpoints, checkpoint)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs/one")
    with folder.locked():
        assert folder.open(VOXEL) is None
    return folder


def prior_of(shapes: int) -> TrainConfig:
    return RECONSTRUCTED.replaced({"generator.prior_shapes": str(shapes)})


def refused(
    folder: RunFolder, config: TrainConfig = VOXEL, shapes: TrainingShapes | None = None
) -> str:
    with pytest.raises((RunFolderError, CheckpointError, OutputError)) as caught:
        folder.open(config, shapes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_folder_holds_its_config(folder: RunFolder) -> None:
    text = (folder.path / "config.json").read_text()
    assert TrainConfig.from_dict(json.loads(text)) == VOXEL
    assert folder.open(VOXEL) is None
    assert (folder.path / "config.json").read_text() == text


def test_a_run_folder_gives_its_last_checkpoint(folder: RunFolder) -> None:
    for total in (7, 20):
        save(folder, total=total)
    found = folder.open(VOXEL)
    assert found is not None
    assert found.position.total == 20


def test_a_run_of_another_config_is_refused_with_what_differs(folder: RunFolder) -> None:
    save(folder)
    said = refused(folder, OTHER)
    assert f"{folder.path} holds a run of another config" in said
    assert "(there -> wanted): seed: 0 -> 3; give --run another folder" in said
    said = refused(folder, POINT)
    assert "recipe: voxel -> point" in said
    assert "and " in said
    assert len(said) < 600


def trained_on_eight(path: Path) -> RunFolder:
    folder = RunFolder(path)
    with folder.locked():
        folder.open(prior_of(8))
    save(folder, prior_of(8))
    return folder


def test_a_run_on_other_shapes_is_refused_with_their_numbers(tmp_path: Path) -> None:
    """Nobody sets `prior_shapes`, as a rule."""
    folder = trained_on_eight(tmp_path)
    said = refused(folder, prior_of(7), TrainingShapes(7, "split train of solids"))
    assert said == (
        f"{tmp_path} was trained on 8 shapes, but split train of solids has 7 now: give --run a"
        " new folder, or the dataset its former splits"
    )


def test_a_prior_of_fewer_of_the_same_shapes_is_another_config(tmp_path: Path) -> None:
    folder = trained_on_eight(tmp_path)
    said = refused(folder, prior_of(3), TrainingShapes(8, "split train of solids"))
    assert "(there -> wanted): generator.prior_shapes: 8 -> 3;" in said


def test_before_its_first_checkpoint_a_run_may_change_its_config(folder: RunFolder) -> None:
    """A first try often fails for want of data; the second one need not find another folder."""
    assert folder.open(OTHER) is None
    save(folder, OTHER)
    assert folder.open(OTHER) is not None


def test_a_checkpoint_of_another_run_is_refused(folder: RunFolder) -> None:
    path = save(folder, OTHER)
    said = refused(folder)
    assert f"{path} has another config than the run (seed: 0 -> 3); delete it" in said


def test_a_torn_checkpoint_is_refused_and_the_one_before_named_as_the_way_out(
    folder: RunFolder,
) -> None:
    save(folder, total=5)
    path = save(folder)
    path.write_bytes(path.read_bytes()[:-100])
    said = refused(folder)
    assert f"{path} is not a checkpoint of shapegan, or damaged; delete it" in said
    path.unlink()
    found = folder.open(VOXEL)
    assert found is not None
    assert found.position.total == 5


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    said = refused(RunFolder(tmp_path))
    assert "holds thesis.tex but no config.json" in said
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "no json", "[1, 2]", '{"recipe": "voxel"}', '{"sead": 1}'])
def test_a_config_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert f"cannot use {tmp_path / 'config.json'}" in refused(RunFolder(tmp_path))


def test_a_second_training_is_kept_out(folder: RunFolder) -> None:
    again = RunFolder(folder.path)
    with folder.locked(), pytest.raises(FolderLockError, match="another training runs in it"):
        again.locked().__enter__()
    with again.locked():
        pass


def test_another_process_is_kept_out_and_a_dead_one_is_not_remembered(folder: RunFolder) -> None:
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'w');"
        "fcntl.flock(file, fcntl.LOCK_EX); print('locked', flush=True); sys.stdin.read()"
    )
    lock = str(folder.path / ".lock")
    other = subprocess.Popen(
        [sys.executable, "-c", program, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"locked\n"
    with pytest.raises(FolderLockError, match="another training"):
        folder.locked().__enter__()
    other.kill()
    other.communicate()
    with folder.locked():
        pass


def test_a_folder_that_cannot_be_made_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        RunFolder(tmp_path / "file/run").locked().__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_gives_one_line(folder: RunFolder) -> None:
    folder.path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            folder.open(OTHER)
    finally:
        folder.path.chmod(0o700)

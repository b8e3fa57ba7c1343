"""`shapegan train` as processes of its own, which signals end and which resume."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.fakes import python_path
from support.training import VOXEL, UndisturbedRuns, assert_same_run, quick, rows, run

from shapegan.model.training import trainer

pytestmark = pytest.mark.usefixtures("one_thread")

PROGRAM = Path(__file__).parents[1] / "support" / "small_train.py"


@pytest.fixture(scope="module")
def alone(
    data: Path, one_thread: None, tmp_path_factory: pytest.TempPathFactory
) -> UndisturbedRuns:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "STEPS_PER_ROW", 5)
        found = UndisturbedRuns(data, tmp_path_factory.mktemp("alone"))
        found["voxel"]
    return found


def start(data: Path, run: Path, *options: str) -> subprocess.Popen[str]:
    """The command as a process of its own, small."""
    program = [sys.executable, str(PROGRAM), "train"]
    fixed = ("--data", str(data), "--run", str(run), "--preview-shapes", "0", "--device", "cpu")
    return subprocess.Popen(
        [*program, *fixed, "--recipe", "voxel", *options],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": python_path()},
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
    command = [str(PROGRAM), "train", "--data", str(data)]
    options = ["--run", str(folder), "--preview-shapes", "0", "--device", "cpu"]
    done = subprocess.run(
        [*program, *command, *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": python_path()},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"done: 20 steps, in {folder}") == 1
    assert len(rows(folder)) == 4

"""Faults of a real run: the command in its own process, killed, stopped or out of resources."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.fakes import TARGET, digests, python_path
from support.processes import alive, wait_until

from shapegan.pipeline.dataset.reader import Dataset

MESHES = 10
SLOW = "sleep 0.3"
CONFIG = ["--resolutions", "4,8", "--points", "20000", "--shard-size", "3"]
"""A third of a megabyte a shape, a megabyte a shard."""
PATIENCE = 300.0
"""Seconds after which a command is taken to hang, however busy the machine is."""


@pytest.fixture(autouse=True)
def children_find_the_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", python_path())


def write_meshes(folder: Path, behaviours: list[str]) -> Path:
    (folder / "chairs").mkdir(parents=True)
    for number, behaviour in enumerate(behaviours):
        (folder / "chairs" / f"mesh{number:03d}.obj").write_text(behaviour)
    return folder


def command(meshes: Path, out: Path, *options: str) -> list[str]:
    program = [sys.executable, "-m", "support.preprocess_with", TARGET, "preprocess"]
    return [*program, str(meshes), "--out", str(out), *CONFIG, *(options or ("--workers", "2"))]


def finish(meshes: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(meshes, out, *options),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def undisturbed_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """Hashes of the files of a run without faults, and its seconds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    meshes = write_meshes(folder / "meshes", ["ok"] * MESHES)
    environment = os.environ | {"PYTHONPATH": python_path()}
    words = command(meshes, folder / "out", "--workers", "0")
    began = time.monotonic()
    subprocess.run(words, check=True, env=environment, timeout=PATIENCE)
    return digests(folder / "out"), time.monotonic() - began


@pytest.fixture(scope="module")
def undisturbed(undisturbed_run: tuple[dict[str, str], float]) -> dict[str, str]:
    return undisturbed_run[0]


@pytest.fixture(scope="module")
def time_limit(undisturbed_run: tuple[dict[str, str], float]) -> int:
    """Seconds within which each mesh but one that hangs is done, as busy as the machine is."""
    return max(2, math.ceil(undisturbed_run[1]))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a slow run in `tmp_path` and waits until its first shard has been begun."""
    started: list[subprocess.Popen[str]] = []

    def start(*behaviours: str) -> subprocess.Popen[str]:
        meshes = write_meshes(tmp_path / "meshes", [*(behaviours or [SLOW] * MESHES)])
        process = subprocess.Popen(
            command(meshes, tmp_path / "out"), stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        wait_until(lambda: len(list((tmp_path / "out/staging").glob("*.json"))) >= 1)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def check_resumes(folder: Path, undisturbed: dict[str, str]) -> None:
    again = finish(folder / "meshes", folder / "out")
    assert again.returncode == 0, again.stderr
    assert digests(folder / "out") == undisturbed
    dataset = Dataset(folder / "out")
    dataset.verify()
    assert len(dataset) == MESHES


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_ends_it_cleanly(
    tmp_path: Path,
    undisturbed: dict[str, str],
    running: Callable[..., subprocess.Popen[str]],
    name: str,
) -> None:
    process = running()
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    sent = time.monotonic()
    process.send_signal(signal.Signals[name])
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert process.returncode == 128 + signal.Signals[name]
    assert said.count("interrupted; the same command resumes") == 1
    assert "Traceback" not in said
    assert not alive(children)
    if name == "SIGINT":  # the other way is the same from here on
        check_resumes(tmp_path, undisturbed)


def test_a_killed_run_leaves_no_processes_and_resumes(
    tmp_path: Path, undisturbed: dict[str, str], running: Callable[..., subprocess.Popen[str]]
) -> None:
    process = running()
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    process.kill()
    if sys.platform == "linux":
        wait_until(lambda: not alive(children), 10)
    check_resumes(tmp_path, undisturbed)


def test_a_worker_killed_in_mid_shard_costs_nothing(
    tmp_path: Path, undisturbed: dict[str, str], running: Callable[..., subprocess.Popen[str]]
) -> None:
    process = running()
    victim = psutil.Process(process.pid).children(recursive=True)[0]
    victim.kill()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert f"{MESHES} ok, 0 rejected, 0 failed" in said
    assert digests(tmp_path / "out") == undisturbed


def test_all_faults_of_meshes_at_once(tmp_path: Path, time_limit: int) -> None:
    behaviours = ["ok", "segfault", "hang", "hog", "leave", "ok", "raise", "reject", "ok"]
    meshes = write_meshes(tmp_path / "meshes", behaviours)
    limits = ["--workers", "2", "--mesh-timeout", str(time_limit), "--mesh-memory", "0.4"]
    done = finish(meshes, tmp_path / "out", *limits)
    assert done.returncode == 0, done.stderr
    dataset = Dataset(tmp_path / "out")
    assert {r.id.rpartition("/")[2]: r.reason.partition(" (")[0] for r in dataset.reports} == {
        "mesh000": "",
        "mesh001": "crashed with SIGSEGV, twice",
        "mesh002": f"took longer than {time_limit} s, twice",
        "mesh003": "used more than 0.4 GB, twice",
        "mesh004": "ended by itself with exit code 3, twice",
        "mesh005": "",
        "mesh006": "ZeroDivisionError: of the mesh",
        "mesh007": "looks bad",
        "mesh008": "",
    }
    assert "crashed with SIGSEGV, twice" in done.stderr
    assert "Traceback" not in done.stderr


def check_full(done: subprocess.CompletedProcess[str], reason: str) -> None:
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: cannot write ")
    assert f"{reason}; make space, and run the same command again" in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("workers", "kilobytes"), [("0", 200), ("0", 500), ("2", 500)])
def test_a_file_that_may_not_grow_ends_it_cleanly(
    tmp_path: Path, undisturbed: dict[str, str], workers: str, kilobytes: int
) -> None:
    """Within 200 kB no staged shape can be written; within 500 kB each can, but no shard."""
    meshes = write_meshes(tmp_path / "meshes", ["ok"] * MESHES)
    limit = kilobytes * 1000
    wanted = command(meshes, tmp_path / "out", "--workers", workers)
    program = (
        "import os, resource, sys;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *wanted],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    check_full(done, "File too large")
    assert not list((tmp_path / "out").rglob("*.tmp"))
    check_resumes(tmp_path, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of two megabytes."""
    folder = tmp_path / "out"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small disk here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_it_cleanly(
    tmp_path: Path, undisturbed: dict[str, str], small_disk: Path
) -> None:
    meshes = write_meshes(tmp_path / "meshes", ["ok"] * MESHES)
    check_full(finish(meshes, small_disk), "No space left on device")
    whole = digests(small_disk)
    assert whole.items() <= undisturbed.items()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    check_resumes(tmp_path, undisturbed)


def test_a_second_run_at_the_same_time_is_refused(
    tmp_path: Path, running: Callable[..., subprocess.Popen[str]]
) -> None:
    process = running("ok", "sleep 60")
    second = finish(tmp_path / "meshes", tmp_path / "out")
    assert second.returncode == 2
    assert "another run is writing to" in second.stderr
    assert process.poll() is None

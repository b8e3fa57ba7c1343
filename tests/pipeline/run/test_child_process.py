import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from support.fakes import SMALL, TARGET, make_jobs, python_path

from shapegan.pipeline.dataset.staging import read_staged_report, staged_shape_path
from shapegan.pipeline.run.child_process import (
    ChildLostError,
    ChildProcess,
    ChildStoppedError,
    Limits,
)
from shapegan.pipeline.run.dataset_tasks import ShapeTask
from shapegan.pipeline.run.isolation import run_isolated
from shapegan.pipeline.run.local_pool import LocalPool
from shapegan.pipeline.run.tasks import warm_up
from shapegan.pipeline.schema import MeshReport


@pytest.fixture(autouse=True)
def children_find_the_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", python_path())


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    child = ChildProcess(partial(warm_up, TARGET))
    yield child
    child.stop()


def do(child: ChildProcess, folder: Path, behaviour: str, limits: Limits) -> MeshReport:
    (folder / "staging").mkdir(exist_ok=True)
    job = make_jobs(folder, [behaviour])[0]
    return run_isolated(child, ShapeTask(0, job, SMALL, folder, "cpu", TARGET), limits)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_processes_a_mesh_in_a_child_and_stores_its_outcome(
    child: ChildProcess, tmp_path: Path
) -> None:
    report = do(child, tmp_path, "ok", Limits())
    assert report.status == "ok"
    assert read_staged_report(tmp_path, 0) == report
    assert staged_shape_path(tmp_path, 0).is_file()


def test_one_process_serves_many_calls(child: ChildProcess) -> None:
    pids = {child.call(os.getpid) for _ in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("segfault", "crashed with SIGSEGV, twice"),
        ("die SIGABRT", "crashed with SIGABRT, twice"),
        ("die SIGKILL", "crashed with SIGKILL (the system may have run out of memory), twice"),
        ("leave", "ended by itself with exit code 3, twice"),
    ],
)
def test_a_mesh_that_kills_its_process_fails(
    child: ChildProcess, tmp_path: Path, behaviour: str, reason: str
) -> None:
    report = do(child, tmp_path, behaviour, Limits())
    assert (report.status, report.reason) == ("failed", reason)
    assert read_staged_report(tmp_path, 0) == report
    assert do(child, tmp_path, "ok", Limits()).status == "ok"


def test_a_mesh_that_hangs_with_the_interpreter_locked_fails(
    child: ChildProcess, tmp_path: Path
) -> None:
    started = time.monotonic()
    report = do(child, tmp_path, "hang", Limits(seconds=0.5))
    assert (report.status, report.reason) == ("failed", "took longer than 0.5 s, twice")
    assert time.monotonic() - started < 10


def test_a_mesh_that_uses_too_much_memory_fails(child: ChildProcess, tmp_path: Path) -> None:
    report = do(child, tmp_path, "hog", Limits(memory=0.4e9))
    assert (report.status, report.reason) == ("failed", "used more than 0.4 GB, twice")


def test_a_mesh_that_runs_out_of_memory_fails(child: ChildProcess, tmp_path: Path) -> None:
    report = do(child, tmp_path, "more", Limits())
    assert (report.status, report.reason) == ("failed", "ran out of memory, twice")


def test_a_gpu_that_fails_or_is_full_is_tried_again_by_a_fresh_process(
    child: ChildProcess, tmp_path: Path
) -> None:
    report = do(child, tmp_path, "lose", Limits())
    assert (report.status, report.reason) == (
        "failed",
        "failed on the GPU: Warp copy error: Warp CUDA error 700: an illegal memory access of it,"
        " twice",
    )
    report = do(child, tmp_path, "fill", Limits())
    assert (report.status, report.reason) == ("failed", "ran out of memory, twice")
    (tmp_path / "alone").mkdir()
    pool = LocalPool()
    for number, job in enumerate(make_jobs(tmp_path / "alone", ["lose", "fill"])):
        (tmp_path / "alone" / "staging").mkdir(exist_ok=True)
        pool.submit(ShapeTask(number, job, SMALL, tmp_path / "alone", "cpu", TARGET))
    reasons = [report.reason for _, report in pool.results()]
    assert reasons[0].startswith("failed on the GPU: Warp copy error")
    assert reasons[1] == "ran out of memory"


def test_an_error_is_one_line_with_its_place(child: ChildProcess, tmp_path: Path) -> None:
    report = do(child, tmp_path, "raise", Limits())
    assert report.status == "failed"
    assert report.reason.startswith("ZeroDivisionError: of the mesh (fakes.py:")
    assert "\n" not in report.reason


def test_a_mesh_that_dies_once_is_tried_again(child: ChildProcess, tmp_path: Path) -> None:
    first = child.call(os.getpid)
    report = do(child, tmp_path, f"die SIGKILL {tmp_path / 'tried'}", Limits())
    assert report.status == "ok"
    assert child.call(os.getpid) != first


def test_processes_that_a_mesh_started_are_killed_with_it(
    child: ChildProcess, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    do(child, tmp_path, f"spawn {note}", Limits(seconds=1))
    pid = int(note.read_text())
    assert gone(pid)


def test_native_threads_are_pinned_to_one(
    child: ChildProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("OMP", "OPENBLAS"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "2")
    assert child.call(os.getenv, "OMP_NUM_THREADS") == "1"
    assert child.call(os.getenv, "OPENBLAS_NUM_THREADS") == "1"


def test_the_child_ignores_ctrl_c(child: ChildProcess) -> None:
    pid = child.call(os.getpid)
    os.kill(pid, signal.SIGINT)
    time.sleep(0.2)
    assert child.call(os.getpid) == pid
    assert child.call(os.getsid, 0) == pid


def test_errors_of_the_function_come_through(child: ChildProcess) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        child.call(os.stat, "/no/such/file")
    assert "in a child process" in caught.value.__notes__[0]
    assert child.call(os.getpid)


def test_a_target_that_cannot_be_imported_is_an_error_of_the_run() -> None:
    child = ChildProcess(partial(warm_up, "no_such_module:process"))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        child.call(os.getpid)
    child.stop()


def test_a_child_that_cannot_start_shows_its_last_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "shapegan.pipeline.run.child_process._PROGRAM", "raise SystemExit('no luck')"
    )
    child = ChildProcess(partial(warm_up, TARGET))
    with pytest.raises(RuntimeError, match=r"cannot start, it ended by itself .* no luck"):
        child.call(os.getpid)


def test_stop_from_another_thread_ends_a_call(child: ChildProcess) -> None:
    child.call(os.getpid)
    threading.Timer(0.3, child.stop).start()
    started = time.monotonic()
    with pytest.raises(ChildStoppedError):
        child.call(time.sleep, 60)
    assert time.monotonic() - started < 5
    with pytest.raises(ChildStoppedError):
        child.call(os.getpid)


PARENT = """
import os, sys, time
from functools import partial
from shapegan.pipeline.run.child_process import ChildProcess
from shapegan.pipeline.run.tasks import warm_up
child = ChildProcess(partial(warm_up, sys.argv[1]))
print(child.call(os.getpid), flush=True)
child.call(time.sleep, 100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a busy child with its parent")
def test_a_busy_child_does_not_outlive_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, TARGET], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(1)  # until it is busy; an idle one ends by itself
        assert not gone(pid)
        parent.kill()
    deadline = time.monotonic() + 10
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(pid)


def test_a_limit_that_is_broken_names_itself(child: ChildProcess) -> None:
    with pytest.raises(ChildLostError, match=r"^took longer than 0\.2 s$"):
        child.call(time.sleep, 60, limits=Limits(seconds=0.2))

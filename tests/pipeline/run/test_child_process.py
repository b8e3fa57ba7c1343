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
from support.fakes import SMALL, TARGET, make_jobs

from shapegan.pipeline.dataset.staging import part_path, read_report
from shapegan.pipeline.run.child_process import (
    ChildProcess,
    Limits,
    WorkerLostError,
    WorkerStoppedError,
)
from shapegan.pipeline.run.tasks import Task, do_isolated, prepare
from shapegan.pipeline.schema import MeshReport


@pytest.fixture(autouse=True)
def children_find_the_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture
def worker() -> Iterator[ChildProcess]:
    worker = ChildProcess(partial(prepare, TARGET))
    yield worker
    worker.stop()


def do(worker: ChildProcess, folder: Path, behaviour: str, limits: Limits) -> MeshReport:
    (folder / "parts").mkdir(exist_ok=True)
    job = make_jobs(folder, [behaviour])[0]
    return do_isolated(worker, Task(0, job, SMALL, folder, target=TARGET), limits)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_does_a_mesh_elsewhere_and_stores_its_part(worker: ChildProcess, tmp_path: Path) -> None:
    report = do(worker, tmp_path, "ok", Limits())
    assert report.status == "ok"
    assert read_report(tmp_path, 0) == report
    assert part_path(tmp_path, 0).is_file()


def test_one_process_serves_many_calls(worker: ChildProcess) -> None:
    pids = {worker.call(os.getpid) for _ in range(3)}
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
    worker: ChildProcess, tmp_path: Path, behaviour: str, reason: str
) -> None:
    report = do(worker, tmp_path, behaviour, Limits())
    assert (report.status, report.reason) == ("failed", reason)
    assert read_report(tmp_path, 0) == report
    assert do(worker, tmp_path, "ok", Limits()).status == "ok"


def test_a_mesh_that_hangs_with_the_interpreter_locked_fails(
    worker: ChildProcess, tmp_path: Path
) -> None:
    started = time.monotonic()
    report = do(worker, tmp_path, "hang", Limits(seconds=0.5))
    assert (report.status, report.reason) == ("failed", "took longer than 0.5 s, twice")
    assert time.monotonic() - started < 10


def test_a_mesh_that_wants_too_much_memory_fails(worker: ChildProcess, tmp_path: Path) -> None:
    report = do(worker, tmp_path, "hog", Limits(memory=0.4e9))
    assert (report.status, report.reason) == ("failed", "wanted more than 0.4 GB, twice")


def test_a_mesh_for_which_there_is_no_memory_fails(worker: ChildProcess, tmp_path: Path) -> None:
    report = do(worker, tmp_path, "more", Limits())
    assert (report.status, report.reason) == ("failed", "wanted more memory than there was, twice")


def test_an_error_is_one_line_with_its_place(worker: ChildProcess, tmp_path: Path) -> None:
    report = do(worker, tmp_path, "raise", Limits())
    assert report.status == "failed"
    assert report.reason.startswith("ZeroDivisionError: of the mesh (fakes.py:")
    assert "\n" not in report.reason


def test_a_mesh_that_dies_once_is_tried_again(worker: ChildProcess, tmp_path: Path) -> None:
    first = worker.call(os.getpid)
    report = do(worker, tmp_path, f"die SIGKILL {tmp_path / 'tried'}", Limits())
    assert report.status == "ok"
    assert worker.call(os.getpid) != first


def test_what_a_mesh_started_is_killed_with_it(worker: ChildProcess, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    do(worker, tmp_path, f"spawn {note}", Limits(seconds=1))
    pid = int(note.read_text())
    assert gone(pid)


def test_native_threads_are_pinned_to_one(worker: ChildProcess) -> None:
    assert worker.call(os.getenv, "OMP_NUM_THREADS") == "1"
    assert worker.call(os.getenv, "OPENBLAS_NUM_THREADS") == "1"


def test_the_child_ignores_ctrl_c(worker: ChildProcess) -> None:
    pid = worker.call(os.getpid)
    os.kill(pid, signal.SIGINT)
    time.sleep(0.2)
    assert worker.call(os.getpid) == pid
    assert worker.call(os.getsid, 0) == pid


def test_errors_of_the_function_come_through(worker: ChildProcess) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        worker.call(os.stat, "/no/such/file")
    assert "in a worker process" in caught.value.__notes__[0]
    assert worker.call(os.getpid)


def test_a_target_that_cannot_be_imported_is_an_error_of_the_run() -> None:
    worker = ChildProcess(partial(prepare, "no_such_module:process"))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        worker.call(os.getpid)
    worker.stop()


def test_a_child_that_cannot_start_shows_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "shapegan.pipeline.run.child_process._PROGRAM", "raise SystemExit('no luck')"
    )
    worker = ChildProcess(partial(prepare, TARGET))
    with pytest.raises(RuntimeError, match=r"cannot start, it ended by itself .* no luck"):
        worker.call(os.getpid)


def test_stop_from_another_thread_ends_a_call(worker: ChildProcess) -> None:
    worker.call(os.getpid)
    threading.Timer(0.3, worker.stop).start()
    started = time.monotonic()
    with pytest.raises(WorkerStoppedError):
        worker.call(time.sleep, 60)
    assert time.monotonic() - started < 5
    with pytest.raises(WorkerStoppedError):
        worker.call(os.getpid)


PARENT = """
import os, sys, time
from functools import partial
from shapegan.pipeline.run.child_process import ChildProcess
from shapegan.pipeline.run.tasks import prepare
worker = ChildProcess(partial(prepare, sys.argv[1]))
print(worker.call(os.getpid), flush=True)
worker.call(time.sleep, 100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a busy child with its parent")
def test_a_busy_child_does_not_outlive_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, TARGET], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(1)  # until it is busy; an idle one ends by itself
        assert not gone(child)
        parent.kill()
    deadline = time.monotonic() + 10
    while not gone(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(child)


def test_a_limit_that_is_broken_names_itself(worker: ChildProcess) -> None:
    with pytest.raises(WorkerLostError, match=r"^took longer than 0\.2 s$"):
        worker.call(time.sleep, 60, limits=Limits(seconds=0.2))

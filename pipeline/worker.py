"""Meshes done in a process that may die.

Native code crashes, hangs and eats memory, and meshes from the wild bring it out. So a mesh is
done in a child process, which is killed when it breaks a limit, and replaced when it is gone;
the mesh is tried once more in a fresh one, and is then recorded as failed.

Memory is limited by looking at the resident size ten times a second. An address space limit
(RLIMIT_AS) would be exact, but CUDA reserves far more addresses than memory and cannot start
under one. The price is that a mesh overshoots by what it can touch in a tenth of a second.
"""

import contextlib
import ctypes
import gc
import importlib
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import psutil

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.discover import Job
from shapegan.pipeline.parts import write_part
from shapegan.pipeline.schema import MeshReport, Outcome

TARGET = "shapegan.pipeline.process:process"
"""What makes a shape of a mesh: module and function of (job, config, device) -> Outcome."""

_GLANCE = 0.1
_PROGRAM = "import sys; from shapegan.pipeline.worker import serve; serve(*map(int, sys.argv[1:]))"
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Limits:
    """What one mesh may take."""

    seconds: float = 300.0
    """Wall clock."""
    memory: float = 8e9
    """Resident bytes of the process that does it."""


UNLIMITED = Limits(math.inf, math.inf)
_START = Limits(seconds=300.0, memory=math.inf)


@dataclass(frozen=True)
class Task:
    """One mesh to do, and where to put it."""

    number: int
    """Of the job, which decides shard and row."""
    job: Job
    config: PreprocessConfig
    out: Path
    device: str = "cpu"
    target: str = TARGET


class WorkerLostError(Exception):
    """The child died or had to be killed; the message says why, in plain words."""


class WorkerStoppedError(Exception):
    """The child was stopped on purpose while at work."""


# --- what is done, in whatever process -------------------------------------------------------


def do_task(task: Task) -> MeshReport:
    """Does a mesh and stores its part; an error in doing it is a `failed` report.

    Raises:
        OutputError: where the part cannot be written.
        MemoryError: where the mesh ran out of memory.
    """
    try:
        outcome = _resolve(task.target)(task.job, task.config, task.device)
    except MemoryError:
        raise
    except Exception as error:  # whatever a mesh brings out is its own failure
        outcome = Outcome(failure(task.job, _describe(error)))
    write_part(task.out, task.number, outcome, task.config)
    return outcome.report


def failure(job: Job, reason: str) -> MeshReport:
    """The report of a job that failed."""
    return MeshReport(job.id, job.category, job.relative, "failed", reason, split=job.split)


def _describe(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({place})"


def _resolve(target: str) -> Callable[[Job, PreprocessConfig, str], Outcome]:
    module, _, name = target.partition(":")
    found: Callable[[Job, PreprocessConfig, str], Outcome] = getattr(
        importlib.import_module(module), name
    )
    return found


def prepare(target: str = TARGET) -> None:
    """Imports what meshes need, so that the first one's time is its own.

    That makes more than a hundred thousand objects that stay. Python would look through them for
    garbage again and again meanwhile, a sixth of the time, and later with every full collection.
    """
    gc.disable()
    try:
        _resolve(target)
    finally:
        gc.freeze()
        gc.enable()


def do_isolated(worker: "Worker", task: Task, limits: Limits) -> MeshReport:
    """Does a mesh in a child process, at most twice.

    Raises:
        OutputError: where the part cannot be written.
        WorkerStoppedError: where the child was stopped.
    """
    reasons = []
    for _ in range(2):
        try:
            report: MeshReport = worker.call(do_task, task, limits=limits)
            return report
        except WorkerLostError as lost:
            reasons.append(str(lost))
    first, second = reasons
    reason = f"{first}, twice" if first == second else f"{first}, then {second}"
    report = failure(task.job, reason)
    write_part(task.out, task.number, Outcome(report), task.config)
    return report


# --- the child, seen from its parent ---------------------------------------------------------


@dataclass
class Worker:
    """A child process that is started when needed and runs one function at a time.

    It lives in a session of its own, so that Ctrl-C in a terminal does not reach it and all that
    it started can be killed with it. On Linux it dies with the thread that started it. What it
    prints is kept until it ends, to be shown if it cannot start.
    """

    target: str = TARGET
    _process: subprocess.Popen[bytes] | None = None
    _connection: Connection | None = None
    _output: Any = None
    _last_words: str = ""
    _busy: bool = False
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, function: Callable[..., Any], *args: Any, limits: Limits = UNLIMITED) -> Any:
        """Runs a function of some module in the child and gives its result.

        Raises:
            WorkerLostError: where the child died, or was killed for breaking a limit.
            WorkerStoppedError: where `stop` was called.
            RuntimeError: where the child cannot start.
            Exception: whatever the function raised.
        """
        self._busy = True
        try:
            if self._process is None:
                self._start()
            return self._exchange(function, args, limits)
        finally:
            with self._lock:
                self._busy = False
                if self._stopped:
                    self._tidy()

    def stop(self) -> None:
        """Kills the child, even from another thread; it will not be started again."""
        with self._lock:
            self._stopped = True
            self._kill()
            if not self._busy:  # else the thread that waits for the answer tidies up
                self._tidy()

    def _start(self) -> None:
        with self._lock:
            if self._stopped:
                raise WorkerStoppedError
            self._connection, theirs = Pipe()
            self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end
            with theirs:
                handle = theirs.fileno()
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                    [sys.executable, "-P", "-c", _PROGRAM, str(handle), str(os.getpid())],
                    pass_fds=[handle],
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=self._output,
                    env=os.environ | {f"{name}_NUM_THREADS": "1" for name in _THREADS},
                    start_new_session=True,
                )
        try:
            self._exchange(prepare, (self.target,), _START)
        except WorkerLostError as lost:
            raise RuntimeError(
                f"a worker process cannot start, it {lost}: {self._last_words}"
            ) from lost

    def _exchange(self, function: Callable[..., Any], args: tuple[Any, ...], limits: Limits) -> Any:
        connection = self._connection
        assert connection is not None
        deadline = time.monotonic() + limits.seconds
        try:
            connection.send((function, args))
            while not connection.poll(_GLANCE):
                if time.monotonic() > deadline:
                    raise self._lost(f"took longer than {limits.seconds:g} s")
                if self._memory() > limits.memory:
                    raise self._lost(f"wanted more than {limits.memory / 1e9:.1f} GB")
            succeeded, value = connection.recv()
        except (EOFError, OSError):
            raise self._lost(None) from None
        if succeeded:
            return value
        if isinstance(value, MemoryError):
            raise self._lost("wanted more memory than there was")
        raise value

    def _memory(self) -> int:
        assert self._process is not None
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0  # it is dying, which the connection will say

    def _lost(self, reason: str | None) -> Exception:
        """Ends the child; without a reason, how it died is the reason."""
        code = self._end()
        if self._stopped:
            return WorkerStoppedError()
        return WorkerLostError(reason or _cause_of_death(code))

    def _end(self) -> int | None:
        with self._lock:
            code = self._kill()
            self._tidy()
            return code

    def _kill(self) -> int | None:
        """Kills the child with all that it started; gives its exit code."""
        if self._process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=5)
        return None

    def _tidy(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._output.seek(0)
            self._last_words = self._output.read()[-500:].decode(errors="replace").strip()
            self._output.close()
        self._process = self._connection = self._output = None


def _cause_of_death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended by itself with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
    return f"crashed with {name}{hint}"


# --- the child, seen from within -------------------------------------------------------------


def serve(handle: int, parent: int) -> None:
    """Main program of the child: runs what comes through the connection until it closes.

    Args:
        handle: Of the connection.
        parent: Process id of who started the child.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent(parent)
    with Connection(handle) as connection:
        while True:
            try:
                request = connection.recv_bytes()
            except (EOFError, OSError):
                return
            connection.send_bytes(_answer(request))


def _die_with_parent(parent: int) -> None:
    if sys.platform != "linux":
        return  # elsewhere it ends when it next looks at the connection
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended")
    with contextlib.suppress(PermissionError):
        # If the system's memory runs out, the mesh should go, not the run.
        Path("/proc/self/oom_score_adj").write_text("1000")


def _answer(request: bytes) -> bytes:
    try:
        function, args = pickle.loads(request)  # noqa: S301 - from our own parent
        return pickle.dumps((True, function(*args)))
    except Exception as error:  # the parent raises it
        error.add_note("in a worker process:\n" + traceback.format_exc())
        return _pickled(error)


def _pickled(error: Exception) -> bytes:
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)  # noqa: S301 - some errors only fail here
    except Exception:  # any class of exception may have any trouble
        return pickle.dumps((False, RuntimeError(traceback.format_exc())))
    return answer

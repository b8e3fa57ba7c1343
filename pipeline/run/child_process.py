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

_GLANCE = 0.1
_PROGRAM = (
    "import sys; from shapegan.pipeline.run.child_process import serve;"
    " serve(*map(int, sys.argv[1:]))"
)
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


class WorkerLostError(Exception):
    """The child died or had to be killed; the message says why, in plain words."""


class WorkerStoppedError(Exception):
    """The child was stopped on purpose while at work."""


@dataclass
class ChildProcess:
    """A child process that is started when needed and runs one function at a time.

    It lives in a session of its own, so that Ctrl-C in a terminal does not reach it and all that
    it started can be killed with it. On Linux it dies with the thread that started it. What it
    prints is kept until it ends, to be shown if it cannot start.
    """

    warm_up: Callable[[], object]
    """Run in the child before its first call, so that no mesh pays for imports."""
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
            self._exchange(self.warm_up, (), _START)
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

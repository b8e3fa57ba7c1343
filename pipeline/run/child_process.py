"""A child process that runs functions, with limits, and may die.

Native code crashes, hangs and exhausts memory on some meshes. So meshes are processed in child
processes: a child that exceeds a limit is killed, and a lost child is replaced.

Memory is limited by reading the resident size ten times a second. A limit on the address space
(RLIMIT_AS) would be exact, but CUDA reserves far more addresses than memory and cannot start under
one. So a mesh may exceed its limit by what it can allocate in a tenth of a second.
"""

import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any

import psutil

from shapegan.pipeline.warp_runtime import GpuError

_POLL_SECONDS = 0.1
_PROGRAM = (
    "import sys; from shapegan.pipeline.run.child_server import serve;"
    " serve(*map(int, sys.argv[1:]))"
)
_THREAD_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")
"""Prefixes of the environment variables that limit native threads."""


@dataclass(frozen=True)
class Limits:
    """Limits of one call, for instance of one mesh."""

    seconds: float = 300.0
    """Wall-clock time."""
    memory: float = 8e9
    """Resident bytes of the child process."""


UNLIMITED = Limits(math.inf, math.inf)
_WARM_UP_LIMITS = Limits(seconds=300.0, memory=math.inf)


class ChildLostError(Exception):
    """The child died or had to be killed; the message is the reason."""


class ChildStoppedError(Exception):
    """The child was stopped on purpose."""


@dataclass
class ChildProcess:
    """A child process that starts when needed and runs one function at a time.

    It has its own session, so Ctrl-C in a terminal does not reach it, and all processes that it
    started can be killed with it. On Linux it dies with the thread that started it. Its output is
    kept until it ends, and is shown if it cannot start.
    """

    warm_up: Callable[[], object]
    """Run in the child before its first call, so that no mesh pays for imports."""
    _process: subprocess.Popen[bytes] | None = None
    _connection: Connection | None = None
    _output: Any = None
    _last_output: str = ""
    _busy: bool = False
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, function: Callable[..., Any], *args: Any, limits: Limits = UNLIMITED) -> Any:
        """Run a module's function in the child and return its result.

        Raises:
            ChildLostError: the child died, or was killed for exceeding a limit.
            ChildStoppedError: `stop` was called.
            RuntimeError: the child cannot start.
            Exception: any exception of the function.
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
                    self._close()

    def stop(self) -> None:
        """Kill the child, even from another thread; it is not started again."""
        with self._lock:
            self._stopped = True
            self._kill()
            if not self._busy:  # otherwise the thread that waits for the result closes
                self._close()

    def _start(self) -> None:
        """Start the child and run `warm_up` in it."""
        with self._lock:
            if self._stopped:
                raise ChildStoppedError
            self._connection, other_end = Pipe()
            self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _close
            with other_end:
                handle = other_end.fileno()
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                    [sys.executable, "-P", "-c", _PROGRAM, str(handle), str(os.getpid())],
                    pass_fds=[handle],
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=self._output,
                    env=os.environ | {f"{name}_NUM_THREADS": "1" for name in _THREAD_LIBRARIES},
                    start_new_session=True,
                )
        try:
            self._exchange(self.warm_up, (), _WARM_UP_LIMITS)
        except ChildLostError as lost:
            raise RuntimeError(
                f"a child process cannot start, it {lost}: {self._last_output}"
            ) from lost

    def _exchange(self, function: Callable[..., Any], args: tuple[Any, ...], limits: Limits) -> Any:
        """Send a call, watch the limits, and return the result."""
        connection = self._connection
        assert connection is not None
        deadline = time.monotonic() + limits.seconds
        try:
            connection.send((function, args))
            while not connection.poll(_POLL_SECONDS):
                if time.monotonic() > deadline:
                    raise self._end(f"took longer than {limits.seconds:g} s")
                if self._memory() > limits.memory:
                    raise self._end(f"used more than {limits.memory / 1e9:.1f} GB")
            succeeded, value = connection.recv()
        except (EOFError, OSError):
            raise self._end(None) from None
        if succeeded:
            return value
        if isinstance(value, MemoryError):
            raise self._end("ran out of memory")
        if isinstance(value, GpuError):
            raise self._end(str(value))
        raise value

    def _memory(self) -> int:
        """Resident bytes of the child."""
        assert self._process is not None
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0  # the child is dying; the connection will close

    def _end(self, reason: str | None) -> Exception:
        """Kill and close the child; return the error to raise.

        Args:
            reason: Why the child is killed; None if it died, which gives its exit status.
        """
        with self._lock:
            code = self._kill()
            self._close()
        if self._stopped:
            return ChildStoppedError()
        return ChildLostError(reason or _describe_exit(code))

    def _kill(self) -> int | None:
        """Kill the child and all that it started; return its exit code."""
        if self._process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=5)
        return None

    def _close(self) -> None:
        """Close the connection, and keep the end of the child's output."""
        if self._connection is not None:
            self._connection.close()
            self._output.seek(0)
            self._last_output = self._output.read()[-500:].decode(errors="replace").strip()
            self._output.close()
        self._process = self._connection = self._output = None


def _describe_exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended by itself with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
    return f"crashed with {name}{hint}"

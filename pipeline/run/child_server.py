"""The main program of a child process: it runs the functions that its parent sends."""

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

_PR_SET_PDEATHSIG = 1
"""prctl's option for the signal that a process gets when its parent ends."""


def serve(handle: int, parent: int) -> None:
    """Run what the connection receives, until it closes.

    Args:
        handle: File descriptor of the connection.
        parent: Process id of the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent(parent)
    with Connection(handle) as connection:
        while True:
            try:
                request = connection.recv_bytes()
            except (EOFError, OSError):
                return
            connection.send_bytes(_respond(request))


def _die_with_parent(parent: int) -> None:
    if sys.platform != "linux":
        return  # the child ends when it next reads from the connection
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended")
    with contextlib.suppress(PermissionError):
        # If the system runs out of memory, it should kill the mesh, not the run.
        Path("/proc/self/oom_score_adj").write_text("1000")


def _respond(request: bytes) -> bytes:
    """Call a pickled (function, arguments); return a pickled (succeeded, result or exception)."""
    try:
        function, args = pickle.loads(request)  # noqa: S301 - from our own parent
        return pickle.dumps((True, function(*args)))
    except Exception as error:  # the parent raises it
        error.add_note("in a child process:\n" + traceback.format_exc())
        return _pickle_error(error)


def _pickle_error(error: Exception) -> bytes:
    try:
        response = pickle.dumps((False, error))
        pickle.loads(response)  # noqa: S301 - some errors fail only here
    except Exception:  # a class of exceptions may fail to pickle in any way
        return pickle.dumps((False, RuntimeError(traceback.format_exc())))
    return response

"""Starts Warp without a word: what a program prints is its own."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

import warp as wp


def start_warp() -> None:
    """Starts Warp, unless it has been; without a GPU it would say so each time.

    Who asks for a GPU is told by `shapegan.pipeline.devices` that there is none.
    """
    wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)
    with contextlib.nullcontext() if _has_driver() else _silent_stderr():
        wp.init()


def _has_driver() -> bool:
    """Whether there is CUDA's driver, by the names that Warp looks for."""
    for name in ("libcuda.so", "libcuda.so.1"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Turns the file descriptor aside: the words come from a library in C."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

"""Starting Warp quietly, and checking that a device exists."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from shapegan.pipeline.errors import PlainError


class NoDeviceError(PlainError, RuntimeError):
    """This machine lacks the device; the message is one line with what to do."""


def start_warp() -> None:
    """Starts Warp, unless it has been; without a GPU it would say so each time.

    Who asks for a GPU is told by `shapegan.pipeline.warp_runtime` that there is none.
    """
    # Loading Warp takes a second, which the driver of a run need not spend.
    import warp as wp

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


def has_device(device: str) -> bool:
    """Whether Warp can use a device here: `cpu` or `cuda`."""
    if device == "cpu":
        return True
    import warp as wp

    start_warp()
    return bool(wp.is_cuda_available())


def check_device(device: str) -> None:
    """Sees to it that there is a device: better told before the work than mesh by mesh.

    Raises:
        NoDeviceError: if there is none.
    """
    if not has_device(device):
        raise NoDeviceError(
            f"device {device}: no GPU that CUDA can use was found here; take --device cpu, or see"
            " to the NVIDIA driver"
        )

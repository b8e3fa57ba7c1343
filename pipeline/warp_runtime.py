"""Quiet start of Warp, and checks that a device exists."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from shapegan.pipeline.errors import PlainError


class NoDeviceError(PlainError, RuntimeError):
    """The machine lacks the device. The message is one line that says what to do."""


class GpuError(RuntimeError):
    """The GPU has failed, and this process can't use it any more; a fresh one may."""


def start_warp() -> None:
    """Start Warp without output, unless it is running.

    By itself, Warp warns at each start on a machine without a GPU. `check_device` reports a missing
    GPU to those who request one.
    """
    # Importing Warp takes a second, which the driver of a run need not spend.
    import warp as wp

    wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)
    with contextlib.nullcontext() if _has_driver() else _silent_stderr():
        wp.init()


def _has_driver() -> bool:
    """Return whether the CUDA driver can be loaded, under the names that Warp tries."""
    for name in ("libcuda.so", "libcuda.so.1"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Redirect file descriptor 2 to nowhere: the warning comes from a C library."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def has_device(device: str) -> bool:
    """Return whether Warp can use a device, `cpu`, `cuda` or `cuda:N`, on this machine."""
    return device == "cpu" or int(device.partition(":")[2] or 0) < _gpu_count()


def devices_to_share(device: str) -> tuple[str, ...]:
    """All devices that a name stands for: each GPU for `cuda`, otherwise the device itself."""
    if device != "cuda":
        return (device,)
    return tuple(f"cuda:{number}" for number in range(_gpu_count()))


def _gpu_count() -> int:
    """Number of GPUs that Warp can use; a machine without a driver has none."""
    import warp as wp

    start_warp()
    return int(wp.get_cuda_device_count())


def check_device(device: str) -> None:
    """Check that a device exists, before any work instead of at each mesh.

    Raises:
        NoDeviceError: it does not exist.
    """
    if has_device(device):
        return
    if found := devices_to_share("cuda"):
        raise NoDeviceError(f"device {device}: this machine has {', '.join(found)}")
    raise NoDeviceError(
        f"device {device}: found no GPU that CUDA can use; choose --device cpu, or check the"
        " NVIDIA driver"
    )

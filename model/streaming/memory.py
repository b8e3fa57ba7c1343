"""Choice of the memory that keeps a stream's shapes."""

from pathlib import Path

import psutil
import torch
from torch import Tensor

from shapegan.model.streaming.batches import StreamConfig, StreamError

PINS = ("auto", "none", "ram", "device")
_AUTO_SHARE = 0.25
"""Share of the free memory that `auto` takes."""
_AUTO_BYTES = 8 * 2**30
"""Largest data that `auto` keeps: it is read before the first step, within about a minute."""
_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Memory limit of a container."""


def stored_bytes(config: StreamConfig, shapes: int, stored: int) -> int:
    """Bytes of all fields that a stream reads, as stored.

    Args:
        config: Settings of the stream.
        shapes: Shapes in the split.
        stored: Points per shape and set in the dataset.
    """
    if config.kind == "voxels":
        return shapes * config.size**3 * 2 * (2 if config.thin_parts else 1)
    return shapes * stored * (len(config.sets) * (3 * 2 + 2) + (2 if config.thin_parts else 0))


def placement(pin: str, needed: int, device: torch.device, world: int) -> str:
    """Choose where to keep `needed` bytes: `none` (on disk), `ram` or `device`.

    Args:
        pin: One of `PINS`; `auto` leaves room for training.
        needed: Bytes.
        device: Device of the batches; the CPU's memory is the RAM.
        world: Processes that may share the RAM, each with its own copy.

    Raises:
        StreamError: the memory that `pin` names is too small.
    """
    if pin not in PINS:
        raise StreamError(f"pin: got {pin}, takes {' or '.join(PINS)}")
    if pin == "none":
        return pin
    if pin == "device" and device.type == "cpu":
        pin = "ram"
    if pin != "auto":
        _check_fits(pin, needed, free_device(device) if pin == "device" else free_ram() // world)
        return pin
    if needed <= min(free_device(device) * _AUTO_SHARE, _AUTO_BYTES):
        return "device"
    return "ram" if needed <= min(free_ram() // world * _AUTO_SHARE, _AUTO_BYTES) else "none"


def moved(values: Tensor, device: torch.device) -> Tensor:
    """Move values to a device, without waiting for what a GPU is still doing."""
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def _check_fits(pin: str, needed: int, free: int) -> None:
    if needed > free:
        raise StreamError(
            f"pin {pin}: the stream's shapes take {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are"
            " free: use pin auto or none"
        )


def free_device(device: torch.device) -> int:
    """Free bytes of a CUDA device; 0 for any other device."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


def free_ram() -> int:
    """Free bytes of RAM, within the limit of a container."""
    free = int(psutil.virtual_memory().available)
    limit = _LIMIT.read_text().strip() if _LIMIT.is_file() else "max"
    if limit == "max":
        return free
    return max(0, min(free, int(limit) - int(psutil.Process().memory_info().rss)))

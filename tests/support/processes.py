"""Processes of a run: waiting for them, and whether they live."""

import time
from collections.abc import Callable

import psutil


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a condition holds; fail after a while."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Processes that run, zombies excluded."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

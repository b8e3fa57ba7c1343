"""Number of CPU threads of a training: measured, and recorded in the run's folder.

Two threads on a machine with one free core wait for each other, and can take ten times as long as
one. So the number is measured rather than taken from the machine. Sums by more threads round
differently, so a resumed run keeps its number.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from shapegan.model.distributed import Ranks
from shapegan.model.training.run_folder import RunFolder
from shapegan.model.training.settings import TrainSettings

_CGROUP = Path("/sys/fs/cgroup")
_SECONDS = 1.2
"""No further number is tried after this time, so that the choice takes at most about two."""
_REPEATS = 5
_GAIN = 0.9
"""More threads must take less than this share of the time: less is noise."""
_POINTS, _WIDTH = 1024, 128


@contextmanager
def training_threads(
    settings: TrainSettings, folder: RunFolder, ranks: Ranks, note: Callable[[str], None]
) -> Iterator[int | None]:
    """Set torch's number of threads for a training, and restore it afterwards.

    Yields:
        The number, or None if torch's own number stays.

    Raises:
        RunFolderError: the folder's record cannot be read.
    """
    before = torch.get_num_threads()
    number = _choose(settings, folder, ranks, note)
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield number
    finally:
        torch.set_num_threads(before)


def _choose(
    settings: TrainSettings, folder: RunFolder, ranks: Ranks, note: Callable[[str], None]
) -> int | None:
    """Number that the settings, the run's folder or a measurement give, in this order."""
    if settings.threads == "keep":
        return None
    if isinstance(settings.threads, int):
        return settings.threads
    cores = max(1, allowed_cores() // ranks.local_world)
    # 1. All processes take what the main one reads.
    recorded = torch.tensor(folder.recorded_threads() or 0 if ranks.is_main else 0)
    ranks.broadcast_tensor(recorded)
    if number := int(recorded):
        if number > cores:
            note(
                f"the run began with {number} threads, and {cores} can be used now: it keeps its"
                f" number, for the same sums; --threads {cores} may be faster"
            )
        return number
    if ranks.device.type != "cpu":
        return None
    if cores == 1:
        return 1
    # 2. All measure at the same time, as they will train, and take the main one's choice.
    number, why = fastest_threads(proxy_step(), cores)
    chosen = torch.tensor(number)
    ranks.broadcast_tensor(chosen)
    note(f"{why}; --threads N chooses another number")
    return int(chosen)


def fastest_threads(
    step: Callable[[], None], cores: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[int, str]:
    """Number of threads with which a step is fastest, and a line that says why.

    Args:
        step: Work like that of a training step.
        cores: Largest number to try, above 1, besides powers of two below it.
        clock: In seconds.
    """
    before, began = torch.get_num_threads(), clock()
    found: dict[int, float] = {}
    for number in [*(1 << bit for bit in range((cores - 1).bit_length())), cores]:
        if found and clock() - began > _SECONDS:
            break
        torch.set_num_threads(number)
        found[number] = _step_seconds(step, clock, min(found.values(), default=float("inf")))
    torch.set_num_threads(before)
    best = 1
    for number, seconds in found.items():
        best = number if seconds < _GAIN * found[best] else best
    times = ", ".join(f"{1000 * one:.3g} ms with {number}" for number, one in found.items())
    return best, f"{best} of {cores} possible threads: a test step takes {times}"


def _step_seconds(step: Callable[[], None], clock: Callable[[], float], best: float) -> float:
    """Median time of a step after a first one; fewer if they are far slower than `best`."""
    longest = min(_REPEATS * best, _SECONDS / 4)
    start = clock()
    step()
    first = clock() - start
    if first > longest:
        return first
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < longest:
        start = clock()
        step()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def proxy_step() -> Callable[[], None]:
    """A step that stands for training: fully connected layers, there and back."""
    layers = nn.Sequential(*(nn.Linear(_WIDTH, _WIDTH) for _ in range(3)))
    points = torch.ones(_POINTS, _WIDTH)

    def step() -> None:
        layers(points).relu().sum().backward()

    return step


def allowed_cores(cgroup: Path = _CGROUP, environment: Mapping[str, str] = os.environ) -> int:
    """Cores that this process may use: by affinity, a container's quota and OMP_NUM_THREADS.

    torchrun sets OMP_NUM_THREADS itself, so it does not count for several processes.

    Args:
        cgroup: Folder of the container's limits, version 1 or 2.
        environment: Variables of the process.
    """
    cores = len(os.sched_getaffinity(0))
    quota, period = _quota(cgroup)
    if quota > 0:
        cores = min(cores, max(1, round(quota / period)))
    given = environment.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0 and int(environment.get("WORLD_SIZE", 1)) == 1:
        cores = min(cores, int(given))
    return cores


def _quota(cgroup: Path) -> tuple[float, float]:
    """A container's CPU time and its period, in the same unit; a time of 0 is no limit."""
    one, two = cgroup / "cpu" / "cpu.cfs_quota_us", cgroup / "cpu.max"
    if two.exists():
        quota, period = two.read_text().split()
        return (0.0, 1.0) if quota == "max" else (float(quota), float(period))
    if one.exists():
        return float(one.read_text()), float(one.with_name("cpu.cfs_period_us").read_text())
    return 0.0, 1.0

"""Pools of Dask workers: the one module that imports Dask.

Dask decides which thread does what; each of its threads owns one child process
(`shapegan.pipeline.run.child_process`), so a mesh that crashes takes no Dask worker with it.
"""

# mypy: allow-untyped-calls
# (much of distributed has no types)

import contextlib
import logging
import math
import os
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any

import dask
import psutil
from dask.system import CPU_COUNT
from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    WorkerPlugin,
    as_completed,
    get_worker,
)
from distributed.system import MEMORY_LIMIT
from distributed.utils import silence_logging_cmgr

from shapegan import __version__
from shapegan.pipeline.dataset.staging import ShardRecord, finish_shard
from shapegan.pipeline.run.child_process import ChildProcess, WorkerStoppedError
from shapegan.pipeline.run.local_pool import RunError, record_failure
from shapegan.pipeline.run.plan import Join, ProgressReporter, RunSettings
from shapegan.pipeline.run.tasks import Task, do_isolated, prepare
from shapegan.pipeline.schema import MeshReport
from shapegan.pipeline.warp_runtime import has_device

_CONNECT_SECONDS = 20
_WORKER_MEMORY = 1e9
"""Bytes that a worker needs for an ordinary mesh, with room to spare."""
_REMOTE_WINDOW = 2000
"""Meshes that a cluster of any size has in hand or waiting; a few kilobytes each."""
_PREFIX = "shapegan-"
"""Of the keys under which Dask knows our calls."""
_QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": "500ms",
}
"""Dask looks at itself a hundred times a second, which costs a twentieth of a core for nobody."""
_NOBODY = "no Dask worker, waiting for one"


def default_workers() -> tuple[int, str]:
    """Processes that this machine has cores and memory for, and a note if memory decides.

    Containers' limits count as the machine's.
    """
    cores = int(CPU_COUNT)
    memory = min(psutil.virtual_memory().available, MEMORY_LIMIT)
    fitting = max(1, int(memory // _WORKER_MEMORY))
    if fitting >= cores:
        return cores, ""
    return fitting, f"{memory / 1e9:.1f} GB of memory are free: {fitting} workers on {cores} cores"


@contextlib.contextmanager
def open_dask_pool(
    settings: RunSettings, out: Path, progress: ProgressReporter
) -> Iterator["DaskPool"]:
    """Connect to the workers that the settings name, and give each of them child processes.

    Raises:
        RunError: where the workers cannot be had.
    """
    with contextlib.ExitStack() as stack:
        address, window = stack.enter_context(_cluster(settings))
        client = stack.enter_context(_connected(address))
        name = stack.enter_context(_children(client, settings, out))
        if settings.scheduler is not None or settings.cluster is not None:
            stack.enter_context(_company(client, progress))
        yield DaskPool(client, name, window)


class DaskPool:
    """Dask's workers, here or elsewhere."""

    def __init__(self, client: Client, children: str, window: int) -> None:
        self.window = window
        self._client = client
        self._children = children
        self._calls: dict[Any, Task | Join] = {}
        self._futures = as_completed(loop=client.loop)

    def submit(self, call: Task | Join) -> None:
        """Queue a call; joins go before meshes."""
        first = 1 if isinstance(call, Join) else 0
        future = self._client.submit(
            _do_there, call, self._children, key=f"{_PREFIX}{uuid.uuid4().hex}", priority=first
        )
        self._calls[future.key] = call
        self._futures.add(future)

    def answers(self) -> Iterator[tuple[Task | Join, Any]]:
        """Yield calls with their results as they complete."""
        for future in self._futures:
            call = self._calls.pop(future.key)
            yield call, self._answer(call, future)

    def _answer(self, call: Task | Join, future: Future[Any]) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            if isinstance(call, Join):
                raise RunError(f"Dask workers died over shard {call.index}: {error}") from error
            return record_failure(call, "the Dask workers that tried it died")
        except CancelledError as error:
            raise RunError("lost the Dask scheduler; the same command resumes") from error


def _do_there(call: Task | Join, name: str) -> MeshReport | ShardRecord:
    """What a thread of a Dask worker does: it has its child do it."""
    children: Any = get_worker().plugins[name]
    answer: MeshReport | ShardRecord = children.do(call)
    return answer


class _Children(WorkerPlugin):
    """The child processes of a Dask worker, one for each of its threads."""

    def __init__(self, name: str, settings: RunSettings, out: Path) -> None:
        self.name = name
        self._target, self._limits = settings.target, settings.limits
        self._device = settings.device
        self._out = out
        self._version = __version__

    def setup(self, worker: Any) -> None:
        self._children: dict[int, ChildProcess] = {}
        self._stopped = False
        self._refusal = self._refused(worker.address)

    def _refused(self, address: str) -> str:
        """Why this worker would write elsewhere, other bytes, or nothing; empty if it would not."""
        if __version__ != self._version:  # here, and in the process of the command
            return f"{address} has shapegan {__version__}, the command {self._version}"
        if not os.access(self._out, os.W_OK):
            return f"{address} cannot write to {self._out}: --out has to be on a shared file system"
        if not has_device(self._device):
            return (
                f"{address} finds no device {self._device}: take --device cpu, or workers on GPUs"
            )
        return ""

    def teardown(self, worker: Any) -> None:  # noqa: ARG002 - Dask's signature
        self._stopped = True
        for child in list(self._children.values()):
            child.stop()

    def do(self, call: Task | Join) -> MeshReport | ShardRecord:
        if self._stopped:
            raise WorkerStoppedError
        if self._refusal:
            raise RunError(self._refusal)
        child = self._children.setdefault(
            threading.get_ident(), ChildProcess(partial(prepare, self._target))
        )
        if isinstance(call, Task):
            return do_isolated(child, call, self._limits)
        record: ShardRecord = child.call(finish_shard, call.out, call.index, call.jobs, call.config)
        return record


@contextlib.contextmanager
def _children(client: Client, settings: RunSettings, out: Path) -> Iterator[str]:
    """Gives all Dask workers children, also those that come later, and ends them at the end."""
    name = f"shapegan-{uuid.uuid4().hex}"
    client.register_plugin(_Children(name, settings, out))
    try:
        yield name
    finally:
        # Workers that lose their scheduler end, and their children with them.
        if client.status == "running":
            client.unregister_worker_plugin(name)


@contextlib.contextmanager
def _company(client: Client, progress: ProgressReporter) -> Iterator[None]:
    """Tells which Dask workers come and go."""
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    progress.note(f"{count} Dask workers" if count else _NOBODY)
    company = _Company(progress, count)
    client.subscribe_topic("all", company.hear)
    try:
        yield
    finally:
        company.over = True
        if client.status == "running":
            client.unsubscribe_topic("all")


class _Company:
    """The workers that a scheduler has, as its events tell."""

    def __init__(self, progress: ProgressReporter, count: int) -> None:
        self._progress = progress
        self._count = count
        self.over = False

    def hear(self, event: tuple[float, Any]) -> None:
        """One event of the topic `all`: its time, and what happened."""
        _, what = event
        action = what.get("action") if isinstance(what, dict) else None
        if self.over or action not in ("add-worker", "remove-worker"):
            return
        worker = what["worker"]
        if action == "add-worker":
            self._count += 1
            self._progress.note(f"Dask worker {worker} has joined: {self._count} now")
            return
        self._count -= 1
        calls = len([key for key in what["processing-tasks"] if key.startswith(_PREFIX)])
        left = f"{self._count} now" if self._count else _NOBODY
        how = "has left" if what["expected"] else "is lost"
        self._progress.note(
            f"Dask worker {worker} {how}, what it had in hand goes to others ({calls}): {left}"
        )


@contextlib.contextmanager
def _cluster(settings: RunSettings) -> Iterator[tuple[Any, int]]:
    """Gives what a Dask client connects to, and how many meshes to have in hand."""
    if settings.scheduler is not None:
        yield settings.scheduler, _REMOTE_WINDOW
    elif settings.cluster is not None:
        with _slurm(settings) as cluster:
            yield cluster, _REMOTE_WINDOW
    else:
        # One Dask worker in this process: its threads only wait for their children, so more
        # processes would cost memory and give nothing.
        with (
            dask.config.set(_QUIET),
            LocalCluster(
                n_workers=1,
                threads_per_worker=settings.workers,
                processes=False,
                memory_limit=0,
                dashboard_address=None,
                # Even without a dashboard there is a page of metrics: at any port that is free.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            ) as cluster,
        ):
            yield cluster, 2 * settings.workers + 2


def _slurm(settings: RunSettings) -> Any:
    """A SLURM job for each worker; queue, account and walltime come from Dask's own config."""
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise RunError(
            "--cluster slurm needs dask-jobqueue: pip install 'shapegan[cluster]'"
        ) from error
    gigabytes = math.ceil(settings.limits.memory / 1e9) + 2
    configured = dask.config.get("jobqueue.slurm")
    asked = {"cores": 1, "processes": 1, "memory": f"{gigabytes}GB"}
    missing: Any = {name: value for name, value in asked.items() if configured.get(name) is None}
    cluster = SLURMCluster(**missing)
    jobs = max(1, settings.workers)
    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # replaces jobs whose time is up
    return cluster


@contextlib.contextmanager
def _connected(address: Any) -> Iterator[Client]:
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(f"cannot reach the Dask scheduler {address}: {error}") from error
    # Who loses a scheduler or a worker is told so in a line; Dask would print its stack for it.
    with silence_logging_cmgr(logging.CRITICAL), client:
        yield client

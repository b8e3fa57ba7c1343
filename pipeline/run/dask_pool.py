"""A pool of Dask workers: the only module that imports Dask.

Dask assigns tasks to threads. Each thread owns one child process (see
`shapegan.pipeline.run.isolation`), so a mesh that crashes does not take a Dask worker with it.
"""

# mypy: allow-untyped-calls
# (much of distributed has no types)

import contextlib
import logging
import math
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
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
from shapegan.pipeline.extras import naming_extras
from shapegan.pipeline.run.held_signals import hold_interrupts
from shapegan.pipeline.run.isolation import ChildProcesses
from shapegan.pipeline.run.plan import ProgressReporter, RunSettings
from shapegan.pipeline.run.pool import RunError
from shapegan.pipeline.run.tasks import MeshTask, Task
from shapegan.pipeline.run.worker_events import WorkerEvents
from shapegan.pipeline.warp_runtime import devices_to_share, has_device

_CONNECT_SECONDS = 20
_WORKER_MEMORY = 1e9
"""Bytes that a worker needs for an ordinary mesh, with a margin."""
_REMOTE_WINDOW = 2000
"""Tasks to submit ahead on a cluster of any size; each takes a few kilobytes."""
_KEY_PREFIX = "shapegan-"
"""Prefix of the keys of our tasks in Dask."""
_LOCAL_CONFIG = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": "500ms",
}
"""Turns off Dask's profilers: they sample at 100 Hz and take about 5 % of a core."""


def default_workers() -> tuple[int, str]:
    """Number of processes for this machine's cores and memory, and a note if memory decides.

    The limits of a container count as the machine's.
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
        RunError: the workers cannot be started or reached.
    """
    with contextlib.ExitStack() as stack:
        address, window = stack.enter_context(_open_cluster(settings))
        client = stack.enter_context(_connect(address))
        plugin = stack.enter_context(_child_processes(client, settings, out))
        if settings.scheduler is not None or settings.cluster is not None:
            stack.enter_context(_worker_events(client, progress))
        yield DaskPool(client, plugin, window)


class DaskPool:
    """Implements `shapegan.pipeline.run.pool.Pool` with Dask workers, here or on other machines.

    Args:
        client: Client of the scheduler.
        plugin: Name of the workers' `ChildProcessPlugin`.
        window: Number of tasks to submit ahead of their results.
    """

    def __init__(self, client: Client, plugin: str, window: int) -> None:
        self.window = window
        self._client = client
        self._plugin = plugin
        self._tasks: dict[Any, Task] = {}
        self._futures = as_completed(loop=client.loop)

    def submit(self, task: Task) -> None:
        """Queue a task; meshes run after all others."""
        priority = 0 if isinstance(task, MeshTask) else 1
        key = f"{_KEY_PREFIX}{uuid.uuid4().hex}"
        with hold_interrupts():  # half a future would print a traceback when it is deleted
            future = self._client.submit(
                _run_on_worker, task, self._plugin, key=key, priority=priority
            )
        self._tasks[future.key] = task
        self._futures.add(future)

    def results(self) -> Iterator[tuple[Task, Any]]:
        """Yield tasks with their results as they complete."""
        for future in self._futures:
            task = self._tasks.pop(future.key)
            yield task, self._result(task, future)

    def _result(self, task: Task, future: Future[Any]) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            if not isinstance(task, MeshTask):
                raise RunError(f"Dask workers died over {task.name}: {error}") from error
            return task.store_failure("the Dask workers that tried it died")
        except CancelledError as error:
            raise RunError("lost the Dask scheduler; the same command resumes") from error


def _run_on_worker(task: Task, plugin: str) -> Any:
    """Run a task in a thread of a Dask worker."""
    children: Any = get_worker().plugins[plugin]
    return children.run(task)


class ChildProcessPlugin(WorkerPlugin):
    """The child processes of a Dask worker, unless the worker is unfit for the run.

    Args:
        name: Name of the plugin, unique to the run.
        settings: Settings of the run.
        out: The output folder.
    """

    def __init__(self, name: str, settings: RunSettings, out: Path) -> None:
        self.name = name
        self._settings = settings
        self._out = out
        self._version = __version__  # of the command; in `setup`, __version__ is the worker's

    def setup(self, worker: Any) -> None:
        """Prepare child processes, and check that the worker is fit for the run."""
        self._rejection = self._rejection_reason(worker.address)
        devices = devices_to_share(self._settings.device)
        self._children = ChildProcesses(self._settings.target, self._settings.limits, devices)

    def _rejection_reason(self, address: str) -> str:
        """Why this worker cannot write the same bytes to the same folder; empty if it can."""
        device = self._settings.device
        if __version__ != self._version:
            return f"{address} has shapegan {__version__}, the command {self._version}"
        if not os.access(self._out, os.W_OK):
            return f"{address} cannot write to {self._out}: --out has to be on a shared file system"
        if not has_device(device):
            return f"{address} finds no device {device}: take --device cpu, or workers on GPUs"
        return ""

    def teardown(self, worker: Any) -> None:  # noqa: ARG002 - Dask's signature
        """Kill the child processes."""
        self._children.stop()

    def run(self, task: Task) -> Any:
        """Run a task in the child process of the calling thread.

        Raises:
            RunError: the worker is unfit for the run.
        """
        if self._rejection:
            raise RunError(self._rejection)
        return self._children.run(task)


@contextlib.contextmanager
def _child_processes(client: Client, settings: RunSettings, out: Path) -> Iterator[str]:
    """Give all Dask workers child processes, also those that join later; end them at the end.

    Yields the name of the plugin.
    """
    name = f"shapegan-{uuid.uuid4().hex}"
    client.register_plugin(ChildProcessPlugin(name, settings, out))
    try:
        yield name
    finally:
        # Workers that lose their scheduler end, and their child processes with them.
        if client.status == "running":
            client.unregister_worker_plugin(name)


@contextlib.contextmanager
def _worker_events(client: Client, progress: ProgressReporter) -> Iterator[None]:
    """Report Dask workers that join or leave."""
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    events = WorkerEvents(progress, count, _KEY_PREFIX)
    client.subscribe_topic("all", events.handle)
    try:
        yield
    finally:
        events.closed = True
        if client.status == "running":
            client.unsubscribe_topic("all")


@contextlib.contextmanager
def _open_cluster(settings: RunSettings) -> Iterator[tuple[Any, int]]:
    """Yield what a Dask client connects to, and how many tasks to submit ahead."""
    if settings.scheduler is not None:
        yield settings.scheduler, _REMOTE_WINDOW
    elif settings.cluster is not None:
        with _start_slurm(settings) as cluster:
            yield cluster, _REMOTE_WINDOW
    else:
        # One Dask worker in this process: its threads only wait for their child processes, so
        # more Dask processes would only cost memory.
        with (
            dask.config.set(_LOCAL_CONFIG),
            LocalCluster(
                n_workers=1,
                threads_per_worker=settings.workers,
                processes=False,
                memory_limit=0,
                dashboard_address=None,
                # Without a dashboard, Dask still serves metrics: use any free port.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            ) as cluster,
        ):
            yield cluster, 2 * settings.workers + 2


def _start_slurm(settings: RunSettings) -> Any:
    """Start a SLURM job per worker; queue, account and walltime come from Dask's configuration."""
    with naming_extras("--cluster slurm"):
        from dask_jobqueue.slurm import SLURMCluster
    gigabytes = math.ceil(settings.limits.memory / 1e9) + 2
    configured = dask.config.get("jobqueue.slurm")
    wanted = {"cores": 1, "processes": 1, "memory": f"{gigabytes}GB"}
    missing: Any = {name: value for name, value in wanted.items() if configured.get(name) is None}
    cluster = SLURMCluster(**missing)
    jobs = max(1, settings.workers)
    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # replaces jobs whose time is up
    return cluster


@contextlib.contextmanager
def _connect(address: Any) -> Iterator[Client]:
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(f"cannot reach the Dask scheduler {address}: {error}") from error
    # A lost scheduler or worker is reported in one line; Dask would log a traceback for it.
    with silence_logging_cmgr(logging.CRITICAL), client:
        yield client

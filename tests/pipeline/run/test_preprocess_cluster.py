"""The workers of a run: on cores, on GPUs, of a scheduler, of SLURM."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from distributed import LocalCluster
from support.fake_runs import Count, StopAfter, run
from support.fakes import DEVICE_TARGET, SMALL, digests

from shapegan.pipeline.extras import MissingPackageError
from shapegan.pipeline.run import dask_pool
from shapegan.pipeline.run.child_process import Limits
from shapegan.pipeline.run.dataset_tasks import JoinTask
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.pool import RunError
from shapegan.pipeline.schema import MeshReport

pytestmark = pytest.mark.usefixtures("children_find_the_fakes")


def test_a_scheduler_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "_CONNECT_SECONDS", 1)
    with pytest.raises(RunError, match=r"cannot reach the Dask scheduler tcp://127\.0\.0\.1:1:"):
        run(tmp_path, ["ok"], scheduler="tcp://127.0.0.1:1")


def test_a_cluster_without_the_device_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 0)
    with pytest.raises(RunError, match="finds no device cuda"):
        run(tmp_path, ["ok"], workers=1, device="cuda")
    assert run(tmp_path, ["ok"], workers=1)[0].shard_count == 1


@pytest.mark.parametrize(
    ("device", "used"),
    [("cuda", {"cuda:0", "cuda:1"}), ("cuda:1", {"cuda:1"}), ("cpu", {"cpu"})],
)
def test_workers_share_all_gpus_unless_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, used: set[str]
) -> None:
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 2)
    progress = Count()
    meshes = ["sleep 0.5"] * 6
    run(tmp_path, meshes, progress=progress, workers=3, device=device, target=DEVICE_TARGET)
    assert len(progress.done) == 6
    assert {report.notes for report in progress.done} == used


def test_a_port_in_use_does_no_harm(tmp_path: Path) -> None:
    """Dask warns if it has to take another one than 8787, and warnings are errors here."""
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # somebody uses it already: as good
            other.bind(("", 8787))
            other.listen()
        assert not run(tmp_path, ["ok"], workers=1)[1]


def test_slurm_without_dask_jobqueue_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dask_jobqueue", "dask_jobqueue.slurm"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[cluster\]'"):
        run(tmp_path, ["ok"], cluster="slurm")


@pytest.fixture
def running_cluster() -> Iterator[LocalCluster]:
    """Two Dask worker processes, as somebody else would have started them."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
    ) as cluster:
        yield cluster


def test_a_running_cluster_survives_its_workers_being_killed(
    tmp_path: Path, undisturbed: dict[str, str], running_cluster: LocalCluster
) -> None:
    victim = next(iter(running_cluster.workers.values())).pid
    behaviours = ["sleep 0.4"] * 11

    class KillOne(Count):
        def advance(self, report: MeshReport) -> None:
            super().advance(report)
            if len(self.done) == 2:
                os.kill(victim, 9)

    progress = KillOne()
    manifest, _ = run(
        tmp_path,
        behaviours,
        progress=progress,
        scheduler=running_cluster.scheduler_address,
        limits=Limits(),
    )
    assert manifest.counts == {"ok": 11}
    assert digests(tmp_path / "out") == undisturbed
    assert progress.notes[0] == "2 Dask workers"
    assert "is lost, its tasks go to others (" in progress.notes[1]
    assert progress.notes[1].endswith("): 1 now")


@pytest.mark.parametrize(
    ("version", "out", "says"),
    [
        ("7.0", ".", r"^tcp://one has shapegan .*, the command 7\.0$"),
        (dask_pool.__version__, "missing", "^tcp://one cannot write to .*missing: --out has to"),
    ],
)
def test_a_dask_worker_that_would_write_elsewhere_or_other_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, out: str, says: str
) -> None:
    """Also one that comes when the work has begun, as those of SLURM do."""
    with monkeypatch.context() as patch:
        patch.setattr(dask_pool, "__version__", version)  # of the command
        plugin = dask_pool.ChildProcessPlugin("name", RunSettings(), tmp_path / out)
    plugin.setup(SimpleNamespace(address="tcp://one"))
    with pytest.raises(RunError, match=says):
        plugin.run(JoinTask(0, range(1), SMALL, tmp_path))


def test_an_interrupt_ends_the_children_of_a_running_cluster(
    tmp_path: Path, running_cluster: LocalCluster
) -> None:
    workers = [psutil.Process(worker.pid) for worker in running_cluster.workers.values()]
    with pytest.raises(KeyboardInterrupt):
        run(
            tmp_path,
            ["ok", *["sleep 60"] * 4],
            progress=StopAfter(1),
            scheduler=running_cluster.scheduler_address,
            limits=Limits(),
        )
    left = [" ".join(child.cmdline()) for one in workers for child in one.children(recursive=True)]
    assert not [command for command in left if "serve" in command]
    assert all(worker.is_running() for worker in workers)


SBATCH = """#!/bin/sh
cp "$1" "{log}.sh"  # the caller removes it
setsid bash "{log}.sh" >"{log}" 2>&1 &
echo "Submitted batch job 1"
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_slurm_starts_workers_through_sbatch(
    tmp_path: Path, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue", reason="needs the extra `cluster`")
    for name, text in (("sbatch", SBATCH.format(log=tmp_path / "log")), ("scancel", "#!/bin/sh")):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    run(tmp_path, ["ok"] * 11, cluster="slurm", workers=1)
    assert digests(tmp_path / "out") == undisturbed, (tmp_path / "log").read_text()


def test_an_interrupt_does_not_wait_for_meshes(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(
            tmp_path,
            ["ok", *["sleep 60"] * 4],
            progress=StopAfter(1),
            workers=2,
            limits=Limits(),
        )
    assert time.monotonic() - started < 10
    assert not [t for t in threading.enumerate() if t.name.startswith("Dask-Default-Threads")]

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from distributed import LocalCluster
from support.fakes import DEVICE_TARGET, SMALL, TARGET, digests, make_jobs, python_path

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.manifest import DatasetError, Manifest
from shapegan.pipeline.dataset.output import open_output
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.reports import Rejections
from shapegan.pipeline.extras import MissingPackageError
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.run import dask_pool
from shapegan.pipeline.run.child_process import Limits
from shapegan.pipeline.run.dataset_tasks import JoinTask
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.pool import RunError
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.schema import Job, MeshReport

MIXED = ["ok", "ok", "reject", "ok", "segfault", "ok", "raise", "ok", "hang", "ok", "ok"]
LIMITS = Limits(seconds=1.5)


@pytest.fixture(autouse=True)
def children_find_the_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", python_path())


class Count:
    """A progress that counts, and may do something at each mesh."""

    def __init__(self) -> None:
        self.resumed: list[MeshReport] = []
        self.done: list[MeshReport] = []
        self.notes: list[str] = []

    def resume(self, reports: Sequence[MeshReport]) -> None:
        self.resumed += reports

    def advance(self, report: MeshReport) -> None:
        self.done.append(report)

    def note(self, text: str) -> None:
        self.notes.append(text)


def run(
    folder: Path,
    behaviours: list[str],
    name: str = "out",
    config: PreprocessConfig = SMALL,
    progress: Count | None = None,
    **settings: object,
) -> tuple[Manifest, list[Rejections]]:
    jobs = make_jobs(folder / "meshes", behaviours)
    chosen = RunSettings(**{"target": TARGET, "limits": LIMITS, **settings})
    return preprocess(folder / "meshes", jobs, config, folder / name, chosen, progress or Count())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of eleven good meshes, done by a plain loop."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, ["ok"] * 11, workers=0)
    return digests(folder / "out")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_mesh_does_not_harm_the_others(tmp_path: Path, workers: int) -> None:
    progress = Count()
    manifest, rejections = run(tmp_path, MIXED, progress=progress, workers=workers)
    assert manifest.complete
    assert manifest.counts == {"ok": 7, "rejected": 1, "failed": 3}
    assert sorted(one.reason.partition(" (")[0] for one in rejections) == [
        "ZeroDivisionError: of the mesh",
        "crashed with SIGSEGV, twice",
        "looks bad",
        "took longer than 1.5 s, twice",
    ]
    assert len(progress.done) == len(MIXED)
    dataset = Dataset(tmp_path / "out")
    dataset.verify()
    assert dataset.ids == [f"mesh{n:03d}" for n, what in enumerate(MIXED) if what == "ok"]
    assert not (tmp_path / "out/staging").exists()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_bytes_do_not_depend_on_the_workers(
    tmp_path: Path, undisturbed: dict[str, str], workers: int
) -> None:
    # They come back in another order than they went: the first of each shard is the slowest.
    behaviours = [f"sleep {0.2 if number % 3 == 0 else 0}" for number in range(11)]
    progress = Count()
    run(tmp_path, behaviours, progress=progress, workers=workers)
    assert digests(tmp_path / "out") == undisturbed
    order = [report.id for report in progress.done]
    assert (order == sorted(order)) == (workers == 1)


class StopAfter(Count):
    def __init__(self, meshes: int) -> None:
        super().__init__()
        self.meshes = meshes

    def advance(self, report: MeshReport) -> None:
        super().advance(report)
        if len(self.done) == self.meshes:
            raise KeyboardInterrupt


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("meshes", [1, 3, 5])
def test_an_interrupted_run_resumes_to_the_same_bytes(
    tmp_path: Path, undisturbed: dict[str, str], workers: int, meshes: int
) -> None:
    behaviours = ["ok"] * 11
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, behaviours, progress=StopAfter(meshes), workers=workers)
    progress = Count()
    manifest, _ = run(tmp_path, behaviours, progress=progress, workers=workers)
    assert len(progress.resumed) >= meshes
    assert len(progress.resumed) + len(progress.done) == 11
    assert manifest.complete
    assert digests(tmp_path / "out") == undisturbed


def test_a_finished_dataset_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path, ["ok"] * 4, workers=0)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out/shards").iterdir()}
    progress = Count()
    run(tmp_path, ["segfault"] * 4, progress=progress, workers=0)  # nobody looks at a mesh
    assert (len(progress.resumed), len(progress.done)) == (4, 0)
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out/shards").iterdir()}


def test_a_shard_without_shapes_has_no_file_and_is_not_done_again(tmp_path: Path) -> None:
    behaviours = ["reject"] * 3 + ["ok"]
    manifest, _ = run(tmp_path, behaviours, workers=0)
    assert [shard.file for shard in manifest.shards] == [None, "shards/00001.h5"]
    progress = Count()
    run(tmp_path, behaviours, progress=progress, workers=0)
    assert not progress.done


def test_a_truncated_shard_is_made_again(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    run(tmp_path, ["ok"] * 11, workers=0)
    os.truncate(tmp_path / "out/shards/00001.h5", 1000)
    progress = Count()
    manifest, _ = run(tmp_path, ["ok"] * 11, progress=progress, workers=0)
    assert [report.id for report in progress.done] == ["mesh003", "mesh004", "mesh005"]
    assert digests(tmp_path / "out") == undisturbed
    assert manifest.complete


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"reports": 3}', '{"reports": [{"x": 1}]}'])
def test_a_torn_record_is_made_again(
    tmp_path: Path, undisturbed: dict[str, str], damage: str
) -> None:
    run(tmp_path, ["ok"] * 11, workers=0)
    (tmp_path / "out/shards/00001.json").write_text(damage)
    run(tmp_path, ["ok"] * 11, workers=0)
    assert digests(tmp_path / "out") == undisturbed


def test_leftovers_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    behaviours = ["ok"] * 4
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, behaviours, progress=StopAfter(1), workers=0)
    out = tmp_path / "out"
    for name in (
        "shards/.00000.h5.0123.tmp",
        "staging/.0000001.h5.0123.tmp",
        ".dataset.json.1.tmp",
    ):
        (out / name).write_text("torn")
    run(tmp_path, behaviours, workers=0)
    assert sorted(path.name for path in out.rglob("*")) == [
        *(".lock", "00000.h5", "00000.json", "00001.h5", "00001.json"),
        *("dataset.json", "jobs.csv", "meshes.csv", "shards"),
    ]


def test_a_staged_report_without_its_shape_is_made_again(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, ["ok"] * 11, progress=StopAfter(2), workers=0)
    (tmp_path / "out/staging/0000000.h5").unlink()
    run(tmp_path, ["ok"] * 11, workers=0)
    assert digests(tmp_path / "out") == undisturbed


def test_another_configuration_is_refused_line_by_line(tmp_path: Path) -> None:
    run(tmp_path, ["ok"], workers=0)
    other = PreprocessConfig(resolutions=(4,), points=100, shard_size=3, seed=2)
    with pytest.raises(OutputError) as caught:
        run(tmp_path, ["ok"], config=other, workers=0)
    lines = str(caught.value).splitlines()
    assert lines[1:3] == ["  resolutions: [4, 8] -> [4]", "  seed: 0 -> 2"]
    assert "choose another --out" in lines[3]


def test_another_version_is_refused(tmp_path: Path) -> None:
    run(tmp_path, ["ok"], workers=0)
    path = tmp_path / "out/dataset.json"
    path.write_text(path.read_text().replace('"code_version": "', '"code_version": "7.'))
    with pytest.raises(OutputError, match=r"shapegan's version: 7\."):
        run(tmp_path, ["ok"], workers=0)


@pytest.mark.parametrize(
    ("meshes", "change"), [(5, "1 new or moved, 0 gone"), (3, "0 new .* 1 gone")]
)
def test_other_meshes_are_refused(tmp_path: Path, meshes: int, change: str) -> None:
    run(tmp_path, ["ok"] * 4, workers=0)
    with pytest.raises(OutputError, match=rf"other meshes \({change}\)"):
        run(tmp_path, ["ok"] * meshes, workers=0)


def test_a_second_run_on_the_same_output_is_refused(tmp_path: Path) -> None:
    jobs: list[Job] = make_jobs(tmp_path / "meshes", ["ok"])
    with (
        open_output(tmp_path / "out", tmp_path / "meshes", jobs, SMALL),
        pytest.raises(OutputError, match="another run is writing to"),
    ):
        run(tmp_path, ["ok"], workers=0)
    run(tmp_path, ["ok"], workers=0)


def test_shards_without_a_manifest_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out/shards").mkdir(parents=True)
    (tmp_path / "out/shards/00000.h5").write_text("precious")
    with pytest.raises(OutputError, match=r"has no dataset\.json, but shards/00000\.h5: move"):
        run(tmp_path, ["ok"], workers=0)


def test_an_output_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot make the folder .*out: File exists"):
        run(tmp_path, ["ok"], workers=0)


def test_a_file_that_is_not_a_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/dataset.json").write_text("hello")
    with pytest.raises(DatasetError, match="is not a manifest of a dataset"):
        run(tmp_path, ["ok"], workers=0)


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
    with pytest.raises(MissingPackageError, match=r"pip install 'shapegan\[cluster\]'"):
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

"""`shapegan preprocess`: options, splits and errors that cost no work."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.fakes import TARGET
from support.folders import make
from support.one_line import check_one_line
from support.preprocess_with import with_target

from shapegan.cli import main
from shapegan.pipeline.config import SCAN_SIGNS, PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest, read_manifest
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.run.child_process import Limits
from shapegan.pipeline.run.dask_pool import default_workers
from shapegan.pipeline.run.plan import RunSettings

QUICK = ["--workers", "0", "--resolutions", "4", "--points", "10"]


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meshes are processed by `support.fakes.process`."""
    monkeypatch.setattr("shapegan.pipeline.run.preprocess.preprocess", with_target(TARGET))


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    folder = tmp_path / "shapenet"
    folder.mkdir()
    for number, behaviour in enumerate(["ok", "reject", "ok", "raise"]):
        (folder / f"mesh{number}.obj").write_text(behaviour)
    return folder


def preprocess(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["preprocess", *map(str, arguments)])


@pytest.mark.usefixtures("fakes")
def test_makes_a_dataset_and_lists_what_was_rejected(meshes: Path, tmp_path: Path) -> None:
    result = preprocess(meshes, "--out", tmp_path / "datasets", *QUICK)
    assert result.exit_code == 0, result.output
    assert len(Dataset(tmp_path / "datasets")) == 2
    for words in ("Rejected", "looks bad", "ZeroDivisionError", "mesh1", "meshes.csv"):
        assert words in result.stderr
    again = preprocess(meshes, "--out", tmp_path / "datasets", *QUICK)
    assert again.exit_code == 0
    assert "4 of 4 meshes; 2 ok, 1 rejected, 1 failed" in again.stderr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments that the command passes to the pipeline."""
    found: dict[str, Any] = {}

    def run(root: Path, jobs: Any, config: Any, out: Path, settings: Any, progress: Any) -> Any:
        found.update(root=root, jobs=jobs, config=config, out=out, settings=settings)
        return Manifest(config, str(root), len(jobs), ""), []

    monkeypatch.setattr("shapegan.pipeline.run.preprocess.preprocess", run)
    return found


def test_defaults_are_those_of_the_dataclasses(
    meshes: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(meshes.parent)
    result = preprocess("shapenet/", "--out", "datasets/")
    assert result.exit_code == 0, result.output
    assert asked["config"] == PreprocessConfig()
    assert asked["settings"] == RunSettings(workers=default_workers()[0])
    assert asked["out"] == meshes.parent / "datasets"
    assert asked["root"] == meshes  # absolute: whoever draws the meshes later may stand elsewhere
    assert len(asked["jobs"]) == 4


def test_every_flag_arrives(meshes: Path, asked: dict[str, Any]) -> None:
    flags = (
        "--resolutions 16,8 --points 7 --mix occnet --mix deepsdf --mix-points 9 --method scan"
        " --signs normals"
        " --sheet-thickness 0.1 --shard-size 5 --cavities fill --thin-parts points --seed 9"
        " --limit 3 --workers 4 --scheduler tcp://there:1"
        " --cluster slurm --device cuda --mesh-timeout 12 --mesh-memory 1.5"
    )
    result = preprocess(meshes, "--out", "x", *flags.split())
    assert result.exit_code == 0, result.output
    assert asked["config"] == PreprocessConfig(
        resolutions=(8, 16),
        points=7,
        mixes=("deepsdf", "occnet"),
        mix_points=9,
        method="scan",
        signs="normals",
        sheet_thickness=0.1,
        cavities="fill",
        thin_parts="points",
        shard_size=5,
        seed=9,
    )
    assert asked["settings"] == RunSettings(
        workers=4,
        scheduler="tcp://there:1",
        cluster="slurm",
        device="cuda",
        limits=Limits(12, 1.5e9),
    )
    assert len(asked["jobs"]) == 3


def test_dry_run_says_what_it_would_do_and_does_nothing(meshes: Path, tmp_path: Path) -> None:
    out = tmp_path / "datasets"
    result = preprocess(meshes, "--out", out, "--shard-size", "3", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "points: 262144" in result.stderr
    assert "4 meshes, 2 shards, at most 19.2 MB;" in result.stderr
    assert "it fits" in result.stderr
    assert not out.exists()


def test_categories_splits_and_limit_select_meshes(
    meshes: Path, tmp_path: Path, asked: dict[str, Any]
) -> None:
    for name in ("sofas", "Chairs", "lamps"):
        make(meshes, f"{name}/a.ply", f"{name}/b.stl")
    for split, listed in (("train", "Chairs/a lamps/b lamps/a"), ("test", "couch/a Chairs/b")):
        (tmp_path / f"{split}.txt").write_text(listed.replace(" ", "\n"))
    flags = ["--category", "chair, couch", "--category", "LAMP", "--limit", "3"]
    splits = [
        word for split in ("train", "test") for word in ("--splits", f"{tmp_path}/{split}.txt")
    ]
    result = preprocess(meshes, "--out", "x", *flags, *splits)
    assert result.exit_code == 0, result.output
    found = [(job.id, job.category, job.split) for job in asked["jobs"]]
    assert found == [
        ("Chairs/a", "Chairs", "train"),
        ("Chairs/b", "Chairs", "test"),
        ("lamps/a", "lamps", "train"),
    ]
    assert "meshes left out because no split lists them: 2, such as sofas/a\n" in result.stderr
    assert "meshes of other categories in the split files: 1, such as couch/a\n" in result.stderr


def test_files_of_one_name_and_files_that_are_not_read_are_named(
    meshes: Path, asked: dict[str, Any]
) -> None:
    make(meshes, "mesh0.stl", "mesh9.fbx", "more.zip")
    result = preprocess(meshes, "--out", "x")
    assert result.exit_code == 0, result.output
    assert [job.id for job in asked["jobs"]][:3] == ["mesh0.obj", "mesh0.stl", "mesh1"]
    assert "longer ids: 2, such as mesh0.obj and mesh0.stl;" in result.stderr
    # Before the work, and in the summary after it.
    assert result.stderr.count("files that are not read: 2 (1 .fbx, 1 .zip)") == 2
    result = preprocess(meshes, "--out", "x", "--prefer", "stl,obj")
    assert [job.relative for job in asked["jobs"]][:2] == ["mesh0.stl", "mesh1.obj"]


def test_fractions_make_splits(meshes: Path, asked: dict[str, Any]) -> None:
    result = preprocess(meshes, "--out", "x", "--splits", "train=1")
    assert result.exit_code == 0, result.output
    assert [job.split for job in asked["jobs"]] == ["train"] * 4


def test_an_input_that_does_not_fit_is_one_line(meshes: Path, tmp_path: Path) -> None:
    check_one_line(preprocess(meshes, "--out", "x", "--category", "chiar"), "no category 'chiar'")
    mesh = tmp_path / "shapenet" / "mesh0.obj"
    check_one_line(preprocess(mesh, "--out", "x"), "is a mesh, but INPUT takes a folder of meshes")
    check_one_line(preprocess(meshes, "--out", "x", "--prefer", "fbx"), "--prefer 'fbx': expected")
    check_one_line(preprocess(make(tmp_path / "empty", "a.txt"), "--out", "x"), "no meshes in")


def test_workers_fit_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shapegan.pipeline.run.dask_pool.CPU_COUNT", 16)
    monkeypatch.setattr("shapegan.pipeline.run.dask_pool.MEMORY_LIMIT", int(64e9))
    memory = type("Memory", (), {"available": int(100e9)})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    assert default_workers() == (16, "")
    memory.available = int(3.5e9)
    assert default_workers() == (3, "3.5 GB of memory are free: 3 workers on 16 cores")
    memory.available = int(0.1e9)
    assert default_workers()[0] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/no/such/folder", "--out", "x"], "does not exist"),
        ([__file__, "--out", "x"], "is a file"),
        ([".", "--out", "x", "--limit", "0"], "0 is not in the range"),
        ([".", "--out", "x", "--splits", "nowhere.csv"], "neither an existing file nor fractions"),
        ([".", "--out", "x", "--splits", "0.5,0.1,0.1"], "add up to 1, got 0.7"),
        ([".", "--out", "x", "--resolutions", "8,many"], "takes whole numbers with commas"),
        ([".", "--out", "x", "--resolutions", "1"], "resolutions: got (1,), takes 2 to 1024"),
        ([".", "--out", "x", "--points", "-1"], "points: got -1"),
        ([".", "--out", "x", "--method", "magic"], "'magic' is not one of"),
        ([".", "--out", "x", "--workers", "-2"], "-2 is not in the range"),
        ([".", "--out", "x", "--mesh-memory", "0"], "0.0 is not in the range"),
        (["."], "Missing option '--out'"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], words: str) -> None:
    check_one_line(preprocess(*arguments), words)


def test_an_output_that_cannot_be_used_is_one_line(meshes: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_one_line(preprocess(meshes, "--out", tmp_path / "file", *QUICK), "cannot make the folder")
    (tmp_path / "dataset.json").write_text("nonsense")
    check_one_line(preprocess(meshes, "--out", tmp_path, *QUICK), "is not a manifest")


@pytest.mark.usefixtures("fakes")
def test_another_configuration_shows_the_difference(meshes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    preprocess(meshes, "--out", out, *QUICK)
    result = preprocess(meshes, "--out", out, *QUICK, "--seed", "5")
    check_one_line(result, "started with other settings")
    assert "seed: 0 -> 5" in result.stderr
    assert read_manifest(out).config.seed == 0


def test_a_full_disk_is_one_line(
    meshes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("cannot write x: No space left on device")

    monkeypatch.setattr("shapegan.pipeline.run.preprocess.preprocess", full)
    check_one_line(preprocess(meshes, "--out", tmp_path / "out"), "No space left on device")


@pytest.mark.parametrize("more", [[], ["--workers", "3"], ["--dry-run"]])
def test_scanning_without_opengl_is_one_line_before_any_work(
    meshes: Path,
    tmp_path: Path,
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setenv("PYOPENGL_PLATFORM", "egl")
    monkeypatch.setattr("ctypes.CDLL", missing)
    out = tmp_path / "out"
    result = preprocess(meshes, "--out", out, "--method", "scan", *more)
    check_one_line(result, "needs OpenGL: install libegl1", "libEGL.so.1")
    assert not asked
    assert not out.exists()


@pytest.mark.parametrize("signs", SCAN_SIGNS)
def test_signs_are_refused_without_scans(
    meshes: Path, tmp_path: Path, asked: dict[str, Any], signs: str
) -> None:
    result = preprocess(meshes, "--out", tmp_path / "out", "--signs", signs)
    check_one_line(result, "--signs takes --method scan")
    assert not asked
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "looks"),
    [
        ([], 0),
        (["--method", "winding"], 0),
        (["--method", "scan"], 1),
        (["--method", "scan", "--scheduler", "tcp://there:1"], 0),
        (["--method", "scan", "--cluster", "slurm"], 0),
    ],
)
def test_only_scans_on_this_machine_need_opengl(
    meshes: Path,
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    looks: int,
) -> None:
    looked: list[bool] = []
    monkeypatch.setattr("shapegan.pipeline.sdf.scan.check_opengl", lambda: looked.append(True))
    assert preprocess(meshes, "--out", "x", *flags).exit_code == 0
    assert asked["jobs"]
    assert len(looked) == looks


@pytest.mark.parametrize("more", [[], ["--workers", "0"], ["--dry-run"]])
def test_a_gpu_that_is_not_there_is_one_line_before_any_work(
    meshes: Path,
    tmp_path: Path,
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
) -> None:
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 0)
    out = tmp_path / "out"
    result = preprocess(meshes, "--out", out, "--device", "cuda", *more)
    check_one_line(result, "no GPU", "--device cpu")
    assert not asked
    assert not out.exists()


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("cuda:2", ["device cuda:2: this machine has cuda:0, cuda:1"]),
        ("gpu", ["'gpu'", "cuda:1"]),
        ("cuda:", ["'cuda:'", "cuda:1"]),
    ],
)
def test_other_devices_than_those_of_the_machine_are_one_line(
    meshes: Path,
    tmp_path: Path,
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    words: list[str],
) -> None:
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 2)
    result = preprocess(meshes, "--out", tmp_path / "out", "--device", device)
    assert result.exit_code == 2
    assert all(word in result.stderr for word in words)
    assert not asked


def test_a_gpu_is_chosen_by_its_number(
    meshes: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 2)
    assert preprocess(meshes, "--out", "x", "--device", "cuda:1").exit_code == 0
    assert asked["settings"].device == "cuda:1"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_has_the_shells_exit_code(
    meshes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    monkeypatch.setattr(
        "shapegan.pipeline.run.preprocess.preprocess", lambda *_: os.kill(os.getpid(), number)
    )
    before = signal.getsignal(signal.SIGTERM)
    result = preprocess(meshes, "--out", tmp_path / "out")
    assert result.exit_code == code
    assert "interrupted; the same command resumes" in result.stderr
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_bug_is_a_traceback(
    meshes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr("shapegan.pipeline.run.preprocess.preprocess", broken)
    assert isinstance(preprocess(meshes, "--out", tmp_path).exception, AssertionError)

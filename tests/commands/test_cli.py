import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.fakes import TARGET, make_dataset
from support.folders import make
from support.gallery import make_gallery
from support.one_line import check_one_line
from support.preprocess_with import with_target

from shapegan.cli import main
from shapegan.pipeline.config import SCAN_SIGNS, PreprocessConfig
from shapegan.pipeline.dataset.manifest import Manifest, read_manifest
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.contact_sheet import ContactSheetSettings
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


def samples(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["samples", *map(str, arguments)])


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
    monkeypatch.setattr("warp.is_cuda_available", lambda: False)
    out = tmp_path / "out"
    result = preprocess(meshes, "--out", out, "--device", "cuda", *more)
    check_one_line(result, "no GPU", "--device cpu")
    assert not asked
    assert not out.exists()


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["preprocess", "--help"],
        ["inspect", "--help"],
        ["samples", "--help"],
        ["--version"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import json, sys\n"
        "from shapegan.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"numpy", "torch", "warp", "dask", "distributed", "trimesh", "h5py", "rich"}


# --- inspect -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gallery(tmp_path_factory.mktemp("gallery"))


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def test_inspect_prints_a_summary(balls: Path) -> None:
    result = inspect(balls)
    assert result.exit_code == 0, result.output
    for words in ("6 shapes of 9 meshes", "03001627 (chair)", "Rejected", "Surface recall"):
        assert words in result.stdout
    assert "verified" not in result.stdout


def test_inspect_draws_a_picture(balls: Path, tmp_path: Path) -> None:
    file = tmp_path / "worst.png"
    result = inspect(balls, "--picture", file, "--worst", 2, "--panel", 128)
    assert result.exit_code == 0, result.output
    assert f"2 shapes, lowest surface recall first, are drawn in {file}" in result.stdout
    with Image.open(file) as image:
        assert image.width == 4 * 134 - 6 + 56


def test_inspect_draws_points(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, ["ok", "ok"], PreprocessConfig(resolutions=(4,), points=50))
    file = tmp_path / "points.png"
    result = inspect(data, "--points", file, "--count", 1, "--panel", 128)
    assert result.exit_code == 0, result.output
    assert f"the points of 1 shape, at random (seed 0), are drawn in {file}" in result.stdout
    with Image.open(file) as image:
        assert image.width == 3 * 134 - 6 + 56  # captions need three pictures' width
    check_one_line(inspect(data, "--points", "x.jpg"), "takes a name that ends in .png")
    check_one_line(
        inspect(data, "--points", file, "--mesh-root", tmp_path), "only together with --picture"
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments with which the command draws."""
    found: dict[str, Any] = {}

    def write(file: Path, dataset: Dataset, *rest: Any) -> int:
        found.update(
            zip(
                ("file", "path", "choice", "root", "settings"),
                (file, dataset.path, *rest),
                strict=True,
            )
        )
        return 1

    monkeypatch.setattr("shapegan.pipeline.pictures.contact_sheet.write_contact_sheet", write)
    return found


def test_inspect_draws_twelve_at_random_by_default(
    balls: Path, tmp_path: Path, drawn: dict[str, Any]
) -> None:
    assert inspect(balls, "--picture", tmp_path / "a.PNG").exit_code == 0
    expected = {"file": tmp_path / "a.PNG", "path": balls, "choice": Choice(), "root": None}
    assert drawn == expected | {"settings": ContactSheetSettings()}
    assert Choice().count == 12


def test_inspect_hands_every_flag_on(balls: Path, tmp_path: Path, drawn: dict[str, Any]) -> None:
    flags = [
        "--mesh-root",
        tmp_path,
        "--azimuth",
        35,
        "--panel",
        256,
        "--picture",
        tmp_path / "a.png",
    ]
    assert inspect(balls, *flags, "--count", 7, "--seed", 3).exit_code == 0
    assert drawn["choice"] == Choice(count=7, seed=3)
    assert drawn["root"] == tmp_path
    assert drawn["settings"] == ContactSheetSettings(256, Camera(azimuth=35))
    assert inspect(balls, *flags, "--id", "ball3", "--id", "a,b").exit_code == 0
    assert drawn["choice"] == Choice(ids=("ball3", "a,b"))
    assert inspect(balls, *flags, "--worst", 9).exit_code == 0
    assert drawn["choice"] == Choice(worst=9)


def test_inspect_verifies_the_shards(balls: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(balls, tmp_path / "copy"))
    assert "verified: every shard" in inspect(copy, "--verify").stdout
    shard = copy / "shards" / "00001.h5"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    check_one_line(inspect(copy, "--verify"), "00001.h5 has changed")
    shard.write_bytes(data[:-1])
    check_one_line(inspect(copy, "--verify"), "is torn")
    assert inspect(copy).exit_code == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--picture", "x.jpg"], "takes a name that ends in .png, got x.jpg"),
        (["--picture", "no/x.png"], "there is no folder no"),
        (["--picture", "."], "is a directory"),
        (["--picture", "x.png", "--id", "ball9"], "no mesh ball9"),
        (["--picture", "x.png", "--id", "ball8"], "is not in the dataset (rejected: jumps: 12.5%)"),
        (["--picture", "x.png", "--id", "ball1", "--worst", "2"], "--id and --worst exclude"),
        (["--picture", "x.png", "--count", "2", "--worst", "2"], "--worst and --count exclude"),
        (["--picture", "x.png", "--worst", "2", "--seed", "2"], "--seed has no effect"),
        (["--picture", "x.png", "--seed", "-1"], "-1 is not in the range"),
        (["--picture", "x.png", "--count", "0"], "0 is not in the range"),
        (["--picture", "x.png", "--panel", "9999"], "9999 is not in the range"),
        (["--picture", "x.png", "--mesh-root", "/no/such"], "does not exist"),
        (
            ["--worst", "3", "--azimuth", "3"],
            "--worst, --azimuth: only together with --picture or --points",
        ),
    ],
)
def test_bad_arguments_of_inspect_are_one_line(
    balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    check_one_line(inspect(balls, *flags), words)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_dataset_is_one_line(balls: Path, tmp_path: Path) -> None:
    check_one_line(inspect(tmp_path / "no"), "does not exist")
    check_one_line(inspect(__file__), "is not a dataset: cannot read dataset.json")
    check_one_line(inspect(tmp_path), "is not a dataset: cannot read dataset.json")
    shutil.copy(balls / "dataset.json", tmp_path)
    check_one_line(inspect(tmp_path), "cannot read", "meshes.csv")
    shutil.copy(balls / "meshes.csv", tmp_path)
    check_one_line(inspect(tmp_path, "--picture", tmp_path / "x.png"), "00000.h5: No such file")


@pytest.mark.usefixtures("fakes")
def test_a_dataset_without_shapes_is_summarised_but_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "one.obj").write_text("reject")
    preprocess(tmp_path / "meshes", "--out", tmp_path / "out", *QUICK)
    assert "looks bad" in inspect(tmp_path / "out").stdout
    result = inspect(tmp_path / "out", "--picture", tmp_path / "x.png")
    check_one_line(result, "no shapes")


def test_samples_are_written_for_each_kind(tmp_path: Path) -> None:
    out = tmp_path / "meshes"
    result = samples("tables", "chairs", "tables", "--count", 2, "--out", out, "--seed", 4)
    assert result.exit_code == 0, result.output
    assert f"4 meshes in {out}" in result.stderr
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.obj"))
    assert found == [
        f"{folder}-{index:04d}/models/model_normalized.obj"
        for folder in ("03001627/chair", "04379243/table")
        for index in range(2)
    ]


def test_flags_of_samples_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def write(*arguments: Any, **options: Any) -> list[Path]:
        asked.append((arguments, options))
        return []

    monkeypatch.setattr("shapegan.pipeline.samples.sample.write_samples", write)
    everything = ("chairs", "tables", "sofas", "planes")
    assert samples("all", "--out", tmp_path).exit_code == 0
    assert asked[-1] == ((everything, 64, 0, tmp_path), {"intact": False})
    assert (
        samples("planes", "--out", tmp_path, "--count", 3, "--seed", 9, "--intact").exit_code == 0
    )
    assert asked[-1] == ((("planes",), 3, 9, tmp_path), {"intact": True})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stools", "--out", "x"], "'stools' is not one of 'chairs', 'tables'"),
        (["--out", "x"], "Missing argument 'KIND...'"),
        (["chairs"], "Missing option '--out'"),
        (["chairs", "--out", "x", "--count", "0"], "0 is not in the range"),
        (["chairs", "--out", "x", "--seed", "-1"], "-1 is not in the range"),
        (["chairs", "--out", __file__], "Not a directory; choose another --out"),
    ],
)
def test_bad_arguments_of_samples_are_one_line(arguments: list[str], words: str) -> None:
    check_one_line(samples(*arguments), words)


def test_samples_replace_no_other_model(tmp_path: Path) -> None:
    assert samples("tables", "--count", 1, "--out", tmp_path).exit_code == 0
    result = samples("tables", "--count", 1, "--out", tmp_path, "--seed", 1)
    check_one_line(result, "another model already")

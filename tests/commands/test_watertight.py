"""`shapegan watertight`: what it takes and makes, and faults of runs in their own process."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import trimesh
from click.testing import CliRunner, Result
from support import shapes
from support.fakes import SURFACE_TARGET, python_path, surface_digests
from support.manifolds import check_manifold
from support.mesh_tree import make_mesh_tree
from support.one_line import check_one_line
from support.processes import alive, wait_until

from shapegan.cli import main
from shapegan.pipeline.config import MESH_FORMATS, WatertightConfig
from shapegan.pipeline.dataset.surfaces import SurfaceReport
from shapegan.pipeline.run.child_process import Limits

MESHES = 8
SLOW = "sleep 0.3"


def watertight(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["watertight", *map(str, arguments)])


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "meshes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_mesh_tree(tmp_path / "input")


def test_makes_a_file_and_a_row_for_each_mesh(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = watertight(tree, "--out", out, "--resolution", 32, "--workers", 0)
    assert result.exit_code == 0, result.output
    assert "2 of 3 meshes have a watertight surface" in result.stderr
    for name in ("chairs/box", "tables/sheet"):
        check_manifold(*_read(out / "meshes" / f"{name}.obj"))
    found = {row["id"]: row for row in rows(out)}
    assert list(found) == ["chairs/box", "tables/broken", "tables/sheet"]
    assert [row["status"] for row in found.values()] == ["ok", "failed", "ok"]
    assert found["tables/broken"]["reason"] == "no faces"
    assert found["tables/sheet"]["method"] == "winding+sheets"
    box = found["chairs/box"]
    assert box["file"] == "meshes/chairs/box.obj"
    assert int(box["bytes"]) == (out / box["file"]).stat().st_size
    assert json.loads((out / "watertight.json").read_text())["complete"] is True
    assert not (out / "staging").exists()
    again = watertight(tree, "--out", out, "--resolution", 32, "--workers", 0)
    assert again.exit_code == 0
    assert "3 of 3 meshes; 2 ok, 0 rejected, 1 failed" in again.stderr


def _read(path: Path) -> tuple[Any, Any]:
    mesh = trimesh.load(path, force="mesh")
    return mesh.vertices, mesh.faces


@pytest.mark.parametrize("suffix", MESH_FORMATS)
def test_takes_a_single_mesh_in_any_format(suffix: str, tmp_path: Path) -> None:
    mesh = shapes.write_obj(tmp_path / "Ball.obj", *shapes.icosphere(0.8, 2))
    flags = ["--resolution", 24, "--format", suffix, "--contouring", "dual", "--workers", 0]
    result = watertight(mesh, "--out", tmp_path / "out", *flags)
    assert result.exit_code == 0, result.output
    made = check_manifold(*_read(tmp_path / "out" / "meshes" / f"Ball.{suffix}"))
    assert made.euler_number == 2


def test_the_result_can_be_preprocessed(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    watertight(tree, "--out", out, "--resolution", 32, "--workers", 0)
    refused = CliRunner().invoke(main, ["preprocess", str(out), "--out", str(tmp_path / "x")])
    check_one_line(refused, "a folder of watertight meshes", f"shapegan preprocess {out}/meshes")
    flags = ["--out", str(tmp_path / "x"), "--workers", "0", "--resolutions", "8", "--points", "0"]
    done = CliRunner().invoke(main, ["preprocess", str(out / "meshes"), *flags])
    assert done.exit_code == 0, done.output
    assert "2 of 2 meshes" in done.stderr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments that the command passes to the pipeline."""
    found: dict[str, Any] = {}

    def run(root: Path, jobs: Any, config: Any, out: Path, settings: Any, progress: Any) -> Any:
        found.update(root=root, jobs=jobs, config=config, out=out, settings=settings)
        return None, [SurfaceReport(job.id, "", job.relative, "ok") for job in jobs], []

    monkeypatch.setattr("shapegan.pipeline.run.surface_run.make_surfaces", run)
    return found


def test_every_flag_arrives(tree: Path, asked: dict[str, Any]) -> None:
    flags = (
        "--resolution 100 --format ply --contouring dual --sheet-thickness 0.1 --cavities fill"
        " --limit 2 --category tables --workers 4 --mesh-timeout 12 --mesh-memory 1.5"
    )
    result = watertight(tree, "--out", "x", *flags.split())
    assert result.exit_code == 0, result.output
    assert asked["config"] == WatertightConfig(100, "ply", "dual", 0.1, "fill")
    assert (asked["settings"].workers, asked["settings"].limits) == (4, Limits(12, 1.5e9))
    assert [job.id for job in asked["jobs"]] == ["tables/broken", "tables/sheet"]


def test_defaults_are_those_of_the_dataclass(tree: Path, asked: dict[str, Any]) -> None:
    assert watertight(tree, "--out", "x").exit_code == 0
    assert asked["config"] == WatertightConfig()


def test_dry_run_prints_what_it_would_do_and_does_nothing(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = watertight(tree, "--out", out, "--dry-run", "--format", "stl", "--resolution", 100)
    assert result.exit_code == 0, result.output
    assert "contouring: cubes" in result.stderr
    assert "3 meshes, typically 2.25 MB each, 6.75 MB together;" in result.stderr
    assert not out.exists()


def test_bad_input_is_one_line(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    check_one_line(watertight(tmp_path / "empty", "--out", tmp_path / "x"), "no meshes in")
    wrong = watertight(tree, "--out", tmp_path / "x", "--resolution", 4)
    check_one_line(wrong, "resolution: got 4, takes 8 to 2048")
    (tmp_path / "notes.txt").write_text("no mesh")
    text = watertight(tmp_path / "notes.txt", "--out", tmp_path / "x")
    check_one_line(text, "notes.txt is not a mesh")
    limited = watertight(tree / "chairs" / "box.obj", "--out", tmp_path / "x", "--limit", 3)
    assert limited.exit_code == 2
    assert "--limit selects meshes of a folder" in limited.stderr
    assert not (tmp_path / "x").exists()


def test_other_settings_or_meshes_do_not_resume(tree: Path, tmp_path: Path) -> None:
    out, flags = tmp_path / "out", ["--workers", 0, "--resolution", 24]
    assert watertight(tree, "--out", out, *flags).exit_code == 0
    other = watertight(tree, "--out", out, "--workers", 0, "--resolution", 32)
    check_one_line(other, "was started with other settings")
    assert "resolution: 24 -> 32" in other.stderr
    fewer = watertight(tree, "--out", out, *flags, "--limit", 1)
    check_one_line(fewer, "was started with other meshes", "2 gone")


# --- runs in their own process -------------------------------------------------------------------


@pytest.fixture(autouse=True)
def children_find_the_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", python_path())


def write_meshes(folder: Path, behaviours: list[str]) -> Path:
    (folder / "chairs").mkdir(parents=True)
    for number, behaviour in enumerate(behaviours):
        (folder / "chairs" / f"mesh{number:03d}.obj").write_text(behaviour)
    return folder


def command(meshes: Path, out: Path, *options: str) -> list[str]:
    program = [sys.executable, "-m", "support.preprocess_with", SURFACE_TARGET, "watertight"]
    return [*program, str(meshes), "--out", str(out), *(options or ("--workers", "2"))]


def finish(meshes: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(meshes, out, *options), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    meshes = write_meshes(folder / "meshes", ["ok"] * MESHES)
    environment = os.environ | {"PYTHONPATH": python_path()}
    subprocess.run(
        command(meshes, folder / "out", "--workers", "0"), check=True, env=environment, timeout=120
    )
    return surface_digests(folder / "out")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a slow run in `tmp_path` and waits until its first mesh is done."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        meshes = write_meshes(tmp_path / "meshes", [SLOW] * MESHES)
        process = subprocess.Popen(
            command(meshes, tmp_path / "out"), stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        wait_until(lambda: bool(list((tmp_path / "out/staging").glob("*.json"))), 60)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def check_resumes(folder: Path, undisturbed: dict[str, str]) -> None:
    again = finish(folder / "meshes", folder / "out")
    assert again.returncode == 0, again.stderr
    assert surface_digests(folder / "out") == undisturbed
    assert [row["status"] for row in rows(folder / "out")] == ["ok"] * MESHES
    assert not list((folder / "out").rglob("*.tmp"))


def test_a_killed_run_leaves_no_processes_and_resumes(
    tmp_path: Path, undisturbed: dict[str, str], running: Callable[..., subprocess.Popen[str]]
) -> None:
    process = running()
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    if sys.platform == "linux":
        wait_until(lambda: not alive(children), 20)
    assert not (tmp_path / "out/meshes.csv").exists()
    check_resumes(tmp_path, undisturbed)


def test_an_interrupted_run_lists_what_is_done_and_resumes(
    tmp_path: Path, undisturbed: dict[str, str], running: Callable[..., subprocess.Popen[str]]
) -> None:
    process = running()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert said.count("interrupted; the same command resumes") == 1
    assert 0 < len(rows(tmp_path / "out")) < MESHES
    check_resumes(tmp_path, undisturbed)


def test_a_killed_worker_costs_nothing(
    tmp_path: Path, undisturbed: dict[str, str], running: Callable[..., subprocess.Popen[str]]
) -> None:
    process = running()
    psutil.Process(process.pid).children(recursive=True)[0].kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert surface_digests(tmp_path / "out") == undisturbed


def test_a_lost_or_shortened_file_is_made_again(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    meshes = write_meshes(tmp_path / "meshes", ["ok"] * MESHES)
    assert finish(meshes, tmp_path / "out", "--workers", "0").returncode == 0
    (tmp_path / "out/meshes/chairs/mesh001.obj").unlink()
    (tmp_path / "out/meshes/chairs/mesh002.obj").write_bytes(b"short")
    check_resumes(tmp_path, undisturbed)


def test_all_faults_of_meshes_at_once(tmp_path: Path) -> None:
    meshes = write_meshes(tmp_path / "meshes", ["ok", "segfault", "raise", "reject", "more", "ok"])
    done = finish(meshes, tmp_path / "out", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert [row["reason"].partition(" (")[0] for row in rows(tmp_path / "out")] == [
        "",
        "crashed with SIGSEGV, twice",
        "ZeroDivisionError: of the mesh",
        "looks bad",
        "ran out of memory, twice",
        "",
    ]
    assert "Traceback" not in done.stderr

"""`shapegan preprocess`: errors and interruptions, most of them before any work."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support.one_line import check_one_line
from support.preprocess_command import (
    QUICK,
    preprocess,
)

from shapegan.pipeline.config import SCAN_SIGNS
from shapegan.pipeline.dataset.manifest import read_manifest
from shapegan.pipeline.files import OutputError


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
    result = preprocess(meshes, "--out", tmp_path / "file", *QUICK)
    check_one_line(result, "cannot make the folder")
    assert "0 of 4 meshes" not in result.stderr
    (tmp_path / "dataset.json").write_text("nonsense")
    check_one_line(preprocess(meshes, "--out", tmp_path, *QUICK), "is not a manifest")


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize("name", ["shapenet", "link", "shapenet/../shapenet"])
def test_an_output_that_is_the_input_is_one_line(
    meshes: Path, tmp_path: Path, asked: dict[str, Any], name: str, more: list[str]
) -> None:
    (tmp_path / "link").symlink_to(meshes)
    before = sorted(meshes.iterdir())
    for root, out in ((meshes, tmp_path / name), (tmp_path / name, meshes)):
        check_one_line(preprocess(root, "--out", out, *more), "is INPUT itself: choose another")
    assert not asked
    assert sorted(meshes.iterdir()) == before


@pytest.mark.usefixtures("fakes")
def test_an_output_inside_of_the_input_resumes(meshes: Path) -> None:
    for _ in range(2):
        result = preprocess(meshes, "--out", meshes / "made", *QUICK)
        assert "4 of 4 meshes" in result.stderr, result.output


@pytest.mark.usefixtures("fakes")
def test_a_run_that_made_nothing_ends_with_one_line(meshes: Path, tmp_path: Path) -> None:
    for mesh in meshes.iterdir():
        mesh.write_text("reject")
    out = tmp_path / "out"
    for _ in range(2):
        result = preprocess(meshes, "--out", out, *QUICK)
        check_one_line(result, f"no mesh was accepted: {out}/meshes.csv has the reasons")
        assert result.stderr.splitlines()[-1].startswith("Error: ")
        assert "; 0 ok, 4 rejected, 0 failed" in result.stderr
        assert read_manifest(out).complete
    (meshes / "mesh0.obj").write_text("ok")
    assert preprocess(meshes, "--out", tmp_path / "other", *QUICK).exit_code == 0


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

"""`shapegan preprocess`: options, and which meshes they select."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from support.folders import make
from support.one_line import check_one_line
from support.preprocess_command import (
    QUICK,
    preprocess,
)

from shapegan.cli import main
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.run.child_process import Limits
from shapegan.pipeline.run.dask_pool import default_workers
from shapegan.pipeline.run.plan import RunSettings


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
    flags = {name for each in main.commands["preprocess"].params for name in each.opts}
    printed = re.findall(r"^(\S+): ", result.stderr, re.MULTILINE)
    assert len(printed) == len(dataclasses.fields(PreprocessConfig))
    assert {f"--{name}" for name in printed} <= flags
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


def test_a_gpu_is_chosen_by_its_number(
    meshes: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 2)
    assert preprocess(meshes, "--out", "x", "--device", "cuda:1").exit_code == 0
    assert asked["settings"].device == "cuda:1"

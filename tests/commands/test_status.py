import csv
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.fakes import SMALL, make_dataset, make_jobs, process
from support.training import VOXEL, each_step, interrupt, make_solids, quick, run

from shapegan.cli import main
from shapegan.model.training import trainer
from shapegan.model.training.status import run_status
from shapegan.pipeline.config import WatertightConfig
from shapegan.pipeline.dataset.output import open_output
from shapegan.pipeline.dataset.staging import finish_shard, write_staged
from shapegan.pipeline.dataset.status import dataset_status
from shapegan.pipeline.dataset.surface_status import surface_status
from shapegan.pipeline.dataset.surfaces import (
    SurfaceOutcome,
    SurfaceReport,
    open_surfaces,
    publish_surfaces,
    write_surface,
)
from shapegan.pipeline.schema import Job


def status(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["status", *map(str, arguments)])


def as_json(folder: Path) -> dict[str, Any]:
    result = status(folder, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@contextmanager
def in_the_making(folder: Path) -> Iterator[Path]:
    """Seven meshes in shards of three: one shard is whole, and one mesh of the second is done."""
    jobs, out = make_jobs(folder / "meshes", ["ok", "reject", "ok", "ok", "ok", "ok", "ok"]), folder
    out = folder / "dataset"
    with open_output(out, folder / "meshes", jobs, SMALL) as manifest:
        time.sleep(0.01)  # the clock of files is coarse, and the speed is that since the start
        for number in range(4):
            write_staged(out, number, process(jobs[number], SMALL), SMALL)
        finish_shard(out, 0, manifest.shard_jobs(0), SMALL)
        yield out


def test_a_dataset_in_the_making(tmp_path: Path) -> None:
    with in_the_making(tmp_path) as out:
        found = dataset_status(out)
        said = status(out)
    assert (found.running, found.complete) == (True, False)
    assert (found.meshes, found.done, found.shards, found.shard_count) == (7, 4, 1, 3)
    assert found.counts == {"ok": 3, "rejected": 1}
    assert found.bytes == (out / "shards/00000.h5").stat().st_size
    assert found.meshes_per_second is not None
    assert found.seconds_left == pytest.approx(3 / found.meshes_per_second)
    lines = said.stdout.splitlines()
    assert lines[0] == f"dataset {out}: running"
    assert lines[1] == "meshes: 4 of 7 (57.1%): 3 ok, 1 rejected, 0 failed"
    assert lines[2].startswith("shards: 1 of 3, ")
    assert lines[3].startswith("speed: ")
    assert lines[3].endswith(" left")
    assert lines[4] == "rejected: 1 time: looks bad (such as mesh001)"


def test_an_interrupted_dataset_has_no_speed(tmp_path: Path) -> None:
    with in_the_making(tmp_path) as out:
        pass
    found = as_json(out)
    assert (found["kind"], found["running"], found["done"]) == ("dataset", False, 4)
    assert found["meshes_per_second"] is found["seconds_left"] is None
    first = status(out).stdout.splitlines()[0]
    assert first.endswith("not running, not complete; the same command resumes")


def test_the_speed_is_that_of_the_current_run(tmp_path: Path) -> None:
    with in_the_making(tmp_path) as out:
        now = time.time()
        os.utime(out / "shards/00000.json", (now - 9999, now - 9999))  # by an earlier run
        os.utime(out / ".lock", (now - 10, now - 10))
        found = dataset_status(out)
    assert found.meshes_per_second == pytest.approx(1 / 10, rel=0.5)


def test_a_finished_dataset(tmp_path: Path) -> None:
    out = make_dataset(tmp_path, ["ok", "reject", "ok"])
    found = as_json(out)
    assert (found["complete"], found["done"], found["shards"]) == (True, 3, 1)
    assert found["rejections"] == [
        {"status": "rejected", "reason": "looks bad", "count": 1, "example": "mesh001"}
    ]
    assert status(out).stdout.splitlines()[0] == f"dataset {out}: complete"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


def test_a_training(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 3)
    folder = tmp_path / "run"
    run(VOXEL, quick(data, folder))
    found = as_json(folder)
    assert (found["kind"], found["recipe"]) == ("training", "voxel")
    assert (found["running"], found["complete"], found["progress"]) == (False, True, 1.0)
    assert (found["stage"], found["stages"], found["step"], found["total_steps"]) == (2, 2, 10, 20)
    assert found["checkpoint"] == str(folder / "checkpoints/step-00000020.pt")
    assert "generator_loss" in found["losses"]
    assert found["seconds_left"] is None
    lines = status(folder).stdout.splitlines()
    assert lines[0] == f"training {folder}, recipe voxel: complete"
    assert lines[1].startswith(
        "steps: 20 (100.0% of the run), stage 2 of 2, its step 10; last row "
    )


def test_a_copy_of_a_finished_training_is_complete_too(data: Path, tmp_path: Path) -> None:
    """A copy has no hard links."""
    run(VOXEL, quick(data, tmp_path / "run"))
    copy = shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert as_json(copy)["complete"]


def test_a_finished_training_that_was_made_longer_is_not_complete_before_its_new_end(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(VOXEL, quick(data, tmp_path))
    each_step(monkeypatch, lambda step: interrupt() if step == 3 else None)
    run(VOXEL, quick(data, tmp_path, 40))
    found = as_json(tmp_path)
    assert (found["complete"], found["total_steps"]) == (False, 23)


def test_a_training_that_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 3)
    folder = tmp_path / "run"
    run(VOXEL, quick(data, folder))
    for name in ("stage-2", "step-00000010", "step-00000020"):
        (folder / f"checkpoints/{name}.pt").unlink()
    metrics = folder / "metrics.csv"
    head, *rows = metrics.read_text().splitlines()
    metrics.write_text("\n".join([head, *rows[:3], "12,1,2"]))  # half a row
    with (folder / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = run_status(folder)
    assert (found.running, found.complete) == (True, False)
    assert (found.total_steps, found.progress) == (9, 0.45)
    assert found.seconds is not None
    assert found.steps_per_second is not None
    assert found.seconds_left == pytest.approx(11 / found.steps_per_second, rel=1e-3)


def test_a_training_that_was_stopped_between_rows_has_the_steps_of_its_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 7)
    each_step(monkeypatch, lambda step: interrupt() if step == 13 else None)
    run(VOXEL, quick(data, tmp_path))
    found = run_status(tmp_path)
    assert (found.stage, found.step, found.total_steps) == (2, 3, 13)


def test_a_training_of_few_steps_has_a_row_for_each_stage(data: Path, tmp_path: Path) -> None:
    run(VOXEL, quick(data, tmp_path, 3))
    with (tmp_path / "metrics.csv").open() as file:
        steps = [(row["stage"], row["step"], row["total"]) for row in csv.DictReader(file)]
    found = run_status(tmp_path)
    assert steps == [("0", "2", "2"), ("1", "1", "3")]
    assert (found.complete, found.stage, found.step, found.total_steps) == (True, 2, 1, 3)
    assert set(found.losses) >= {"critic_loss", "penalty"}


def test_a_training_before_its_first_row(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(VOXEL.to_dict()))
    assert status(tmp_path).stdout.splitlines() == [
        f"training {tmp_path}, recipe voxel: not running, not complete; the same command resumes",
        "steps: no row of metrics.csv yet",
        "checkpoint: none yet",
    ]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "(watertight.json) nor a training (config.json)"),
        ({"dataset.json": "hello"}, "is not a manifest of a dataset"),
        ({"config.json": "{"}, "is not a config"),
        ({"config.json": json.dumps(VOXEL.to_dict()), "metrics.csv": "total\nx\n"}, "is damaged"),
    ],
)
def test_an_unreadable_folder_gives_one_line(
    tmp_path: Path, files: dict[str, str], says: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    result = status(tmp_path)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert says in line


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = status(tmp_path / "missing")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr.splitlines()[-1]


def test_watertight_meshes_in_the_making(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path / "meshes", ["ok", "reject", "ok", "ok"])
    out = tmp_path / "surfaces"
    with open_surfaces(out, tmp_path / "meshes", jobs, WatertightConfig(8)):
        time.sleep(0.01)
        for number, behaviour in enumerate(["ok", "rejected", "ok"]):
            write_surface(out, number, surface_outcome(jobs[number], behaviour))
        (out / f"meshes/{jobs[2].id}.obj").write_bytes(b"short")
        found = surface_status(out)
        said = status(out)
    assert (found.running, found.complete) == (True, False)
    assert (found.meshes, found.done, found.bytes) == (4, 2, 4)
    assert found.counts == {"ok": 1, "rejected": 1}
    assert found.meshes_per_second is not None
    assert found.seconds_left == pytest.approx(2 / found.meshes_per_second)
    lines = said.stdout.splitlines()
    assert lines[0] == f"watertight meshes in {out}: running"
    assert lines[1] == "meshes: 2 of 4 (50.0%): 1 ok, 1 rejected, 0 failed"
    assert lines[2].startswith("files: 1, 4 bytes, last change ")
    assert lines[4] == "rejected: 1 time: looks bad (such as mesh001)"


def test_watertight_meshes_that_are_done(tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path / "meshes", ["ok", "ok"])
    out = tmp_path / "surfaces"
    with open_surfaces(out, tmp_path / "meshes", jobs, WatertightConfig(8)) as manifest:
        for number, job in enumerate(jobs):
            write_surface(out, number, surface_outcome(job, "ok"))
        publish_surfaces(out, jobs, manifest)
    found = as_json(out)
    assert (found["kind"], found["complete"], found["running"]) == ("watertight", True, False)
    assert (found["done"], found["bytes"], found["meshes_per_second"]) == (2, 8, None)
    (out / "jobs.csv").unlink()
    damaged = status(out)
    assert damaged.exit_code == 2
    assert "cannot read" in damaged.stderr


def surface_outcome(job: Job, found: str) -> SurfaceOutcome:
    if found != "ok":
        report = SurfaceReport(job.id, job.category, job.relative, found, "looks bad")
        return SurfaceOutcome(report)
    file = f"meshes/{job.id}.obj"
    report = SurfaceReport(job.id, job.category, job.relative, "ok", file=file, bytes=4)
    return SurfaceOutcome(report, b"mesh")

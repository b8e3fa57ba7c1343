"""Runs that lose meshes, are interrupted, and resume."""

import os
from pathlib import Path

import pytest
from support.fake_runs import Count, StopAfter, run
from support.fakes import digests

from shapegan.pipeline.dataset.reader import Dataset

pytestmark = pytest.mark.usefixtures("children_find_the_fakes")

MIXED = ["ok", "ok", "reject", "ok", "segfault", "ok", "raise", "ok", "hang", "ok", "ok"]


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

"""Datasets made of others: `merge` and `subset`."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.fakes import SMALL, dataset_of, digests, make_dataset, python_path
from support.one_line import check_one_line

from shapegan.cli import main
from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.inspection import summarise
from shapegan.pipeline.dataset.manifest import read_manifest
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.status import dataset_status
from shapegan.pipeline.editing.merge import merge_datasets
from shapegan.pipeline.editing.subset import Selection, subset_dataset
from shapegan.pipeline.files import sha256
from shapegan.pipeline.schema import Job


def run(*words: object):
    return CliRunner().invoke(main, list(map(str, words)))


def category(folder: Path, name: str, behaviours: list[str], config=SMALL) -> Path:
    """A dataset of one category below `folder / name`."""
    jobs = []
    for number, behaviour in enumerate(behaviours):
        path = folder / name / "meshes" / f"{number}.obj"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(behaviour)
        split = ("train", "val")[number % 2]
        jobs.append(Job(f"{name}/{number}", name, path, path.name, split))
    return dataset_of(jobs, folder / name, config)


@pytest.fixture
def chairs(tmp_path: Path) -> Path:
    return category(tmp_path, "chairs", ["ok", "reject", "ok", "ok", "reject", "ok", "ok"])


@pytest.fixture
def planes(tmp_path: Path) -> Path:
    return category(tmp_path, "planes", ["ok", "ok", "reject", "reject", "reject", "reject", "ok"])


def same_shape(mine: Dataset, index: int, theirs: Dataset, other: int) -> None:
    a, b = mine.shape(index), theirs.shape(other)
    assert (a.id, a.category, a.scale_cube) == (b.id, b.category, b.scale_cube)
    for r in a.voxels:
        np.testing.assert_array_equal(a.voxels[r], b.voxels[r])
    for name in a.points:
        np.testing.assert_array_equal(a.points[name].position, b.points[name].position)
        np.testing.assert_array_equal(a.points[name].sdf, b.points[name].sdf)


def check_whole(path: Path, *sources: Path) -> Dataset:
    """A dataset that all readers accept, and whose shapes are those of the sources."""
    dataset = Dataset(path)
    dataset.verify()
    known = {id_: (one, i) for one in map(Dataset, sources) for i, id_ in enumerate(one.ids)}
    for index, id_ in enumerate(dataset.ids):
        same_shape(dataset, index, *known[id_])
        report = dataset.accepted[index]
        with_row = [r.id for r in dataset.accepted if r.shard == report.shard]
        assert with_row[report.row or 0] == id_
    status = dataset_status(path)
    assert status.complete
    assert status.done == status.meshes == len(dataset.reports)
    assert summarise(path).manifest.complete
    assert not list(path.rglob(".*.tmp"))
    return dataset


def test_a_merged_dataset_holds_all_rows_and_links_its_shards(chairs, planes, tmp_path):
    out = tmp_path / "all"
    result = run("merge", chairs, planes, "--out", out)
    assert result.exit_code == 0, result.output
    assert "8 shapes in 6 shards" in result.stderr
    dataset = check_whole(out, chairs, planes)
    sources = [Dataset(chairs), Dataset(planes)]
    assert dataset.ids == sources[0].ids + sources[1].ids
    assert [r.id for r in dataset.reports] == [r.id for one in sources for r in one.reports]
    assert sorted(digests(out).values()) == sorted(
        digest for path in (chairs, planes) for digest in digests(path).values()
    )
    files = [shard.file for shard in dataset.manifest.shards]
    assert files[4] is None  # the second shard of the planes holds no shape
    assert (out / str(files[0])).stat().st_ino == (chairs / "shards/00000.h5").stat().st_ino
    assert {s: len(ids) for s, ids in dataset.splits.items()} == {"train": 5, "val": 3}
    assert dataset.manifest.input == str(tmp_path)
    for report in dataset.reports:
        assert (tmp_path / report.path).is_file()


def test_the_same_command_again_changes_nothing(chairs, planes, tmp_path):
    for copy in (False, True):
        merge_datasets([chairs, planes], tmp_path / "all", copy=copy)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "all/shards").iterdir()}
    merge_datasets([chairs, planes], tmp_path / "all")
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "all/shards").iterdir()}


def test_copies_are_files_of_their_own(chairs, planes, tmp_path):
    merge_datasets([chairs, planes], tmp_path / "all", copy=True)
    mine, theirs = tmp_path / "all/shards/00000.h5", chairs / "shards/00000.h5"
    assert mine.stat().st_ino != theirs.stat().st_ino
    assert sha256(mine) == sha256(theirs)


def test_a_merged_dataset_can_be_merged_split_and_cut_again(chairs, planes, tmp_path):
    third = category(tmp_path, "sofas", ["ok", "ok"])
    assert run("merge", chairs, planes, "--out", tmp_path / "two").exit_code == 0
    assert run("merge", tmp_path / "two", third, "--out", tmp_path / "three").exit_code == 0
    assert run("split", tmp_path / "three", "--by", "category").exit_code == 0
    out = tmp_path / "planes-again"
    result = run("subset", tmp_path / "three", "--category", "planes", "--out", out)
    assert result.exit_code == 0, result.output
    dataset = check_whole(out, planes)
    assert dataset.ids == Dataset(planes).ids
    assert list(dataset.splits) == ["planes"]
    assert digests(out).keys() == {"00000.h5", "00002.h5"}
    assert [one.sha256 for one in dataset.manifest.shards] == [
        one.sha256 for one in read_manifest(planes).shards
    ]


def test_other_settings_are_refused_with_the_difference(chairs, tmp_path):
    config = dataclasses.replace(SMALL, seed=3, resolutions=(4,))
    other = category(tmp_path, "planes", ["ok"], config)
    result = run("merge", chairs, other, "--out", tmp_path / "all")
    check_one_line(result, "other settings", "resolutions: [4, 8] -> [4]; seed: 0 -> 3")
    assert not (tmp_path / "all").exists()


def test_another_number_of_meshes_per_shard_is_no_difference(chairs, tmp_path):
    other = category(tmp_path, "planes", ["ok"] * 3, dataclasses.replace(SMALL, shard_size=2))
    merge_datasets([other, chairs], tmp_path / "all")
    check_whole(tmp_path / "all", chairs, other)


def test_a_mesh_in_two_datasets_is_refused_by_name(chairs, tmp_path):
    shutil.copytree(chairs, tmp_path / "copy")
    result = run("merge", chairs, tmp_path / "copy", "--out", tmp_path / "all")
    check_one_line(result, f"mesh 'chairs/0' is in {chairs} and in {tmp_path / 'copy'}, and 6 more")


def test_bad_input_of_merge_is_one_line(chairs, planes, tmp_path):
    check_one_line(run("merge", chairs, "--out", tmp_path / "all"), "two datasets or more")
    check_one_line(run("merge", chairs, planes, "--out", chairs), "is one of the inputs")
    check_one_line(run("merge", chairs, tmp_path, "--out", tmp_path / "x"), "takes a dataset")
    shutil.copytree(planes, tmp_path / "used")
    result = run("merge", chairs, planes, "--out", tmp_path / "used")
    check_one_line(result, "was started with other meshes", "check the inputs")
    check_whole(tmp_path / "used", planes)


def test_a_changed_shard_is_refused(chairs, planes, tmp_path):
    shard = planes / "shards/00002.h5"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    result = run("merge", chairs, planes, "--out", tmp_path / "all")
    check_one_line(result, f"{shard} has changed")
    result = run("subset", planes, "--split", "train", "--out", tmp_path / "part")
    check_one_line(result, f"{shard} has changed")
    shard.write_bytes(content[:-1])
    check_one_line(run("merge", chairs, planes, "--out", tmp_path / "all"), "is torn")


def test_parts_of_shards_are_packed_in_order(tmp_path):
    config = dataclasses.replace(SMALL, shard_size=4)
    path = category(tmp_path, "chairs", ["ok"] * 15 + ["reject"], config)
    names = [0, 1, 4, 5, 6, 7, 9, 10, 12, 13, 14]
    (tmp_path / "ids.txt").write_text("".join(f"chairs/{n}\n" for n in [*names, 15, 99]))
    out = tmp_path / "part"
    result = run("subset", path, "--ids", tmp_path / "ids.txt", "--out", out)
    assert result.exit_code == 0, result.output
    assert "chairs/99" in result.stderr
    assert "no split" not in result.stderr
    dataset = check_whole(out, path)
    assert dataset.ids == [f"chairs/{n}" for n in names]
    shapes = [shard.shapes for shard in dataset.manifest.shards]
    assert shapes == [2, 4, 2, 3]  # two of the first, all of the second, and the rest
    assert dataset.manifest.shards[1].sha256 == read_manifest(path).shards[1].sha256
    assert dataset.manifest.shards[3].sha256 == read_manifest(path).shards[3].sha256
    assert dataset.reports[-1].status == "rejected"


def test_parts_that_fit_share_a_shard(tmp_path):
    config = dataclasses.replace(SMALL, shard_size=4)
    path = category(tmp_path, "chairs", ["ok"] * 16, config)
    made, _ = subset_dataset(path, tmp_path / "part", Selection(splits=["val"]))
    assert [shard.shapes for shard in made.shards] == [4, 4]
    dataset = check_whole(tmp_path / "part", path)
    assert set(dataset.splits) == {"val"}


def test_conditions_combine(chairs, planes, tmp_path):
    merge_datasets([chairs, planes], tmp_path / "all")
    (tmp_path / "ids.txt").write_text("planes/6\nchairs/0\n")
    for ids, found in ([], ["planes/0", "planes/6"]), ([str(tmp_path / "ids.txt")], ["planes/6"]):
        part = tmp_path / found[0]  # paths may be strings
        subset_dataset(str(tmp_path / "all"), str(part), Selection(["plane"], ["train"], ids))
        assert check_whole(part, planes).ids == found


def test_bad_selections_are_one_line(chairs, tmp_path):
    out = ("--out", tmp_path / "part")
    check_one_line(run("subset", chairs, *out), "takes --category, --split or --ids")
    check_one_line(run("subset", chairs, "--category", "sofa", *out), "no category 'sofa'")
    check_one_line(run("subset", chairs, "--split", "tset", *out), "it has: train, val")
    (tmp_path / "ids.txt").write_text("chairs/1\n")
    check_one_line(run("subset", chairs, "--ids", tmp_path / "ids.txt", *out), "no shape of")
    (tmp_path / "ids.txt").write_text("planes/1\n")
    check_one_line(run("subset", chairs, "--ids", tmp_path / "ids.txt", *out), "none of the 1")
    assert not (tmp_path / "part").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
real, left = os.fsync, [int(sys.argv[1])]

def fsync(handle):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(handle)

os.fsync = fsync
from shapegan.cli import main
main(sys.argv[2:], prog_name="shapegan")
"""
"""The command, killed instead of its n-th flush to disk; every file is flushed before its rename,
and its folder after it."""


def killed(flushes: int, *words: object) -> int:
    environment = os.environ | {"PYTHONPATH": python_path()}
    program = [sys.executable, "-c", KILLED, str(flushes), *map(str, words)]
    done = subprocess.run(program, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("flushes", [0, 3, 6, 9, 13])
def test_a_killed_command_leaves_nothing_half_written_and_resumes(
    tmp_path: Path, flushes: int
) -> None:
    path = make_dataset(tmp_path, ["ok"] * 8)
    words = ("subset", path, "--split", "train", "--out", tmp_path / "part")
    assert killed(flushes, *words) == -signal.SIGKILL
    if (tmp_path / "part" / schema.MANIFEST_NAME).exists():
        found = read_manifest(tmp_path / "part")
        assert not found.complete or len(found.shards) == found.shard_count
    result = run(*words)
    assert result.exit_code == 0, result.output
    dataset = check_whole(tmp_path / "part", path)
    undisturbed = tmp_path / "undisturbed"
    subset_dataset(path, undisturbed, Selection(splits=["train"]))
    assert digests(tmp_path / "part") == digests(undisturbed)
    assert len(dataset) == 4


@pytest.mark.parametrize("flushes", [2, 8, 17])
def test_a_killed_merge_resumes(chairs: Path, planes: Path, tmp_path: Path, flushes: int) -> None:
    words = ("merge", chairs, planes, "--copy", "--out", tmp_path / "all")
    assert killed(flushes, *words) == -signal.SIGKILL
    for path in (tmp_path / "all" / "shards").glob("*.h5"):
        assert sha256(path) in (*digests(chairs).values(), *digests(planes).values())
    assert run(*words).exit_code == 0
    check_whole(tmp_path / "all", chairs, planes)


def test_a_subset_of_a_larger_format_keeps_all_sets(tmp_path: Path) -> None:
    config = PreprocessConfig(
        resolutions=(4,),
        points=5000,
        mixes=("deepsdf",),
        mix_points=5000,
        salient_points=7,
        shard_size=3,
    )
    path = category(tmp_path, "chairs", ["ok"] * 4, config)
    subset_dataset(path, tmp_path / "part", Selection(splits=["train"]))
    assert check_whole(tmp_path / "part", path).point_sets == ("uniform", "surface", "cloud")

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.fakes import SMALL, dataset_of, digests, make_dataset, make_jobs
from support.one_line import check_one_line

from shapegan.cli import main
from shapegan.pipeline.dataset import output
from shapegan.pipeline.dataset.manifest import read_manifest
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.reports import read_reports
from shapegan.pipeline.editing import split as editing
from shapegan.pipeline.editing.split import split_dataset
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.schema import REPORT_NAME

BEHAVIOURS = ["ok", "ok", "reject", "ok", "ok"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_dataset(tmp_path, BEHAVIOURS)


def run(*words: object):
    return CliRunner().invoke(main, ["split", *map(str, words)])


def named(path: Path) -> dict[str, list[str]]:
    dataset = Dataset(path)
    return {split: [dataset.ids[i] for i in found] for split, found in dataset.splits.items()}


def test_fractions_give_the_splits_of_preprocess(tmp_path: Path):
    for number in range(40):
        (tmp_path / "meshes/chairs").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"meshes/chairs/{number}.obj").write_text("ok")
        if number % 4 == 0:
            (tmp_path / f"meshes/chairs/{number}.stl").write_text("ok")
    found = discover(tmp_path / "meshes", splits=["0.5,0.2,0.3"])
    plain = discover(tmp_path / "meshes")
    dataset = dataset_of(plain.jobs, tmp_path)
    before = digests(dataset)
    change = split_dataset(dataset, ["0.5,0.2,0.3"])
    expected: dict[str, list[str]] = {}
    for job in found.jobs:
        expected.setdefault(job.split, []).append(job.id)
    assert change.splits == named(dataset) == expected
    assert set(change.splits) == {"train", "val", "test"}
    assert digests(dataset) == before
    Dataset(dataset).verify()


def test_files_change_splits_and_name_what_is_in_none(path: Path, tmp_path: Path):
    (tmp_path / "train.txt").write_text("mesh000\nmesh004\n")
    (tmp_path / "test.txt").write_text("mesh001\nmesh777\n")
    result = run(path, tmp_path / "train.txt", tmp_path / "test.txt")
    assert result.exit_code == 0, result.output
    assert "splits of" in result.stderr
    assert "train 2, test 1" in result.stderr
    assert "mesh777" in result.stderr
    assert "mesh003" in result.stderr
    assert named(path) == {"train": ["mesh000", "mesh004"], "test": ["mesh001"]}
    assert [report.split for report in read_reports(path / REPORT_NAME)] == [
        "train", "test", "", "", "train"
    ]  # fmt: skip


def test_splits_by_category_and_none(path: Path):
    assert run(path, "--by", "category").exit_code == 0
    assert set(named(path)) == {"chairs"}
    result = run(path, "--remove")
    assert result.exit_code == 0
    assert "splits of" in result.stderr
    assert "none" in result.stderr
    assert named(path) == {}
    assert Dataset(path).accepted[0].split == ""


def test_preprocessing_again_keeps_the_splits(tmp_path: Path):
    jobs = make_jobs(tmp_path / "meshes", BEHAVIOURS)
    path = dataset_of(jobs, tmp_path)
    split_dataset(path, by="category")
    wanted = named(path)
    with output.open_output(path, tmp_path / "meshes", jobs, SMALL) as manifest:
        output.publish(path, manifest)
    assert named(path) == wanted
    assert read_manifest(path).splits == wanted


def test_a_kill_between_the_two_files_leaves_the_new_splits(path: Path, monkeypatch):
    before = named(path)
    assert set(before) == {"train", "val"}

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(editing, "write_text", die)
        with pytest.raises(KeyboardInterrupt):
            split_dataset(path, by="category")
    assert named(path) == before
    with monkeypatch.context() as patch:
        patch.setattr(editing, "write_reports", die)
        with pytest.raises(KeyboardInterrupt):
            split_dataset(path, by="category")
    assert set(named(path)) == {"chairs"}
    assert Dataset(path).accepted[0].split == "chairs"


def test_what_cannot_be_split_is_one_line(path: Path, tmp_path: Path):
    check_one_line(run(path), "give one of SPLITS, --by category and --remove")
    check_one_line(run(path, "0.5,0.6,0.1"), "expected fractions that add up to 1")
    check_one_line(run(path, tmp_path / "no.txt"), "neither an existing file nor fractions")
    (tmp_path / "other.txt").write_text("nothing\n")
    check_one_line(run(path, tmp_path / "other.txt"), "none of the 1 meshes in the split files")
    check_one_line(run(tmp_path / "meshes", "1,0,0"), "takes a dataset")


def test_an_unfinished_dataset_is_refused(tmp_path: Path):
    jobs = make_jobs(tmp_path / "meshes", BEHAVIOURS)
    with output.open_output(tmp_path / "new", tmp_path / "meshes", jobs, SMALL):
        pass
    check_one_line(run(tmp_path / "new", "1,0,0"), "is not complete: 0 of 2 shards are whole")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(path: Path):
    path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        check_one_line(run(path, "1,0,0"), "cannot write")
    finally:
        path.chmod(stat.S_IRWXU)

"""Exports into a folder that is there, killed exports, and bad input."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from support.exchanged import make_odd_dataset
from support.fakes import dataset_of
from support.killed import killed
from support.one_line import check_one_line

from shapegan.cli import main
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.editing.split import split_dataset
from shapegan.pipeline.exchange.export import export_dataset
from shapegan.pipeline.exchange.kinds import EXPORTS
from shapegan.pipeline.files import sha256
from shapegan.pipeline.schema import Job


def run(*words: object):
    return CliRunner().invoke(main, ["export", *map(str, words)])


def contents(folder: Path) -> dict[str, str]:
    found = (one for one in sorted(folder.rglob("*")) if one.is_file())
    return {one.relative_to(folder).as_posix(): sha256(one) for one in found}


@pytest.mark.parametrize("kind", EXPORTS)
def test_the_same_command_again_writes_what_is_missing(path, tmp_path, kind):
    export_dataset(path, kind, tmp_path / "out")
    before = contents(tmp_path / "out")
    victim = next(one for one in before if one.endswith((".npz", ".npy", ".tar")))
    kept = next(one for one in reversed(before) if one.endswith((".npz", ".npy", ".tar")))
    (tmp_path / "out" / victim).unlink()
    touched = (tmp_path / "out" / kept).stat().st_mtime_ns
    done = []
    export_dataset(path, kind, tmp_path / "out", progress=lambda *of: done.append(of))
    assert contents(tmp_path / "out") == before
    assert (tmp_path / "out" / kept).stat().st_mtime_ns == touched
    assert done[-1] == (6, 6)


@pytest.mark.parametrize(("kind", "flushes"), [("deepsdf", 8), ("occnet", 13), ("webdataset", 4)])
def test_a_killed_export_leaves_whole_files_and_resumes(path, tmp_path, kind, flushes):
    export_dataset(path, kind, tmp_path / "undisturbed")
    expected = contents(tmp_path / "undisturbed")
    killed(flushes, "export", path, "--to", kind, "--out", tmp_path / "out")
    visible = {
        name: digest
        for name, digest in contents(tmp_path / "out").items()
        if not name.rpartition("/")[2].startswith(".")
    }
    assert visible.items() <= expected.items()
    assert not [name for name in visible if name.endswith((".lst", "train.json", ".csv"))]
    assert run(path, "--to", kind, "--out", tmp_path / "out").exit_code == 0
    assert contents(tmp_path / "out") == expected


def test_other_contents_of_the_folder_are_refused(path, solids, tmp_path):
    out = ("--out", tmp_path / "out")
    assert run(path, "--to", "npz", *out).exit_code == 0
    check_one_line(run(path, "--to", "npy", *out), "holds another export (format: npz -> npy)")
    check_one_line(run(solids, "--to", "npz", *out), "other shapes or splits")
    (tmp_path / "used").mkdir()
    (tmp_path / "used/letter.txt").touch()
    result = run(path, "--to", "npz", "--out", tmp_path / "used")
    check_one_line(result, "has no export.json, but letter.txt: choose another --out")


def test_bad_input_is_one_line(path, tmp_path):
    out = ("--out", tmp_path / "out")
    check_one_line(run(path, "--to", "npz", "--name", "a", *out), "only deepsdf has such a name")
    check_one_line(run(path, "--to", "deepsdf", "--name", "a/b", *out), "the name of a folder")
    check_one_line(run(tmp_path, "--to", "npz", *out), "is not a dataset")
    empty = PreprocessConfig(resolutions=(4,), points=0)
    bare = make_odd_dataset(tmp_path, empty)
    check_one_line(run(bare, "--to", "deepsdf", *out), "has no point sets, which DeepSDF needs")
    check_one_line(run(bare, "--to", "occnet", *out), "has no point set occnet or uniform")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("id_", ["../up", "a\nb", "/root"])
def test_ids_that_are_no_file_names_are_one_line(tmp_path, id_):
    (tmp_path / "meshes").mkdir()
    mesh = tmp_path / "meshes" / "a.obj"
    mesh.write_text("ok")
    path = dataset_of([Job(id_, "", mesh, "a.obj")], tmp_path)
    result = run(path, "--to", "npz", "--out", tmp_path / "out")
    check_one_line(result, "cannot be the name of a file")


def test_shapes_of_one_name_are_one_line(tmp_path):
    (tmp_path / "meshes").mkdir()
    mesh = tmp_path / "meshes" / "a.obj"
    mesh.write_text("ok")
    jobs = [Job("chairs/a", "chairs", mesh, "a.obj"), Job("a", "chairs", mesh, "a.obj")]
    path = dataset_of(jobs, tmp_path)
    result = run(path, "--to", "npz", "--out", tmp_path / "out")
    check_one_line(result, "'chairs/a' and 'a' would both be written to chairs/a")


@pytest.mark.parametrize("kind", ["deepsdf", "occnet", "shapegan", "webdataset"])
def test_splits_that_are_no_file_names_are_one_line(tmp_path, kind):
    path = make_odd_dataset(tmp_path)
    split_dataset(path, ["a/b=0.5,c=0.5"])
    result = run(path, "--to", kind, "--out", tmp_path / "out")
    check_one_line(result, "split 'a/b' cannot be the name of a file")

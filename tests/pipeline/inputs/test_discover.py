"""Meshes of a folder: categories, splits, limits, and what is missing."""

import os
import time
from pathlib import Path

import pytest
from support.discovered import CHAIR, EARPHONE, PHONE, PLANE, SOFA, V2, error, names
from support.folders import MESHES, make

from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.schema import Job


@pytest.fixture
def shapenet(tmp_path: Path) -> Path:
    models = [f"{CHAIR}/a", f"{CHAIR}/b", f"{SOFA}/c", f"{PLANE}/d"]
    return make(tmp_path / "shapenet", *(f"{model}/{V2}" for model in models))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return make(tmp_path / "plain", "Chairs/a.obj", "Chairs/b.ply", "couch/c.stl", "d.off")


def test_jobs_come_in_the_order_of_their_ids(shapenet: Path) -> None:
    found = discover(shapenet)
    assert names(found) == [f"{PLANE}/d", f"{CHAIR}/a", f"{CHAIR}/b", f"{SOFA}/c"]
    path = f"{CHAIR}/a/{V2}"
    assert found.jobs[1] == Job(f"{CHAIR}/a", CHAIR, shapenet / path, path)
    assert found.notes == []


def test_paths_are_absolute(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plain / "couch")
    (job,) = discover(Path()).jobs
    assert job.path == plain / "couch" / "c.stl"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["chair"], "ab"),
        (["Chairs", "sofa"], "abc"),
        ([CHAIR], "ab"),
        (["couches"], "c"),
        (["sofa", "couch"], "c"),
    ],
)
def test_categories(shapenet: Path, plain: Path, words: list[str], expected: str) -> None:
    for root in (shapenet, plain):
        assert [name[-1] for name in names(discover(root, words))] == list(expected)


def test_other_synsets_are_not_read(shapenet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: read.append(path) or scandir(path))
    discover(shapenet, ["chair"])
    assert read == [str(shapenet), f"{shapenet}/{CHAIR}"]


def test_the_closest_category_is_meant(tmp_path: Path) -> None:
    make(tmp_path, "chair/a.obj", "Chairs/b.obj", "sofas/c.obj", "couch/d.obj")
    assert names(discover(tmp_path, ["chair"])) == ["chair/a"]
    assert names(discover(tmp_path, ["couches"])) == ["couch/d"]
    assert "'CHAIR' may be Chairs or chair: give the folder" in error(tmp_path, "CHAIR")


def test_a_name_of_two_synsets_is_refused_where_both_are_there(tmp_path: Path) -> None:
    make(tmp_path, f"{PHONE}/a/model.obj")
    assert names(discover(tmp_path, ["phone"])) == [f"{PHONE}/a"]
    make(tmp_path, f"{EARPHONE}/b/model.obj")
    message = error(tmp_path, "phone")
    assert f"'phone' may be {EARPHONE} (earphone) or {PHONE} (telephone)" in message


def test_an_unknown_category_names_what_is_there(shapenet: Path) -> None:
    assert error(shapenet, "chair", "chiar") == (
        f"no category 'chiar' in {shapenet}; did you mean 'chair';"
        f" there are {PLANE} (airplane), {CHAIR} (chair), {SOFA} (sofa)"
    )
    assert "no category 'boat'" in error(shapenet, "boat")
    assert "which would be 02858304 (boat);" in error(shapenet, "boat")


def test_not_all_of_many_categories_are_named(tmp_path: Path) -> None:
    make(tmp_path, *(f"{number:02}/a.obj" for number in range(20)))
    assert error(tmp_path, "x").endswith(
        "there are 00, 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11 and 8 more"
    )


def test_a_folder_without_categories_says_so(tmp_path: Path) -> None:
    make(tmp_path, "a.obj")
    assert error(tmp_path, "chair") == (
        f"no category 'chair' in {tmp_path}, which would be {CHAIR} (chair), or any other"
    )


def test_a_category_without_meshes(shapenet: Path) -> None:
    make(shapenet, "03636649/x/images/y.jpg")
    assert error(shapenet, "lamp") == f"no meshes of 03636649 (lamp) in {shapenet}"


def test_the_limit_comes_last(shapenet: Path, tmp_path: Path) -> None:
    assert names(discover(shapenet, limit=2)) == [f"{PLANE}/d", f"{CHAIR}/a"]
    assert names(discover(shapenet, ["sofa", "chair"], limit=2)) == [f"{CHAIR}/a", f"{CHAIR}/b"]
    (tmp_path / "test.txt").write_text("b\nc\n")
    found = discover(shapenet, limit=1, splits=[str(tmp_path / "test.txt")])
    assert [(job.id, job.split) for job in found.jobs] == [(f"{CHAIR}/b", "test")]
    assert len(discover(shapenet, limit=9).jobs) == 4


def test_splits_of_shapenet(shapenet: Path, tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(
        "id,synsetId,subSynsetId,modelId,split\n"
        f"1,{CHAIR},{CHAIR},a,train\n2,{CHAIR},{CHAIR},b,test\n3,{CHAIR},{CHAIR},gone,val\n"
        f"4,4256520,{SOFA},c,train\n"
    )
    found = discover(shapenet, ["chair"], splits=[str(tmp_path / "all.csv")])
    assert [(job.id[-1], job.split) for job in found.jobs] == [("a", "train"), ("b", "test")]
    assert found.notes == [
        f"meshes in the split files that do not exist: 1, such as {CHAIR}/gone",
        f"meshes of other categories in the split files: 1, such as {SOFA}/c",
    ]


def test_a_finer_synset_in_the_list_will_do(tmp_path: Path) -> None:
    root = make(tmp_path / "in", "02992529/a/model.obj")
    (tmp_path / "all.csv").write_text(
        f"id,synsetId,subSynsetId,modelId,split\n1,{PHONE},02992529,a,val\n"
    )
    found = discover(root, splits=[str(tmp_path / "all.csv")])
    assert [job.split for job in found.jobs] == ["val"]
    assert found.notes == []


def test_splits_by_fractions(shapenet: Path) -> None:
    found = discover(shapenet, splits=["train=0.5,test=0.5"])
    assert {job.split for job in found.jobs} <= {"train", "test"}
    fewer = discover(shapenet, ["chair"], splits=["train=0.5,test=0.5"])
    assert {job.id: job.split for job in fewer.jobs}.items() <= {
        job.id: job.split for job in found.jobs
    }.items()


def test_bad_splits_are_told_before_the_tree_is_read(
    shapenet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shapegan.pipeline.inputs.discover.scan_tree", None)
    assert "neither an existing file nor fractions" in error(shapenet, splits=("nowhere.csv",))


def test_model_folders_without_a_mesh_are_noted(shapenet: Path) -> None:
    make(shapenet, f"{SOFA}/empty/images/x.jpg")
    assert discover(shapenet).notes == [f"model folders without a mesh: 1, such as {SOFA}/empty"]


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    make(tmp_path, "a.obj", "b.fbx", "c/d.fbx", "e.zip", "f.png")
    found = discover(tmp_path)
    assert found.unread == "files that are not read: 3 (2 .fbx, 1 .zip), such as b.fbx"
    assert discover(make(tmp_path / "c", "a.obj", "t.png"), ["x"] * 0).unread.endswith("d.fbx")


def test_nothing_there_says_what_was_looked_for(tmp_path: Path) -> None:
    make(tmp_path, "readme.txt")
    assert error(tmp_path) == (
        f"no meshes in {tmp_path}: looked for files in .obj .ply .stl .off .glb .gltf, or"
        " <synset>/<model>/models/model_normalized.obj"
    )
    make(tmp_path, f"{CHAIR}.zip", f"{SOFA}.zip")
    assert error(tmp_path).endswith(": unpack its archives (2 .zip) first")
    make(tmp_path, "a.fbx")
    assert error(tmp_path).endswith(
        ": convert its files of other formats (1 .fbx), or unpack its archives (2 .zip) first"
    )


def test_an_input_that_is_no_folder(plain: Path) -> None:
    assert "is a file: give the folder" in error(plain / "d.off")
    assert "no such folder" in error(plain / "nowhere")
    (plain / "loop").symlink_to("loop")
    assert "no such folder" in error(plain / "loop")


def test_a_link_to_a_synset_is_one(shapenet: Path, tmp_path: Path) -> None:
    (tmp_path / "chairs").symlink_to(shapenet / CHAIR)
    assert names(discover(tmp_path / "chairs")) == [f"{CHAIR}/a", f"{CHAIR}/b"]


def test_real_meshes_in_the_layout_of_shapenet() -> None:
    found = discover(MESHES)
    assert len(found.jobs) == 6
    assert {job.category for job in found.jobs} == {CHAIR, SOFA, "04379243"}
    assert all(job.path.is_file() for job in found.jobs)
    assert names(discover(MESHES / SOFA)) == names(discover(MESHES, ["sofa"]))


@pytest.mark.slow
def test_thousands_of_models_take_seconds(tmp_path: Path) -> None:
    for number in range(5000):
        make(tmp_path, f"{CHAIR}/{number:05}/{V2}")
    before = time.perf_counter()
    assert len(discover(tmp_path).jobs) == 5000
    assert time.perf_counter() - before < 10

import os
import time
from pathlib import Path

import pytest
from support.folders import MESHES, make

from shapegan.pipeline.inputs.discover import DiscoverError, Discovery, discover
from shapegan.pipeline.schema import Job

CHAIR, SOFA, PLANE = "03001627", "04256520", "02691156"
PHONE, EARPHONE = "04401088", "03261776"
V2 = "models/model_normalized.obj"


@pytest.fixture
def shapenet(tmp_path: Path) -> Path:
    models = [f"{CHAIR}/a", f"{CHAIR}/b", f"{SOFA}/c", f"{PLANE}/d"]
    return make(tmp_path / "shapenet", *(f"{model}/{V2}" for model in models))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return make(tmp_path / "plain", "Chairs/a.obj", "Chairs/b.ply", "couch/c.stl", "d.off")


def names(found: Discovery) -> list[str]:
    return [job.id for job in found.jobs]


def error(root: Path, *categories: str, splits: tuple[str, ...] = ()) -> str:
    with pytest.raises(DiscoverError) as caught:
        discover(root, categories, splits=splits)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


LINKS = ("arm/link.obj", "arm/link.stl", "arm/base.stl", "leg/link.obj")


def note_of(found: Discovery) -> str:
    (note,) = found.notes
    return note


def test_files_that_differ_in_their_suffix_keep_it_in_their_ids(tmp_path: Path) -> None:
    found = discover(make(tmp_path, *LINKS))
    assert names(found) == ["arm/base", "arm/link.obj", "arm/link.stl", "leg/link"]
    assert [job.relative for job in found.jobs][1:3] == ["arm/link.obj", "arm/link.stl"]
    assert note_of(found) == (
        "files that share a name and get longer ids: 2, such as arm/link.obj and arm/link.stl;"
        " --prefer obj,glb takes one of each name"
    )
    assert names(discover(tmp_path, ["arm"])) == names(found)[:3]
    assert discover(tmp_path, ["leg"]).notes == []


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (["obj"], ["arm/base.stl", "arm/link.obj", "leg/link.obj"]),
        (["stl", "obj"], ["arm/base.stl", "arm/link.stl", "leg/link.obj"]),
        (["glb", ".OBJ"], ["arm/base.stl", "arm/link.obj", "leg/link.obj"]),
    ],
)
def test_one_of_each_name_is_taken(tmp_path: Path, prefer: list[str], expected: list[str]) -> None:
    found = discover(make(tmp_path, *LINKS), prefer=prefer)
    assert names(found) == ["arm/base", "arm/link", "leg/link"]
    assert [job.relative for job in found.jobs] == expected
    assert note_of(found) == "files left out because --prefer takes another one of the name: 1"


def test_formats_that_are_not_preferred_are_all_taken(tmp_path: Path) -> None:
    found = discover(make(tmp_path, *LINKS), prefer=["glb", "ply"])
    assert names(found) == ["arm/base", "arm/link.obj", "arm/link.stl", "leg/link"]


def test_the_file_that_is_not_compressed_is_preferred(tmp_path: Path) -> None:
    make(tmp_path, "a.obj.gz", "a.obj", "a.stl", "b.stl.xz", "b.ply")
    found = discover(tmp_path, prefer=["obj", "stl"])
    assert [job.relative for job in found.jobs] == ["a.obj", "b.stl.xz"]
    assert names(discover(tmp_path)) == ["a.obj", "a.obj.gz", "a.stl", "b.ply", "b.stl.xz"]


def test_an_unknown_preference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiscoverError, match="--prefer 'fbx': expected some of obj ply stl"):
        discover(make(tmp_path, "a.obj"), prefer=["obj", "fbx"])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.obj", "a.OBJ"], ["a.OBJ", "a.obj"]),
        (["l.obj", "l.stl", "l.obj.stl"], ["l.obj", "l.obj.stl", "l.stl"]),
        (["m.obj", f"m/{V2}"], ["m.obj", f"m/{V2}"]),
        (
            [f"v1/{CHAIR}/a/model.obj", f"v2/{CHAIR}/a/{V2}"],
            [f"{CHAIR}/a/model.obj", f"{CHAIR}/a/{V2}"],
        ),
        (
            [f"x/{CHAIR}/a/model.obj", f"y/{CHAIR}/a/model.obj"],
            [f"x/{CHAIR}/a/model.obj", f"y/{CHAIR}/a/model.obj"],
        ),
        ([f"{CHAIR}/a/model.obj", f"{CHAIR}/a.off"], [f"{CHAIR}/a.off", f"{CHAIR}/a/model.obj"]),
        ([f"{CHAIR}/model/model.obj", f"{CHAIR}/model.obj"], None),
        ([os.fsdecode(b"\xff.obj"), "\\xff.obj"], ["\\xff.obj", "\\xff.obj~2"]),
    ],
)
def test_ids_are_unique_whatever_the_files_are_called(
    tmp_path: Path, files: list[str], expected: list[str] | None
) -> None:
    found = names(discover(make(tmp_path, *files)))
    assert len(set(found)) == len(files)
    assert expected is None or found == expected
    assert found == sorted(found)


def test_lists_name_one_file_or_all_of_a_name(tmp_path: Path) -> None:
    root = make(tmp_path / "in", *LINKS)

    def splits(text: str) -> list[tuple[str, str]]:
        (tmp_path / "s.csv").write_text(f"id,split\n{text}\n")
        return [(job.id, job.split) for job in discover(root, splits=[f"{tmp_path}/s.csv"]).jobs]

    both = [("arm/link.obj", "train"), ("arm/link.stl", "train")]
    assert splits("arm/link,train") == both
    assert splits("arm/link.obj,train") == both[:1]
    assert splits("arm/link.obj,train\narm/link.stl,test") == [both[0], ("arm/link.stl", "test")]
    assert splits("link,train") == [*both, ("leg/link", "train")]
    assert splits("arm/base.obj,val") == [("arm/base", "val")]  # one file has the name
    with pytest.raises(DiscoverError, match="is in 'test' here, and in 'val' in"):
        splits("arm/base.obj,val\narm/base.ply,test")


def test_files_of_one_name_share_a_split_by_fractions(tmp_path: Path) -> None:
    make(tmp_path, *(f"{k}.{suffix}" for k in range(40) for suffix in ("obj", "stl")))
    found = {job.id: job.split for job in discover(tmp_path, splits=["0.5,0.25,0.25"]).jobs}
    assert len(found) == 80
    assert all(found[f"{k}.obj"] == found[f"{k}.stl"] for k in range(40))


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


def test_odd_names_break_no_line(tmp_path: Path) -> None:
    make(tmp_path, "a\nb/c.obj", "a\nb/c.ply", "d/e.obj", "f.obj")
    assert r"such as a\nb/c.obj and a\nb/c.ply;" in note_of(discover(tmp_path))
    assert r"there are a\nb, d" in error(tmp_path, "chair")
    (tmp_path / "train.csv").write_text('id,split\n"g\nh",train\nd/e,train\n')
    notes = discover(tmp_path, ["d"], splits=[str(tmp_path / "train.csv")]).notes
    assert notes == [r"meshes in the split files that do not exist: 1, such as g\nh"]


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

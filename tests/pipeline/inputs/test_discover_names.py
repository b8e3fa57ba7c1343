"""Ids of files that share a name, and of files with odd names."""

import os
from pathlib import Path

import pytest
from support.discovered import CHAIR, V2, error, names, note_of
from support.folders import make

from shapegan.pipeline.inputs.discover import DiscoverError, discover

LINKS = ("arm/link.obj", "arm/link.stl", "arm/base.stl", "leg/link.obj")


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


def test_odd_names_break_no_line(tmp_path: Path) -> None:
    make(tmp_path, "a\nb/c.obj", "a\nb/c.ply", "d/e.obj", "f.obj")
    assert r"such as a\nb/c.obj and a\nb/c.ply;" in note_of(discover(tmp_path))
    assert r"there are a\nb, d" in error(tmp_path, "chair")
    (tmp_path / "train.csv").write_text('id,split\n"g\nh",train\nd/e,train\n')
    notes = discover(tmp_path, ["d"], splits=[str(tmp_path / "train.csv")]).notes
    assert notes == [r"meshes in the split files that do not exist: 1, such as g\nh"]

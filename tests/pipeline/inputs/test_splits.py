from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.inputs.folders import DiscoverError, MeshFile
from shapegan.pipeline.inputs.splits import FractionSplits, ListedSplits, read_splits


def meshes(*names: str) -> list[MeshFile]:
    return [MeshFile(name, f"{name}.obj", name.rpartition("/")[0]) for name in names]


def listed(tmp_path: Path, **files: str) -> ListedSplits:
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text)
    found = read_splits([str(tmp_path / f"{name}.txt") for name in files])
    assert isinstance(found, ListedSplits)
    return found


def fractions(text: str) -> FractionSplits:
    found = read_splits([text])
    assert isinstance(found, FractionSplits)
    return found


def test_nothing_given_is_no_rule() -> None:
    assert read_splits(()) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.8,0.1,0.1", {"train": "0.8", "val": "0.1", "test": "0.1"}),
        ("train=0.7,val=0.2,test=0.1", {"train": "0.7", "val": "0.2", "test": "0.1"}),
        ("training=0.9, testing=.1", {"train": "0.9", "test": "0.1"}),
        ("mine=1/3,yours=2/3", {"mine": "1/3", "yours": "2/3"}),
        ("train=1", {"train": "1"}),
    ],
)
def test_fractions(text: str, expected: dict[str, str]) -> None:
    assert fractions(text).fractions == {
        split: Fraction(share) for split, share in expected.items()
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.8,0.1", "expected three fractions, or a name for each"),
        ("1", "expected three fractions, or a name for each"),
        ("0.8,0.1,test=0.1", "expected three fractions, or a name for each"),
        ("val=0.5,valid=0.5", "expected three fractions, or a name for each"),
        ("0.8,0.1,0.2", "add up to 1, got 1.1"),
        ("80,10,10", "add up to 1, got 100"),
        ("train=1.5,test=-0.5", "add up to 1"),
        ("1/0,0,0", "neither an existing file nor fractions"),
        ("0.8,0.1,nan", "neither an existing file nor fractions"),
        ("", "cannot read .: Is a directory"),
    ],
)
def test_bad_fractions(text: str, message: str) -> None:
    with pytest.raises(DiscoverError, match=message):
        read_splits([text])


def test_fractions_are_about_right() -> None:
    many = meshes(*(f"{number:05}" for number in range(20_000)))
    found, notes = fractions("0.8,0.15,0.05").assign(many)
    assert [mesh for mesh, _ in found] == many
    assert notes == []
    for split, share in (("train", 0.8), ("val", 0.15), ("test", 0.05)):
        count = sum(one == split for _, one in found)
        spread = (len(many) * share * (1 - share)) ** 0.5
        assert abs(count - len(many) * share) < 4 * spread


@given(st.lists(st.text(min_size=1), unique=True), st.lists(st.text(min_size=1), unique=True))
def test_a_mesh_stays_in_its_split_when_others_come(old: list[str], new: list[str]) -> None:
    rule = fractions("0.5,0.25,0.25")
    before = dict(rule.assign(meshes(*old))[0])
    after = dict(rule.assign(meshes(*reversed(old), *(set(new) - set(old))))[0])
    assert before.items() <= after.items()


def test_the_split_of_a_mesh_never_changes_between_versions() -> None:
    rule = fractions("0.8,0.1,0.1")
    found = {rule.split(f"03001627/{number}"): number for number in range(20)}
    assert found == {"train": 19, "val": 17, "test": 13}


def test_a_larger_share_keeps_what_was_in_it() -> None:
    names = [str(number) for number in range(300)]
    small, large = fractions("train=0.5,test=0.5"), fractions("train=0.6,test=0.4")
    trained = {name for name in names if small.split(name) == "train"}
    assert trained < {name for name in names if large.split(name) == "train"}


def test_a_split_without_a_mesh_is_noted() -> None:
    assert fractions("train=1,val=0").assign(meshes("a"))[1] == []
    assert len(fractions("0.4,0.3,0.3").assign(meshes("a"))[1]) == 2


def test_what_is_not_listed_is_left_out(tmp_path: Path) -> None:
    rule = listed(tmp_path, train="c/a\n", test="c/d\nc/e\n")
    found, notes = rule.assign(meshes("c/a", "c/b", "c/d", "c/f"))
    assert [(mesh.id, split) for mesh, split in found] == [("c/a", "train"), ("c/d", "test")]
    assert notes == [
        "meshes in the split files that do not exist: 1, such as c/e",
        "meshes left out because no split lists them: 2, such as c/b",
    ]


def test_meshes_of_other_categories_are_counted_apart(tmp_path: Path) -> None:
    _, notes = listed(tmp_path, train="c/a\nc/b\nd/x\nd/y\ne/z").assign(meshes("c/a"))
    assert notes == [
        "meshes in the split files that do not exist: 1, such as c/b",
        "meshes of other categories in the split files: 3, such as d/x",
    ]


@pytest.mark.parametrize("name", ["c/d/a", "c/d/a.obj", "./c/d/a.PLY", "a", "a.stl", "elsewhere/x"])
def test_a_mesh_is_known_by_id_path_and_last_part(tmp_path: Path, name: str) -> None:
    mesh = MeshFile("c/d/a", "elsewhere/x.obj", "c")
    assert listed(tmp_path, val=name).assign([mesh]) == ([(mesh, "val")], [])


def test_a_bare_name_stands_for_every_mesh_of_that_name(tmp_path: Path) -> None:
    found, _ = listed(tmp_path, val="a").assign(meshes("c/a", "d/a", "d/b"))
    assert [mesh.id for mesh, _ in found] == ["c/a", "d/a"]


def test_a_full_name_goes_before_a_bare_one(tmp_path: Path) -> None:
    found, notes = listed(tmp_path, val="a", train="d/a").assign(meshes("c/a", "d/a"))
    assert [split for _, split in found] == ["val", "train"]
    assert notes == []


def test_contradictions_name_both_places(tmp_path: Path) -> None:
    with pytest.raises(DiscoverError) as caught:
        listed(tmp_path, train="a\nb\na\n", test="c\nb\n")
    assert str(caught.value) == (
        f"{tmp_path}/test.txt, line 2: 'b' is in 'test' here, and in 'train' in"
        f" {tmp_path}/train.txt, line 2"
    )


def test_a_file_that_names_none_of_the_meshes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DiscoverError) as caught:
        listed(tmp_path, train="\nx\ny").assign(meshes("c/a"))
    assert str(caught.value) == (
        "none of the 2 meshes in the split files exists: the first one listed is 'x'"
        f" ({tmp_path}/train.txt, line 2), the first one found 'c/a'"
    )
    with pytest.raises(DiscoverError, match="list no mesh"):
        listed(tmp_path, train="").assign(meshes("c/a"))


def test_fractions_and_files_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a")
    with pytest.raises(DiscoverError, match="give either fractions, once, or files"):
        read_splits([str(tmp_path / "train.txt"), "0.5,0.5,0"])

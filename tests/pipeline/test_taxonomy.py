import json

import pytest
from support.folders import SHARED, needs_shared

from shapegan.pipeline.taxonomy import (
    SYNSETS,
    close_names,
    describe,
    is_synset,
    match_rank,
    synsets,
)


def test_holds_all_categories_of_both_versions() -> None:
    assert len(SYNSETS) == 57
    only_in_version_1 = {"02834778", "02858304"}
    assert SYNSETS.keys() > only_in_version_1
    assert all(is_synset(synset) for synset in SYNSETS)
    assert list(SYNSETS) == sorted(SYNSETS)


@needs_shared
def test_agrees_with_shapenets_own_taxonomy() -> None:
    rows = json.loads((SHARED / "shapenet_taxonomy.json").read_text())
    names = {row["synsetId"]: row["name"].replace("-", " ").split(",") for row in rows}
    children = {child for row in rows for child in row["children"]}
    assert names.keys() - children <= SYNSETS.keys()
    for synset, ours in SYNSETS.items():
        folded = [name.replace("-", " ") for name in ours]
        assert folded[0] == names[synset][0]
        for name in names[synset]:  # the longest list is cut off there, in mid-word
            assert any(one.startswith(name) for one in folded), (synset, name)


@pytest.mark.parametrize(
    ("word", "synset"),
    [
        *(("03001627", "03001627"), ("3001627", "03001627"), ("chair", "03001627")),
        *(("Chairs", "03001627"), (" CHAIR", "03001627"), ("plane", "02691156")),
        *(("aeroplane", "02691156"), ("airplanes", "02691156"), ("couches", "04256520")),
        *(("benches", "02828884"), ("knives", "03624134"), ("bookshelves", "02871439")),
        *(("buses", "02924116"), ("letter boxes", "03710193"), ("file_cabinet", "03337140")),
        *(("trash-bin", "02747177"), ("Remote  Controls", "04074963"), ("mikes", "03759954")),
        *(("monitor", "03211117"), ("motorbikes", "03790512"), ("keyboard", "03085013")),
        *(("cellphone", "02992529"), ("boat", "02858304"), ("watercraft", "04530566")),
    ],
)
def test_knows_names_in_any_case_and_number(word: str, synset: str) -> None:
    assert synsets(word) == {synset}


def test_a_name_may_have_two_synsets() -> None:
    assert synsets("bike") == {"02834778", "03790512"}
    assert synsets("phones") == {"03261776", "04401088"}


@pytest.mark.parametrize("word", ["", "chai", "99999999", "03001628", "tube", "cape", "canes"])
def test_unknown_names_have_no_synset(word: str) -> None:
    assert synsets(word) == frozenset()


@pytest.mark.parametrize(
    ("word", "category", "expected"),
    [
        *(("chair", "chair", 3), ("03001627", "03001627", 3), ("3001627", "03001627", 3)),
        *(("Chair", "chairs", 2), ("chairs", "Chair", 2), ("office_chair", "Office chairs", 2)),
        *(("chair", "03001627", 1), ("sofa", "couches", 1), ("03001627", "Chairs", 1)),
        *(("chair", "04256520", 0), ("chair", "armchair", 0), ("tub", "tube", 0), ("a", "", 0)),
        *(("batteries", "Battery", 2), ("cap", "cape", 0), ("can", "canes", 0)),
    ],
)
def test_match_rank_of_a_word_and_a_folder(word: str, category: str, expected: int) -> None:
    assert match_rank(word, category) == expected


def test_close_names_are_those_of_the_categories_there() -> None:
    assert close_names("chiar", ["03001627", "04256520"]) == ["chair"]
    assert close_names("chiar", ["04256520"]) == []
    assert close_names("Scopja", ["Scopia", "Reallusion"]) == ["scopia"]


@pytest.mark.parametrize("name", ["3001627", "003001627", "13001627", "0300162x", "20240131", ""])
def test_words_are_not_synsets(name: str) -> None:
    assert not is_synset(name)


def test_describes_what_it_knows() -> None:
    assert describe("03001627") == "03001627 (chair)"
    assert describe("armchairs") == "armchairs"

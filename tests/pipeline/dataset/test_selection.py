from pathlib import Path

import pytest
from support.gallery import make_gallery

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice, ChoiceError, ids_named


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(make_gallery(tmp_path_factory.mktemp("gallery")))


def test_ids_keep_their_order(dataset: Dataset) -> None:
    assert Choice(ids=("ball4", "ball0")).numbers(dataset) == [4, 0]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("c/b", ["c/b"]),
        ("b", ["c/b", "d/b"]),
        ("/b", ["c/b", "d/b"]),
        ("ab", ["c/ab"]),
        ("c", ["c"]),
        ("/ab", ["c/ab"]),
        ("x/c/b", []),
        ("", []),
    ],
)
def test_a_whole_id_goes_before_a_name_and_a_name_before_an_end(
    word: str, expected: list[str]
) -> None:
    assert ids_named(word, ["c/ab", "c/b", "d/b", "c", "d/c"]) == expected


def test_the_end_of_an_id_chooses_a_shape(dataset: Dataset) -> None:
    assert Choice(ids=("l4", "ball0")).numbers(dataset) == [4, 0]


def test_the_worst_come_first(dataset: Dataset) -> None:
    assert Choice(worst=3).numbers(dataset) == [1, 4, 3]
    assert Choice(worst=100).numbers(dataset) == [1, 4, 3, 0, 5, 2]


def test_shapes_without_a_recall_come_last(tmp_path: Path) -> None:
    out = make_gallery(tmp_path)
    table = out / "meshes.csv"
    table.write_text(table.read_text().replace("0.85", ""))
    assert Choice(worst=6).numbers(Dataset(out)) == [4, 3, 0, 5, 2, 1]


def test_a_random_choice_depends_on_the_seed_alone(dataset: Dataset) -> None:
    choices = [Choice(count=3, seed=seed).numbers(dataset) for seed in range(20)]
    assert choices == [Choice(count=3, seed=seed).numbers(dataset) for seed in range(20)]
    assert all(len(set(numbers)) == 3 and numbers == sorted(numbers) for numbers in choices)
    assert {number for numbers in choices for number in numbers} == set(range(6))


def test_a_choice_holds_at_most_all_shapes(dataset: Dataset) -> None:
    assert Choice(count=50).numbers(dataset) == list(range(6))


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("bal3", "no mesh bal3 in .*: similar ids: ball3"),
        ("", "no mesh"),
        ("something else", "meshes.csv lists them all"),
        ("ball7", r"ball7 is not in the dataset \(failed: empty file\)"),
    ],
)
def test_an_unknown_id_is_refused_with_a_reason(dataset: Dataset, id_: str, words: str) -> None:
    with pytest.raises(ChoiceError, match=words):
        Choice(ids=("ball0", id_)).numbers(dataset)


def test_a_choice_describes_itself() -> None:
    texts = [str(Choice(ids=("a",), worst=3)), str(Choice(worst=3)), str(Choice(seed=7))]
    assert texts == ["chosen by id", "lowest surface recall first", "at random (seed 7)"]

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.examples import examples

from shapegan.pipeline.inputs.folders import DiscoverError
from shapegan.pipeline.inputs.split_files import read_split_file, standard_split


def read(tmp_path: Path, name: str, text: str | bytes) -> list[tuple[str, str]]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(entry.name, entry.split) for entry in read_split_file(path)]


def test_shapenets_own_csv(tmp_path: Path) -> None:
    text = (
        "id,synsetId,subSynsetId,modelId,split\r\n"
        "000003,02691156,3335030,1a2b,train\r\n"
        "000004,3001627,03001627,3c4d,val\r\n"
    )
    path = tmp_path / "all.csv"
    path.write_text(text)
    first, second = read_split_file(path)
    assert (first.name, first.split, first.alias) == ("02691156/1a2b", "train", "03335030/1a2b")
    assert (second.name, second.split) == ("03001627/3c4d", "val")
    assert second.location == f"{path}, line 3"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("id,split\nchairs/a,train\n", "chairs/a"),
        ("\ufeffModel_ID , Set\n a , Training\n", "a"),
        ("split,file\ntrain,a.obj\n", "a"),
        ("category,mesh-id,subset\nchairs,a,train\n", "chairs/a"),
        ("category,id,split\nchairs,chairs/a,train\n", "chairs/a"),
        ('id,split\n"a, b",train\n\n', "a, b"),
        ("id,category,path,split\n03001627/a,03001627,x/y.obj,train\n", "03001627/a"),
    ],
)
def test_other_csvs(tmp_path: Path, text: str, name: str) -> None:
    assert read(tmp_path, "s.csv", text) == [(name, "train")]


def test_an_empty_split_is_one(tmp_path: Path) -> None:
    assert read(tmp_path, "s.csv", "id,split\na,\n") == [("a", "")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,train\n", "line 1: expected a header with columns such as id and split, got 'a,train'"),
        ("", "line 1: expected a header"),
        ("id,fold\na,1\n", "line 1: expected a header"),
        ("id,split\na,train\nb\n", "line 3: expected 2 cells, got 1"),
        ("id,split\na,train,x\n", "line 2: expected 2 cells, got 3"),
        ("id,split\n,train\n", "line 2: the mesh's name is empty"),
        ('id,split\na,"tr"ain\n', "line 2: "),
        (
            "\x0b" + "x" * 999,
            r"line 1: expected a header with columns such as id and split, got"
            rf" '\x0b{'x' * 79}'",
        ),
        (b"id,split\na,train\n\xff\xfe,test\n", "line 3: not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_bad_csv_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DiscoverError) as caught:
        read(tmp_path, "s.csv", text)
    assert str(caught.value).startswith(f"{tmp_path}/s.csv, {message}")
    assert "\n" not in str(caught.value)


def test_deepsdfs_json_takes_the_split_from_its_name(tmp_path: Path) -> None:
    text = json.dumps({"ShapeNetV2": {"03001627": ["a", "b"], "04256520": ["c"]}})
    named = ["03001627/a", "03001627/b", "04256520/c"]
    assert read(tmp_path, "sv2_chairs_train.json", text) == [(name, "train") for name in named]
    assert read(tmp_path, "sv2_chairs_test_v3.json", text) == [(name, "test") for name in named]


@pytest.mark.parametrize(
    "content",
    [
        {"train": ["c/a"], "valid": ["c/b"]},
        {"training": {"c": ["a"]}, "val": {"c": ["b"]}},
        {"Mine": {"train": {"c": ["a"]}, "Validation": {"c": ["b"]}}},
        {"c": {"train": ["a"], "val": ["b"]}},
        {"Mine": {"train": ["c/a"], "val": ["c/b"]}},
    ],
)
def test_json_with_splits_inside(tmp_path: Path, content: object) -> None:
    found = read(tmp_path, "all_test.json", json.dumps(content))
    assert found == [("c/a", "train"), ("c/b", "val")]


def test_json_that_is_one_list(tmp_path: Path) -> None:
    assert read(tmp_path, "test.json", '["a", "c/b.obj"]') == [("a", "test"), ("c/b", "test")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train":\n ["a",]}', "s.json, line 2: "),
        ('{"train": {"c": [1]}}', "s.json > train > c: expected lists of mesh ids"),
        ('{"train": [""]}', "s.json > train: expected lists of mesh ids"),
        ('{"a": "train"}', "s.json > a: expected lists of mesh ids"),
        ('{"a": {"b": {"c": {"d": []}}}}', "s.json > a > b > c: expected lists of mesh ids"),
        ("3", "s.json: expected lists of mesh ids"),
        ("[" * 100_000, "s.json: lists are nested too deeply"),
    ],
)
def test_a_bad_json_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DiscoverError) as caught:
        read(tmp_path, "s.json", text)
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.lst", "train"),
        ("my-VAL.txt", "val"),
        ("train_val.txt", "val"),
        ("trainees.txt", "trainees"),
    ],
)
def test_lists_take_the_split_from_their_name(tmp_path: Path, name: str, split: str) -> None:
    text = "a\r\n\n  c/b.obj  \n"
    assert read(tmp_path, name, text) == [("a", split), ("c/b", split)]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DiscoverError, match=r"expected a file in \.csv \.json \.txt \.lst"):
        read(tmp_path, "s.yaml", "a")
    with pytest.raises(DiscoverError, match="neither an existing file nor fractions"):
        list(read_split_file(tmp_path / "nowhere.csv"))
    with pytest.raises(DiscoverError, match="Is a directory"):
        list(read_split_file(tmp_path))


def test_usual_names() -> None:
    names = ["Train", "validation", "valid", "testing", "Mine"]
    assert [standard_split(name) for name in names] == ["train", "val", "val", "test", "Mine"]


@examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary() | st.text("id,split\n\"'[]{}:a/\\\0\r", max_size=60))
@pytest.mark.parametrize("suffix", ["csv", "json", "txt"])
def test_rubbish_is_read_or_refused_in_one_line(
    tmp_path: Path, suffix: str, text: str | bytes
) -> None:
    message = "fine"
    try:
        read(tmp_path, f"s.{suffix}", text)
    except DiscoverError as error:
        message = str(error)
    assert len(message.splitlines()) == 1

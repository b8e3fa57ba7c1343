import csv
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fakes import dataset_of

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.tables import read_table, table_text, write_table
from shapegan.pipeline.inputs.discover import discover

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
SPELLED = st.text(st.sampled_from('\\u05cdf0\n\udcff,"'), max_size=12)


@given(st.lists(st.tuples(ANY_TEXT | SPELLED, ANY_TEXT | SPELLED), max_size=4))
@example([("\udcff", "\\udcff")])
@example([("\\u005cudcff", "\\\udcff")])
@example([("a\rb\nc\x85d\u2028e\x00", "\ud83d\ude00")])
def test_every_text_comes_back_from_lines_of_valid_utf8(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    write_table(path, ("one", "two"), rows)
    assert [(row["one"], row["two"]) for row in read_table(path)] == rows
    assert len(path.read_bytes().decode("utf-8").splitlines()) == 1 + len(rows)


def test_printable_text_is_unchanged():
    texts = ("chairs/a.obj", "St\u00fchle/\u6905\u5b50.obj", "C:\\users\\new\\udon.obj", 'a "b", c')
    text = table_text(("path",), [(text,) for text in texts])
    assert [row["path"] for row in csv.DictReader(text.splitlines())] == list(texts)


@pytest.mark.parametrize("name", [b"st\xfchl.obj", b"two\nlines\r.obj", b"\\udcff\xff.obj"])
def test_a_dataset_knows_meshes_of_odd_names(tmp_path: Path, name: bytes) -> None:
    for file in (name, b"plain.obj"):
        path = tmp_path / "meshes" / os.fsdecode(file)
        path.parent.mkdir(exist_ok=True)
        path.write_text("ok")
    jobs = discover(tmp_path / "meshes").jobs
    out = dataset_of(jobs, tmp_path)
    for table in ("meshes.csv", "jobs.csv"):
        assert len((out / table).read_text(encoding="utf-8").splitlines()) == 3
    paths = [tmp_path / "meshes" / report.path for report in Dataset(out).reports]
    assert sorted(paths) == sorted(job.path for job in jobs)
    assert all(path.is_file() for path in paths)
    assert dataset_of(jobs, tmp_path) == out  # which a list of other meshes would refuse

import dataclasses
import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from support.fakes import make_dataset
from support.gallery import make_gallery

from shapegan.pipeline.dataset.inspection import (
    INSIDE_EDGES,
    RECALL_EDGES,
    Summary,
    histogram,
    print_inspection,
    summarise,
)
from shapegan.pipeline.dataset.manifest import DatasetError, read_manifest
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.schema import MeshReport


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gallery(tmp_path_factory.mktemp("gallery"))


def shown(summary: Summary, *, terminal: bool = False, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_inspection(summary, console)
    return console.file.getvalue()


def rows(text: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in text.splitlines()]


def test_counts_are_those_of_the_table(gallery: Path) -> None:
    summary = summarise(gallery)
    assert summary.counts() == {
        "03001627": {"ok": 3, "failed": 1},
        "lamps": {"ok": 3, "rejected": 2},
    }
    assert summary.methods() == {"winding": 4, "winding+sheets": 1, "flood": 1}
    on_disk = sum(path.stat().st_size for path in gallery.glob("shards/*.h5"))
    assert summary.bytes == on_disk > 0


def test_histograms_count_every_value_once() -> None:
    assert histogram([0.0, 0.5, 0.79, 0.8, 0.98, 0.995, 1.0], RECALL_EDGES).tolist() == [
        3,
        1,
        0,
        0,
        1,
        0,
        2,
    ]
    values = [k / 1000 for k in range(1001)]
    for edges in (RECALL_EDGES, INSIDE_EDGES):
        assert list(edges) == sorted(set(edges))
        assert histogram(values, edges).sum() == len(values)
    assert histogram([], RECALL_EDGES).sum() == 0


def test_prints_the_whole_summary(gallery: Path) -> None:
    text = shown(summarise(gallery))
    lines = rows(text)
    assert f"{gallery}: 6 shapes of 9 meshes" in text.replace("\n", "")
    each = sum(path.stat().st_size for path in gallery.glob("shards/*.h5")) / 6
    assert f"2 shards, {each / 1000:.3g} kB a shape" in text
    assert "voxels 8^3, 16^3; no points; method winding; seed 0" in text
    assert "splits: train 6" in text
    assert ["03001627", "(chair)", "3", "0", "1", "4"] in lines
    assert ["lamps", "3", "2", "0", "5"] in lines
    assert ["all", "6", "2", "1", "9"] in lines
    assert ["jumps:", "3.1%", "2", "rejected", "ball6"] in lines
    assert ["empty", "file", "1", "failed", "ball7"] in lines
    assert ["winding", "4", "66.7%"] in lines
    assert ["flood", "1", "16.7%"] in lines
    assert ["0.2", "0.5", "6", "#" * 40] in lines
    assert ["0.8", "0.9", "1", "#" * 20] in lines
    assert ["0.95", "0.98", "1", "#" * 20] in lines
    assert ["0.995", "1", "2", "#" * 40] in lines
    assert "lowest 0.8500, 5th percentile 0.8650, median 0.9800, highest 1.0000" in text
    # Seconds 0 to 5 of the accepted ones, and 10 of each of the others.
    assert "median 4.00, mean 5.00, most 10.00 (ball6); 45 s in all" in text
    assert "NOT COMPLETE" not in text


def test_without_a_terminal_it_is_plain(gallery: Path) -> None:
    text = shown(summarise(gallery))
    assert text.isascii()
    assert "\x1b" not in text
    assert not shown(summarise(gallery), terminal=True).isascii()


@pytest.mark.parametrize("width", [40, 200])
def test_narrow_and_wide_consoles_lose_no_reason(gallery: Path, width: int) -> None:
    summary = summarise(gallery)
    long = dataclasses.replace(summary.reports[7], reason="because " * 30 + "[red]so[/red]")
    reports = [*summary.reports[:7], long, *summary.reports[8:]]
    text = shown(dataclasses.replace(summary, reports=reports), width=width)
    assert text.count("because") == 30
    assert "[red]so[/red]" in text


def test_an_interrupted_run_says_so(gallery: Path) -> None:
    summary = summarise(gallery)
    shards = summary.manifest.shards[:1]
    manifest = dataclasses.replace(summary.manifest, shards=shards, complete=False)
    text = shown(dataclasses.replace(summary, manifest=manifest))
    assert "NOT COMPLETE: 1 of 3 shards are whole; the same `shapegan preprocess`" in text


def test_a_dataset_without_shapes_lists_the_reasons(tmp_path: Path) -> None:
    out = make_dataset(tmp_path, ["reject", "reject"])
    text = shown(summarise(out))
    assert ["looks", "bad", "2", "rejected", "mesh000"] in rows(text)
    assert "Methods" not in text


def test_values_that_were_not_measured_are_left_out(gallery: Path) -> None:
    report = MeshReport("a", "", "a.obj", "ok")
    text = shown(dataclasses.replace(summarise(gallery), reports=[report]))
    assert ["no", "category", "1", "0", "0", "1"] in rows(text)
    assert ["not", "recorded", "1", "100.0%"] in rows(text)
    assert "Surface recall" not in text
    assert "CPU seconds" not in text


def test_very_many_reasons_are_cut_short(gallery: Path) -> None:
    reports = [
        MeshReport(f"mesh{k}", "", "x", "failed", reason="because of " + chr(97 + k))
        for k in range(25)
    ]
    text = shown(dataclasses.replace(summarise(gallery), reports=reports))
    assert text.count("because of") == 20
    assert "... and 5 more reasons, see meshes.csv" in text


def test_refuses_a_folder_without_a_dataset(gallery: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not a dataset: cannot read dataset.json: No such"):
        summarise(tmp_path)
    copy = Path(shutil.copytree(gallery, tmp_path / "copy"))
    (copy / "meshes.csv").unlink()
    with pytest.raises(DatasetError, match=r"cannot read .*meshes.csv"):
        summarise(copy)
    started = dataclasses.replace(read_manifest(gallery), shards=(), complete=False, counts={})
    (copy / "dataset.json").write_text(started.to_json())
    with pytest.raises(DatasetError, match="unfinished and has no whole shard"):
        summarise(copy)
    (copy / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match="is not a manifest"):
        summarise(copy)


def test_agrees_with_the_reader(gallery: Path) -> None:
    assert [report.id for report in summarise(gallery).accepted] == Dataset(gallery).ids

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from support.training import make_solids

from shapegan.cli import main
from shapegan.model.generation.evaluation import EvaluationSettings, evaluate, find_nearest
from shapegan.model.generation.real_shapes import EvaluationError, read_real_shapes
from shapegan.model.generation.source import Source
from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.editing.split import split_dataset


class Balls(Generator):
    """Balls whose radius depends on the latent, in place of a network."""

    def decode(self, points, codes, chunk=None, *, eager=False):
        radius = 0.4 + 0.1 * codes[:, :1].clamp(-2, 2)
        return points.norm(dim=-1)[None] - radius


class Nothing(Generator):
    def decode(self, points, codes, chunk=None, *, eager=False):
        return torch.ones(len(codes), len(points))


def source(kind=Balls):
    config = GeneratorConfig(latent=4, width=8, depth=4)
    return Source("balls", kind(config).requires_grad_(False), 0.0, "voxel")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight spheres and boxes in `train`, two in `val`."""
    return make_solids(tmp_path_factory.mktemp("solids"))


SETTINGS = EvaluationSettings(split="val", count=4, emd_points=32, levels=(0.0, 0.1, -0.9))


@pytest.fixture(scope="module")
def found(data):
    return evaluate(source(), Dataset(data), SETTINGS)


def run(*words):
    return CliRunner().invoke(main, ["evaluate", *map(str, words)])


def test_rows_are_the_level_used_the_others_and_the_oracle(found):
    rows = [(row.name, row.level, row.validity.shapes) for row in found.rows]
    assert rows == [
        ("balls", 0.0, 4), ("balls", 0.1, 4), ("balls", -0.9, 4), ("training shapes", None, 4)
    ]  # fmt: skip
    assert [row.scores.emd is None for row in found.rows] == [False, True, True, False]
    assert [row.validity.filled for row in found.rows] == [1, 1, 0, 1]
    assert found.rows[0].validity.watertight == found.rows[0].validity.single_component == 1
    assert (found.settings.level, found.settings.resolution) == (0.0, 16)
    assert (found.accepted, found.meshes, len(found.real.ids)) == (10, 10, 2)


def test_as_many_are_generated_as_there_are_real_ones(data):
    found = evaluate(source(), Dataset(data), replace(SETTINGS, count=None, levels=()))
    assert found.rows[0].validity.shapes == 2


def test_nearest_training_shapes_of_balls_are_spheres(found):
    assert [one.seed for one in found.nearest] == [0, 1, 2, 3]
    assert all(int(one.id[-3:]) % 2 == 0 for one in found.nearest)  # odd ones are boxes


def test_copied_shapes_are_their_own_nearest_training_shapes(data):
    dataset = Dataset(data)
    known = read_real_shapes(dataset, dataset.splits["train"])
    nearest = find_nearest(known.surfaces, known, 5)
    assert [one.seed for one in nearest] == list(range(5, 13))
    boxes = [one for one in nearest if int(one.id[-3:]) % 2]
    assert [one.id for one in boxes] == known.ids[1::2]


def test_a_generator_of_empty_shapes_has_the_worst_scores(data):
    found = evaluate(source(Nothing), Dataset(data), replace(SETTINGS, levels=()))
    chamfer = found.rows[0].scores.chamfer
    assert (chamfer.coverage, chamfer.mmd, chamfer.one_nna) == (0, None, 1)
    assert found.nearest == []


def test_writes_json_a_table_a_picture_and_views(data, tmp_path, monkeypatch):
    monkeypatch.setattr("shapegan.model.generation.source.open_source", lambda *_: source())
    monkeypatch.setattr("shapegan.model.shapes.fid_views.VIEW_SIZE", 16)
    out, renders = tmp_path / "out", tmp_path / "views"
    words = ("any", "--data", data, "--split", "val", "--count", 2, "--emd-points", 16)
    result = run(*words, "--levels", "0.05", "--out", out, "--renders", renders, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content == json.loads((out / "evaluation.json").read_text())
    assert content["settings"]["points"] == 2048
    assert [row["level"] for row in content["rows"]] == [0.0, 0.05, None]
    assert list(content["rows"][0]["scores"]) == ["chamfer", "emd", "jsd"]
    assert list(content["rows"][0]["scores"]["emd"]) == ["coverage", "mmd", "one_nna"]
    table = (out / "evaluation.md").read_text().splitlines()
    assert len({line.count("|") for line in table[:5]}) == 1
    assert "10 of 10 meshes" in "".join(table)
    with Image.open(out / "nearest.png") as picture:
        assert np.asarray(picture).std() > 10
    assert len(list((renders / "generated").rglob("*.png"))) == 2 * 20
    assert (renders / "generated" / "view-19" / "seed-000001.png").exists()
    assert (renders / "real" / "view-00" / "solid009.png").exists()
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json", "evaluation.md", "nearest.png"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--split", "test"], ["has no split 'test', it has: train, val"]),
        (["--levels", "a"], ["takes numbers separated by commas"]),
        (["--levels", "0,7"], ["takes levels from -1 to 1"]),
        (["--data", "nowhere"], ["nowhere is not a dataset"]),
    ],
)
def test_bad_input_is_one_line(data, change, words, monkeypatch, tmp_path):
    monkeypatch.setattr("shapegan.model.generation.source.open_source", lambda *_: source())
    out = tmp_path / "out"
    result = run("any", "--data", data, "--out", out, *change)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert all(word in result.stderr for word in words)
    assert not out.exists()


def test_a_split_of_one_is_refused(tmp_path):
    single = make_solids(tmp_path, shapes=4)
    with pytest.raises(EvaluationError, match="has 1 shape: expected at least 2"):
        evaluate(source(), Dataset(single), SETTINGS)


def test_without_splits_all_shapes_are_taken_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("shapegan.model.generation.source.open_source", lambda *_: source())
    path = make_solids(tmp_path, shapes=4)
    split_dataset(path)
    words = ("--data", path, "--count", 2, "--levels", "", "--emd-points", 0)
    result = run("any", *words)
    assert result.exit_code == 0, result.output
    assert "has no splits: compared with all 5 shapes" in result.stderr
    assert f"against all 5 shapes of {path}" in result.stdout
    assert json.loads(run("any", *words, "--json").stdout)["split"] == ""
    result = run("any", *words, "--split", "test")
    assert result.exit_code == 2
    assert "has no split 'test', it has: none; name one" in result.stderr


def test_another_kind_of_source_is_refused(data):
    result = run(Path(__file__), "--data", data)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1

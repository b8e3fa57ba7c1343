"""Exported files become datasets again; refusals and interruptions."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.exchanged import CONFIG
from support.fakes import digests
from support.foreign import ball_rows, in_order, write_deepsdf, write_occnet
from support.killed import killed
from support.one_line import check_one_line
from support.training import AUTODECODER, make_solids, quick
from support.training import run as train

from shapegan.cli import main
from shapegan.pipeline import schema
from shapegan.pipeline.config import ImportConfig, PreprocessConfig
from shapegan.pipeline.dataset.manifest import DatasetError, read_manifest
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.editing.merge import merge_datasets
from shapegan.pipeline.exchange.export import export_dataset
from shapegan.pipeline.exchange.importing import ImportSettings, import_dataset
from shapegan.pipeline.exchange.kinds import IMPORTS


@pytest.fixture(scope="module")
def exports(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    for kind in IMPORTS:
        export_dataset(path, kind, folder / kind)
    return folder


def run(*words: object):
    return CliRunner().invoke(main, ["import", *map(str, words)])


def same_facts(mine: Dataset, theirs: Dataset) -> None:
    assert sorted(mine.ids) == sorted(theirs.ids)
    for index, id_ in enumerate(mine.ids):
        other = theirs.ids.index(id_)
        assert mine.categories[index] == theirs.categories[other]
        assert mine.accepted[index].split == theirs.accepted[other].split
        a, b = mine.frame(index), theirs.frame(other)
        np.testing.assert_array_equal(a.center, b.center)
        assert (a.scale_cube, a.scale_sphere) == (b.scale_cube, b.scale_sphere)
        assert "estimated" not in mine.accepted[index].notes


@pytest.mark.parametrize("kind", ["deepsdf", "shapegan"])
def test_a_round_trip_loses_nothing_that_a_shard_holds(path, exports, tmp_path, kind):
    result = run(exports / kind, "--from", kind, "--out", tmp_path / "back")
    assert result.exit_code == 0, result.output
    assert "6 of 6 meshes are in 1 shard" in result.stderr
    dataset, before = Dataset(tmp_path / "back"), Dataset(path)
    dataset.verify()
    same_facts(dataset, before)
    sets = ("cloud",) if kind == "deepsdf" else ("uniform", "surface", "cloud")
    assert dataset.point_sets == sets
    for index, id_ in enumerate(dataset.ids):
        other = before.ids.index(id_)
        for name in sets:
            np.testing.assert_array_equal(
                in_order(dataset, index, name), in_order(before, other, name)
            )
        for resolution in dataset.resolutions:
            np.testing.assert_array_equal(
                dataset.stored(index, schema.voxel_name(resolution)),
                before.stored(other, schema.voxel_name(resolution)),
            )
    assert dataset.resolutions == (() if kind == "deepsdf" else (4, 8))


def test_pairs_stay_pairs(path, exports, tmp_path):
    import_dataset(exports / "shapegan", tmp_path / "back", ImportSettings("shapegan"))
    dataset, before = Dataset(tmp_path / "back"), Dataset(path)
    stored = {}
    for index, id_ in ((0, dataset.ids[0]), (before.ids.index(dataset.ids[0]), None)):
        of = dataset if id_ else before
        uniform, surface = (of.points(index, name)[0] for name in ("uniform", "surface"))
        stored[id_] = {tuple(a): tuple(b) for a, b in zip(uniform, surface, strict=True)}
    first, second = stored.values()
    assert first == second
    assert list(first) != list(second)  # in another random order


def test_a_round_trip_through_occupancies_keeps_the_points_in_the_ball(tmp_path):
    path = make_solids(tmp_path, shapes=4)
    export_dataset(path, "occnet", tmp_path / "out")
    import_dataset(tmp_path / "out", tmp_path / "back", ImportSettings("occnet"))
    dataset, before = Dataset(tmp_path / "back"), Dataset(path)
    same_facts(dataset, before)
    for index in range(len(dataset)):
        mine = {tuple(row) for row in in_order(dataset, index, "cloud")}
        assert mine <= {tuple(row) for row in in_order(before, index, "uniform")}
        assert 0.9 * dataset.config.points < len(mine) <= dataset.config.points
        assert dataset.config.points > 1000


def test_datasets_of_one_import_are_merged_inspected_and_read(exports, tmp_path):
    folder = tmp_path / "deepsdf"
    for name in ("chairs", "planes"):
        shutil.copytree(exports / f"deepsdf/SdfSamples/dataset/{name}",
                        tmp_path / name / "SdfSamples/x" / name)  # fmt: skip
        import_dataset(tmp_path / name, tmp_path / f"{name}-data", ImportSettings("deepsdf"))
    merge_datasets([tmp_path / "chairs-data", tmp_path / "planes-data"], folder)
    assert len(Dataset(folder)) == 5
    Dataset(folder).verify()
    result = CliRunner().invoke(main, ["inspect", str(folder)])
    assert result.exit_code == 0, result.output
    assert "imported from deepsdf; voxels none; points: cloud 100;" in result.output
    picture = ("--picture", str(tmp_path / "a.png"))
    check_one_line(CliRunner().invoke(main, ["inspect", str(folder), *picture]), "has no voxels")
    assert Dataset(folder).shape(0).voxels == {}


def test_an_autodecoder_trains_on_an_imported_mix(tmp_path):
    path = make_solids(tmp_path)
    export_dataset(path, "deepsdf", tmp_path / "out")
    import_dataset(tmp_path / "out", tmp_path / "back", ImportSettings("deepsdf"))
    assert Dataset(tmp_path / "back").config.points == 2 * 8192
    checkpoint = train(AUTODECODER, quick(tmp_path / "back", tmp_path / "run"))
    assert checkpoint.position.total == 20


# --- refusals, interruptions ---------------------------------------------------------------------


def test_bad_sources_are_one_line(tmp_path, exports):
    out = ("--out", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    for kind, words in (
        ("deepsdf", "has no folder SdfSamples"),
        ("shapegan", "has none of voxels_64/"),
        ("occnet", "has no CATEGORY/MODEL/points.npz"),
    ):
        check_one_line(run(tmp_path / "empty", "--from", kind, *out), words)
    (tmp_path / "empty/SdfSamples").mkdir()
    check_one_line(
        run(tmp_path / "empty", "--from", "deepsdf", *out), "has no NAME/CLASS/INSTANCE.npz"
    )
    result = run(exports / "occnet", "--from", "occnet", "--radius", "1", *out)
    check_one_line(result, "--radius has no effect")
    write_deepsdf(tmp_path / "twice", "A/chairs/a", ball_rows(0.9, 50, 0))
    write_deepsdf(tmp_path / "twice", "B/chairs/a", ball_rows(0.9, 50, 0))
    check_one_line(run(tmp_path / "twice", "--from", "deepsdf", *out), "'chairs/a' is the id of")
    torn = write_deepsdf(tmp_path / "torn", "A/chairs/a", ball_rows(0.9, 50, 0))
    torn.write_bytes(b"PK")
    check_one_line(run(tmp_path / "torn", "--from", "deepsdf", *out), "no file has points")
    (tmp_path / "table").mkdir()
    (tmp_path / "table/shapes.csv").write_text("id\n3\n")
    check_one_line(run(tmp_path / "table", "--from", "deepsdf", *out), "cannot read")
    assert not (tmp_path / "out").exists()


def test_a_name_in_two_lists_is_one_line(tmp_path):
    write_occnet(tmp_path / "a/c/0", 0)
    for split in ("train", "test"):
        (tmp_path / f"a/c/{split}.lst").write_text("0")
    result = run(tmp_path / "a", "--from", "occnet", "--out", tmp_path / "out")
    check_one_line(result, "'c/0' is in")


def test_other_settings_for_the_same_folder_are_refused(exports, tmp_path):
    words = (exports / "deepsdf", "--from", "deepsdf", "--out", tmp_path / "out")
    assert run(*words).exit_code == 0
    result = run(*words, "--points", "50")
    assert result.exit_code == 2
    assert "points: 100 -> 50" in result.stderr


@pytest.mark.parametrize("flushes", [0, 9, 21, 30])
def test_a_killed_import_leaves_nothing_half_written_and_resumes(exports, tmp_path, flushes):
    source, out = exports / "shapegan", tmp_path / "out"
    import_dataset(source, tmp_path / "undisturbed", ImportSettings("shapegan", shard_size=2))
    words = ["import", source, "--from", "shapegan", "--out", out, "--shard-size", 2]
    killed(flushes, *words)
    if (out / "dataset.json").exists():
        with pytest.raises(DatasetError, match="has no shards yet"):
            Dataset(out)
    assert run(*words[1:]).exit_code == 0
    assert digests(out) == digests(tmp_path / "undisturbed")
    Dataset(out).verify()
    assert not list(out.rglob(".*.tmp"))


def test_the_settings_are_those_of_an_import_again(exports, tmp_path):
    import_dataset(exports / "deepsdf", tmp_path / "out", ImportSettings("deepsdf"))
    config = read_manifest(tmp_path / "out").config
    assert isinstance(config, ImportConfig)
    assert PreprocessConfig.from_dict(config.to_dict()) == config
    assert type(PreprocessConfig.from_dict(CONFIG.to_dict())) is PreprocessConfig

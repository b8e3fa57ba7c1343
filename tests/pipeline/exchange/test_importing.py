"""Files of other projects become datasets: round trips, and files that shapegan did not write."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.exchanged import CONFIG, make_odd_dataset
from support.fakes import digests, python_path
from support.one_line import check_one_line
from support.training import AUTODECODER, make_solids, quick, solid
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
from shapegan.pipeline.exchange.sources import extent, reach


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_odd_dataset(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def exports(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    for kind in IMPORTS:
        export_dataset(path, kind, folder / kind)
    return folder


def run(*words: object):
    return CliRunner().invoke(main, ["import", *map(str, words)])


def in_order(dataset: Dataset, index: int, name: str) -> np.ndarray:
    """Points and distances as stored, in an order that does not depend on how they lie there."""
    positions = dataset.stored(index, schema.position_name(name))
    sdf = dataset.stored(index, schema.sdf_name(name)).astype(np.float64)
    rows = np.column_stack([positions, sdf])
    return rows[np.lexsort(rows.T)]


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


# --- files that shapegan did not write -----------------------------------------------------------


def ball_rows(radius: float, count: int, seed: int) -> np.ndarray:
    """Points near a ball of this radius, and some in the cube around, with distances."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(count, 3))
    near = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    near *= radius + rng.normal(scale=0.003, size=(count, 1))
    points = np.concatenate([near, rng.uniform(-1, 1, (count // 20, 3))])
    sdf = np.linalg.norm(points, axis=1) - radius
    return np.column_stack([points, sdf]).astype(np.float32)


def write_deepsdf(folder: Path, name: str, rows: np.ndarray) -> Path:
    path = folder / "SdfSamples" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    outside = rows[:, 3] > 0
    np.savez(path, pos=rows[outside], neg=rows[~outside])
    return path


def test_deepsdfs_own_files_are_read(tmp_path):
    """Balls as large as its normalisation makes them, NaN, points beyond the frame."""
    source = tmp_path / "data"
    for number in range(5):
        rows = ball_rows(1 / 1.03, 1000, number)
        rows[5, 3] = np.nan
        write_deepsdf(source, f"ShapeNetV2/03001627/{number:032x}", rows)
    torn = write_deepsdf(source, "ShapeNetV2/03001627/torn", rows)
    torn.write_bytes(torn.read_bytes()[:1000])
    offset, scale = np.array([1.0, 2.0, 3.0]), np.array([1 / (1.03 * 7)])
    normalization = source / "NormalizationParameters/ShapeNetV2/03001627"
    normalization.mkdir(parents=True)
    np.savez(normalization / f"{0:032x}.npz", offset=offset, scale=scale)
    split = tmp_path / "sv2_chairs_train.json"
    names = [f'"{number:032x}"' for number in range(3)] + ['"torn"']
    split.write_text(f'{{"ShapeNetV2": {{"03001627": [{", ".join(names)}]}}}}')
    words = (source, "--from", "deepsdf", "--splits", split, "--out", tmp_path / "out")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "meshes left out because no split lists them: 2" in result.stderr
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == [f"03001627/{number:032x}" for number in range(3)]
    assert dataset.splits == {"train": [0, 1, 2]}
    assert dataset.config.points == 1050
    positions, sdf = dataset.points(0, "cloud")
    assert np.abs(np.linalg.norm(positions, axis=1) - 1 - sdf).max() < 1e-3
    frame = dataset.frame(0)
    np.testing.assert_allclose(frame.center, [-1, -2, -3])
    assert frame.scale_sphere == pytest.approx(7)
    assert frame.scale_cube == pytest.approx(7, rel=0.02)
    assert dataset.frame(1).scale_sphere == 1
    assert "scale_cube is estimated from the points; " in dataset.accepted[0].notes
    assert "of 1,050 points repeat" in dataset.accepted[0].notes
    failed = dataset.reports[-1]
    assert (failed.id, failed.status) == ("03001627/torn", "failed")
    assert "cannot be read" in failed.reason
    assert "\n" not in failed.reason
    other = (*words[:-1], tmp_path / "unit", "--radius", "1", "--points", "500")
    assert run(*other).exit_code == 0
    positions, _ = Dataset(tmp_path / "unit").points(0, "cloud")
    assert len(positions) == 500
    assert np.median(np.linalg.norm(positions, axis=1)) == pytest.approx(1 / 1.03, rel=0.01)


def test_the_folder_of_samples_may_be_named_itself(tmp_path):
    write_deepsdf(tmp_path, "Shapes/chairs/a", ball_rows(0.9, 100, 0))
    import_dataset(tmp_path / "SdfSamples", tmp_path / "out", ImportSettings("deepsdf"))
    assert Dataset(tmp_path / "out").ids == ["chairs/a"]


def write_occnet(folder: Path, number: int, *, surface: bool = True) -> None:
    """A solid in OccNet's frame: half the size of ours."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    points = rng.uniform(-0.55, 0.55, (4000, 3)).astype(np.float16)
    inside = solid(number)(2 * points.astype(np.float64)) < 0
    np.savez(folder / "points.npz", points=points, occupancies=np.packbits(inside),
             loc=[4.0, 5.0, 6.0], scale=3.0)  # fmt: skip
    if surface:
        direction = rng.normal(size=(20_000, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        radius = -solid(number)(np.zeros((1, 3)))[0] / 2
        np.savez(folder / "pointcloud.npz", points=(radius * direction).astype(np.float16),
                 normals=direction.astype(np.float16), loc=[4.0, 5.0, 6.0], scale=3.0)  # fmt: skip


def test_occupancies_get_their_distances_from_the_surface_points(tmp_path):
    source = tmp_path / "ShapeNet"
    for number in (0, 2):
        write_occnet(source / f"02691156/ball{number}", number)
    write_occnet(source / "02691156/bare", 4, surface=False)
    (source / "02691156/train.lst").write_text("ball0\nbare")
    (source / "02691156/val.lst").write_text("ball2\n")
    (source / "metadata.yaml").touch()
    import_dataset(source, tmp_path / "out", ImportSettings("occnet"))
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == ["02691156/ball0", "02691156/ball2"]
    assert {split: len(found) for split, found in dataset.splits.items()} == {"train": 1, "val": 1}
    assert dataset.reports[-1].reason.startswith("has no pointcloud.npz, and occupancies alone")
    for index, number in enumerate((0, 2)):
        radius = -float(solid(number)(np.zeros((1, 3)))[0])
        frame = dataset.frame(index)
        np.testing.assert_array_equal(frame.center, [4, 5, 6])
        assert frame.scale_cube == 1.5
        assert frame.scale_sphere == pytest.approx(1.5 * radius, rel=0.01)
        positions, sdf = dataset.points(index, "cloud")
        expected = np.linalg.norm(positions, axis=1) - 1
        assert np.abs(sdf - expected).max() < 0.02
        assert "approximated from pointcloud.npz" in dataset.accepted[index].notes


def test_occupancies_need_not_be_packed(tmp_path):
    write_occnet(tmp_path / "a/0/0", 0)
    write_occnet(tmp_path / "b/0/0", 0)
    with np.load(tmp_path / "b/0/0/points.npz") as arrays:
        values = dict(arrays)
    values["occupancies"] = np.unpackbits(values["occupancies"]).astype(bool)
    np.savez(tmp_path / "b/0/0/points.npz", **values)
    for name in "ab":
        import_dataset(tmp_path / name, tmp_path / f"{name}-out", ImportSettings("occnet"))
    same = [in_order(Dataset(tmp_path / f"{name}-out"), 0, "cloud") for name in "ab"]
    np.testing.assert_array_equal(*same)


def test_folders_of_the_paper_have_estimated_frames(tmp_path):
    source = tmp_path / "chairs"
    for name in ("voxels_8", "uniform", "surface"):
        (source / name).mkdir(parents=True)
    rows = ball_rows(0.7, 500, 0)
    for number in range(3):
        np.save(source / f"voxels_8/{number}.npy", np.full((8, 8, 8), -0.1))
        np.save(source / f"uniform/{number}.npy", rows.astype(np.float64))
        np.save(source / f"surface/{number}.npy", rows)
    (source / "surface/2.npy").unlink()
    np.save(source / "voxels_8/3.npy", np.zeros((8, 8)))
    (source / "bad_meshes").mkdir()
    (source / "train.txt").write_text("0\n1\n")
    import_dataset(source, tmp_path / "out", ImportSettings("shapegan"))
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == ["chairs/0", "chairs/1"]
    assert dataset.categories == ["chairs", "chairs"]
    assert dataset.splits == {"train": [0, 1]}
    assert dataset.frame(0).scale_cube == pytest.approx(0.7, rel=0.02)
    assert dataset.frame(0).scale_sphere == 1
    reasons = {report.id: report.reason for report in dataset.reports}
    assert reasons["chairs/2"] == "has no file of surface, which other shapes have"
    assert reasons["chairs/3"].startswith("3.npy: expected numbers (8, 8, 8), got float64 (8, 8)")


def test_files_beside_one_another_share_one_frame(tmp_path):
    (tmp_path / "sdf/birds").mkdir(parents=True)
    for name in ("crow", "gull"):
        np.save(tmp_path / f"sdf/birds/{name}-sdf.npy", ball_rows(0.9, 300, 1))
        np.save(tmp_path / f"sdf/birds/{name}-voxels-4.npy", np.ones((4, 4, 4)))
    import_dataset(tmp_path / "sdf", tmp_path / "out", ImportSettings("shapegan"))
    dataset = Dataset(tmp_path / "out")
    assert dataset.ids == ["birds/crow", "birds/gull"]
    assert (dataset.resolutions, dataset.point_sets) == ((4,), ("cloud",))
    assert dataset.frame(0).scale_cube == dataset.frame(0).scale_sphere == 1
    assert dataset.accepted[0].notes == ""


def test_voxels_alone_are_enough(tmp_path):
    (tmp_path / "chairs/voxels_16").mkdir(parents=True)
    grid = schema.grid_points(16).reshape(16, 16, 16, 3)
    np.save(tmp_path / "chairs/voxels_16/a.npy", np.linalg.norm(grid, axis=-1) - 1)
    np.save(tmp_path / "chairs/voxels_16/b.npy", np.full((16, 16, 16), np.nan))
    import_dataset(tmp_path / "chairs", tmp_path / "out", ImportSettings("shapegan"))
    dataset = Dataset(tmp_path / "out")
    assert (dataset.ids, dataset.point_sets) == (["chairs/a"], ())
    assert dataset.frame(0).scale_sphere == pytest.approx(1, rel=1e-3)
    assert dataset.reports[1].reason == "nothing inside: no point has a negative distance"


def test_sizes_are_estimated_from_distances():
    rows = ball_rows(0.5, 2000, 3)
    rows[:, :3] += [0.2, 0, 0]
    assert extent(rows) == pytest.approx(0.5, rel=0.01)
    assert reach(rows) == pytest.approx(0.7, rel=0.01)


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


KILLED = """
import os, signal, sys
real, left = os.fsync, [int(sys.argv[1])]

def fsync(handle):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(handle)

os.fsync = fsync
from shapegan.cli import main
main(sys.argv[2:], prog_name="shapegan")
"""


@pytest.mark.parametrize("flushes", [0, 9, 21, 30])
def test_a_killed_import_leaves_nothing_half_written_and_resumes(exports, tmp_path, flushes):
    source, out = exports / "shapegan", tmp_path / "out"
    import_dataset(source, tmp_path / "undisturbed", ImportSettings("shapegan", shard_size=2))
    words = ["import", source, "--from", "shapegan", "--out", out, "--shard-size", 2]
    program = [sys.executable, "-c", KILLED, flushes, *words]
    done = subprocess.run(
        list(map(str, program)),
        env=os.environ | {"PYTHONPATH": python_path()},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
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

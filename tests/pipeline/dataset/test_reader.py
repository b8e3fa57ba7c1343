"""The reader of datasets: shapes whole and in windows, also from several processes."""

import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.fakes import first_value, make_dataset, make_shape
from support.read_dataset import BEHAVIOURS, CONFIG, IDS

from shapegan.pipeline import schema
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset import open_shards
from shapegan.pipeline.dataset.reader import Dataset


def test_knows_its_shapes(made: Path) -> None:
    dataset = Dataset(made)
    assert len(dataset) == 4
    assert dataset.ids == IDS
    assert dataset.categories == ["chairs"] * 4
    assert dataset.splits == {"train": [0, 1, 2], "val": [3]}
    assert dataset.manifest.splits == {"train": IDS[:3], "val": IDS[3:]}
    assert dataset.manifest.counts == {"ok": 4, "rejected": 4}
    assert dataset.manifest.complete
    assert [report.reason for report in dataset.reports] == [
        "" if what == "ok" else "looks bad" for what in BEHAVIOURS
    ]
    assert [(r.shard, r.row) for r in dataset.accepted] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert dataset.config == CONFIG
    assert dataset.resolutions == (4, 8)
    assert dataset.point_sets == ("uniform", "surface")


@pytest.mark.parametrize("index", [0, 1, 2, 3, -1])
def test_gives_each_shape_its_own_numbers(made: Path, index: int) -> None:
    dataset = Dataset(made)
    expected = make_shape(IDS[index], CONFIG)
    assert dataset.shape(index).id == IDS[index]
    grid = dataset.voxels(index, 8)
    assert grid.dtype == np.float32
    np.testing.assert_array_equal(grid, expected.voxels[8].astype(np.float32))
    for name in ("uniform", "surface"):
        positions, sdf = dataset.points(index, name)
        assert positions.dtype == sdf.dtype == np.float32
        np.testing.assert_array_equal(
            positions, schema.decode_positions(expected.points[name].position)
        )
        np.testing.assert_array_equal(sdf, expected.points[name].sdf.astype(np.float32))
    frame = dataset.frame(index)
    np.testing.assert_array_equal(frame.center, expected.center)
    assert (frame.scale_cube, frame.scale_sphere) == (expected.scale_cube, expected.scale_sphere)


@pytest.mark.parametrize(("start", "count"), [(0, 0), (0, 5), (4090, 10), (9999, 1), (5000, None)])
def test_gives_a_window_of_points(made: Path, start: int, count: int | None) -> None:
    dataset = Dataset(made)
    stop = None if count is None else start + count
    every_position, every_sdf = dataset.points(2, "surface")
    positions, sdf = dataset.points(2, "surface", start, count)
    np.testing.assert_array_equal(positions, every_position[start:stop])
    np.testing.assert_array_equal(sdf, every_sdf[start:stop])


@pytest.mark.parametrize(("start", "count"), [(-1, 5), (9999, 2), (10_001, None), (5, -1)])
def test_a_window_outside_is_refused(made: Path, start: int, count: int | None) -> None:
    with pytest.raises(IndexError, match="there are 10000"):
        Dataset(made).points(0, "uniform", start, count)


def test_a_missing_field_is_refused_and_the_available_ones_listed(made: Path) -> None:
    dataset = Dataset(made)
    with pytest.raises(ValueError, match=r"no resolution 16 .* there are: 4, 8"):
        dataset.voxels(0, 16)
    with pytest.raises(ValueError, match=r"no point set cloud .* there are: uniform, surface"):
        dataset.points(0, "cloud")
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"got shape {index}, there are 4"):
            dataset.voxels(index, 4)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_may_be_used_in_other_processes(made: Path, method: str) -> None:
    dataset = Dataset(made)
    expected = [first_value(dataset, index)[1] for index in range(4)]
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        got = list(pool.map(first_value, [dataset] * 20, list(range(4)) * 5, timeout=60))
    assert [value for _, value in got] == expected * 5
    assert os.getpid() not in {process for process, _ in got}


def test_a_fork_opens_the_shards_again(made: Path) -> None:
    dataset = Dataset(made)
    dataset.voxels(0, 4)
    before = dict(dataset._open._open)
    dataset._open._process = -1  # as a fork would find it
    dataset.voxels(0, 4)
    assert before.keys() == dataset._open._open.keys()
    assert all(dataset._open._open[name] is not file for name, file in before.items())


def test_pickles_without_open_files(made: Path) -> None:
    dataset = Dataset(made)
    dataset.voxels(0, 4)
    again = pickle.loads(pickle.dumps(dataset))
    assert not again._open
    assert again.ids == IDS


def test_keeps_few_files_open(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_shards, "MAX_OPEN", 1)
    dataset = Dataset(made)
    for index in (0, 3, 1, 2):
        dataset.voxels(index, 4)
        assert len(dataset._open) == 1
    dataset.close()
    assert not dataset._open


def test_reads_only_the_chunks_of_a_window(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    read = h5py.Dataset.__getitem__

    def spy(self: h5py.Dataset, args: object) -> object:
        asked.append(args)
        return read(self, args)

    dataset = Dataset(made)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    dataset.points(1, "uniform", 4096, 4096)
    assert asked == [(1, slice(4096, 8192))] * 2


def test_returns_fields_as_stored(made: Path) -> None:
    stored = Dataset(made).stored(3, "surface/position", 4090, 4100)
    assert stored.dtype == np.int16
    shape = Dataset(made).shape(3)
    np.testing.assert_array_equal(stored, shape.points["surface"].position[4090:4100])


# --- sets beyond the first three -----------------------------------------------------------------


@pytest.fixture(scope="module")
def many_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = PreprocessConfig(
        resolutions=(4,),
        points=100,
        mixes=("occnet", "vecset"),
        mix_points=50,
        on_surface_points=30,
        salient_points=20,
        shard_size=2,
    )
    return make_dataset(tmp_path_factory.mktemp("sets"), ["ok", "ok", "ok"], config)


def test_a_dataset_names_its_sets_and_their_counts(many_sets: Path) -> None:
    dataset = Dataset(many_sets)
    assert dataset.manifest.format_version == 3
    assert dataset.point_sets == ("uniform", "surface", "occnet", "vecset_volume", "vecset_near")
    assert dataset.oriented_sets == ("on_surface", "salient")
    assert dataset.point_counts == {
        "uniform": 100,
        "surface": 100,
        "occnet": 50,
        "vecset_volume": 50,
        "vecset_near": 50,
        "on_surface": 30,
        "salient": 20,
    }


def test_sets_of_the_cube_frame_have_the_wider_bound(many_sets: Path) -> None:
    dataset = Dataset(many_sets)
    stored = dataset.shape(2).points["occnet"]
    positions, sdf = dataset.points(2, "occnet", 10, 5)
    expected = schema.decode_positions(stored.position[10:15], schema.WIDE_BOUND)
    np.testing.assert_array_equal(positions, expected)
    assert np.abs(dataset.points(2, "occnet")[0]).max() > 1
    again, inside = dataset.occupancies(2, "occnet", 10, 5)
    np.testing.assert_array_equal(again, positions)
    np.testing.assert_array_equal(inside, sdf < 0)
    with pytest.raises(IndexError, match="there are 50"):
        dataset.points(2, "occnet", 0, 51)


def test_points_with_normals_end_at_the_count_of_the_shape(many_sets: Path) -> None:
    """The fakes have one point fewer than there are rows."""
    dataset = Dataset(many_sets)
    stored = dataset.shape(1).oriented["salient"]
    positions, normals = dataset.oriented_points(1, "salient")
    assert (stored.count, len(positions), len(normals)) == (19, 19, 19)
    np.testing.assert_array_equal(normals, schema.decode_positions(stored.normal[:19]))
    expected = schema.decode_positions(stored.position[:19], schema.WIDE_BOUND)
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_array_equal(dataset.oriented_points(1, "salient", 5, 3)[0], positions[5:8])
    with pytest.raises(IndexError, match="there are 19"):
        dataset.oriented_points(1, "salient", 0, 20)
    for call in (dataset.points, dataset.occupancies):
        with pytest.raises(ValueError, match="no point set salient"):
            call(1, "salient")
    with pytest.raises(
        ValueError, match=r"no point set with normals uniform .* on_surface, salient"
    ):
        dataset.oriented_points(1, "uniform")

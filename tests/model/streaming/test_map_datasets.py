"""Map-style datasets do what a `DataLoader` and a training loop of another project expect."""

import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from support.fakes import python_path
from support.training import make_solids
from torch.utils.data import DataLoader, Dataset, DistributedSampler, RandomSampler, Subset

from shapegan.model import PointDataset, VoxelDataset
from shapegan.model.streaming.batches import StreamError
from shapegan.pipeline import Dataset as Reader
from shapegan.pipeline.dataset.manifest import DatasetError

WITH_WORKERS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Eight shapes in `train`, two in `val`, in shards of four."""
    return make_solids(tmp_path_factory.mktemp("solids"))


def voxels_of(path, index):
    return torch.from_numpy(Reader(path).voxels(index, 16))


def double(voxels):
    return voxels * 2


def test_items_are_the_shapes_of_the_split(path):
    data = VoxelDataset(path, 16, split="val")
    assert isinstance(data, Dataset)
    assert (len(data), data.ids) == (2, ["solid008", "solid009"])
    assert data.categories == ["solids"] * 2
    index, voxels = data[1]
    assert index == 1
    assert voxels.dtype == torch.float32
    torch.testing.assert_close(voxels, voxels_of(path, 9), rtol=0, atol=0)
    assert data[-1].indices == 1
    assert len(VoxelDataset(path, 16)) == 10
    assert [int(item.indices) for item in data] == [0, 1]
    transformed = VoxelDataset(path, 16, transform=double)[0].voxels
    torch.testing.assert_close(transformed, 2 * voxels_of(path, 0), rtol=0, atol=0)


def test_points_are_windows_of_the_stored_ones(path):
    data = PointDataset(path, 1000, "surface", split="train")
    torch.manual_seed(1)
    first = data[3]
    assert (first.points.shape, first.sdf.shape) == ((1000, 3), (1000,))
    positions, sdf = Reader(path).points(3, "surface")
    (start,) = np.flatnonzero((positions == first.points[0].numpy()).all(axis=1))
    np.testing.assert_array_equal(first.points, positions[start : start + 1000])
    np.testing.assert_array_equal(first.sdf, sdf[start : start + 1000])
    again = data[3]
    assert not torch.equal(first.points, again.points)
    torch.manual_seed(1)
    torch.testing.assert_close(data[3].points, first.points, rtol=0, atol=0)


def test_a_pickled_dataset_reads_the_same(path):
    data = VoxelDataset(path, 8)
    expected = data[5].voxels  # its shard is open now
    copy = pickle.loads(pickle.dumps(data))
    torch.testing.assert_close(copy[5].voxels, expected, rtol=0, atol=0)


@WITH_WORKERS
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_batches_of_all_shapes(path, workers):
    data = VoxelDataset(path, 16, split="train")
    assert data[0].indices == 0  # opened before the fork
    loader = DataLoader(data, batch_size=3, shuffle=True, num_workers=workers)
    batches = list(loader)
    assert [len(batch.indices) for batch in batches] == [3, 3, 2]
    seen = torch.cat([batch.indices for batch in batches])
    assert sorted(seen.tolist()) == list(range(8))
    grids = torch.cat([batch.voxels for batch in batches])
    for index, grid in zip(seen.tolist(), grids, strict=True):
        torch.testing.assert_close(grid, voxels_of(path, index), rtol=0, atol=0)


@WITH_WORKERS
def test_workers_draw_different_points_each_epoch(path):
    data = PointDataset(path, 256, split="train")
    loader = DataLoader(data, batch_size=4, num_workers=2, persistent_workers=True)
    epochs = [torch.cat([batch.points for batch in loader]) for _ in range(2)]
    assert epochs[0].shape == (8, 256, 3)
    assert not torch.equal(epochs[0], epochs[1])
    torch.manual_seed(5)
    once = torch.cat([batch.points for batch in DataLoader(data, 4, num_workers=2)])
    torch.manual_seed(5)
    twice = torch.cat([batch.points for batch in DataLoader(data, 4, num_workers=2)])
    torch.testing.assert_close(once, twice, rtol=0, atol=0)


@pytest.mark.slow
def test_spawned_workers_read_too(path):
    code = f"""
    from torch.utils.data import DataLoader
    from shapegan.model import PointDataset

    if __name__ == "__main__":
        data = PointDataset({str(path)!r}, 64)
        data[0]
        loader = DataLoader(data, 5, num_workers=1, multiprocessing_context="spawn")
        print([tuple(batch.points.shape) for batch in loader])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PYTHONPATH": python_path(), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[(5, 64, 3), (5, 64, 3)]", done.stderr


def test_samplers_and_subsets_work(path):
    data = VoxelDataset(path, 8, split="train")
    ranks = [
        list(DataLoader(data, 2, sampler=DistributedSampler(data, 2, rank, shuffle=True, seed=3)))
        for rank in range(2)
    ]
    seen = [torch.cat([batch.indices for batch in batches]).tolist() for batches in ranks]
    assert sorted(seen[0] + seen[1]) == list(range(8))
    drawn = DataLoader(data, 4, sampler=RandomSampler(data, replacement=True, num_samples=12))
    assert sum(len(batch.indices) for batch in drawn) == 12
    assert [item.indices for item in Subset(data, [5, 2])] == [5, 2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: VoxelDataset(path, 64), "has no voxels of resolution 64, there are: 8, 16"),
        (lambda path: VoxelDataset(path, 8, "test"), "no split 'test', it has: train, val"),
        (lambda path: PointDataset(path, 9000), "points: got 9000, .* has 1 to 8192"),
        (lambda path: PointDataset(path, 8, "cloud"), "has no point set cloud"),
        (lambda path: VoxelDataset(path / "no"), "is not a dataset"),
    ],
)
def test_what_is_not_there_is_one_line(path, make, message):
    with pytest.raises(StreamError, match=message):
        make(path)


def test_no_other_index_is_read(path):
    for index in (8, -9):
        with pytest.raises(IndexError, match="there are 8"):
            _ = VoxelDataset(path, 8, "train")[index]


def test_a_torn_shard_is_one_line(tmp_path):
    path = make_solids(tmp_path, shapes=4)
    data = VoxelDataset(path, 8)
    shard = path / "shards/00000.h5"
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="is torn"):
        _ = data[0]

import itertools
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fakes import make_dataset

from shapegan.model.streaming import memory
from shapegan.model.streaming import stream as stream_module
from shapegan.model.streaming.batches import PointBatch, StreamConfig, StreamError, VoxelBatch
from shapegan.model.streaming.order import BatchOrder
from shapegan.model.streaming.sources import ShardSource, StepDataset
from shapegan.model.streaming.stream import Stream
from shapegan.model.streaming.thin_parts import thin_distances_at, thin_part_distances
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset

STORED = 10_000
CONFIG = PreprocessConfig(resolutions=(4, 8), points=STORED, shard_size=5)
VOXELS = StreamConfig("voxels", 8, batch=3, seed=1)
POINTS = StreamConfig("points", 700, batch=3, seed=1, sets=("uniform", "surface"))
BALANCED = StreamConfig("points", 700, batch=3, sets=("uniform", "surface"), balanced=True)
ALL = pytest.mark.parametrize("config", [VOXELS, POINTS, BALANCED], ids=["voxels", "points", "bal"])
WITH_WORKERS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 shapes in `train` and 8 in `val`, on 4 shards; some meshes were turned away."""
    behaviours = ["ok"] * 7 + ["reject"] * 2 + ["ok"] * 9
    return make_dataset(tmp_path_factory.mktemp("made"), behaviours, CONFIG)


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes with the grid that thin parts are found on."""
    config = PreprocessConfig(resolutions=(8, 64), points=STORED, shard_size=5)
    return make_dataset(tmp_path_factory.mktemp("fine"), ["ok"] * 8, config)


def loaders() -> list[int]:
    """The loader workers that are there."""
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def take(stream: Stream, start: int, count: int) -> list[VoxelBatch | PointBatch]:
    batches = stream.batches(start)
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def tensors(batch: VoxelBatch | PointBatch) -> list[torch.Tensor]:
    if isinstance(batch, VoxelBatch):
        return [batch.indices, batch.voxels]
    return [batch.indices, *itertools.chain.from_iterable(batch.points.values())]


def assert_same(left: list[VoxelBatch | PointBatch], right: list[VoxelBatch | PointBatch]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert all(map(torch.equal, tensors(one), tensors(other)))
        assert len(tensors(one)) == len(tensors(other))


def joined(parts: list[VoxelBatch | PointBatch]) -> list[torch.Tensor]:
    """The global batch of the ranks'."""
    return [torch.cat(columns) for columns in zip(*map(tensors, parts), strict=True)]


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_stream_has_the_shapes_of_its_split(made: Path, split: str) -> None:
    dataset = Dataset(made)
    stream = Stream(made, StreamConfig("voxels", 8, batch=3, split=split))
    assert stream.shape_count == len(dataset.splits[split]) == 8
    assert stream.steps_per_epoch == 2
    assert stream.ids == [dataset.ids[number] for number in dataset.splits[split]]
    assert stream.ids == dataset.manifest.splits[split]
    assert stream.categories == ["chairs"] * 8


def test_all_shapes_are_taken_without_a_split(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Stream(made, StreamConfig("voxels", 8, 3, split="")).ids == Dataset(made).ids
    monkeypatch.setattr(Dataset, "splits", {})
    assert Stream(made, StreamConfig("voxels", 8, 3)).ids == Dataset(made).ids


def test_voxels_are_those_of_the_shapes(made: Path) -> None:
    dataset, stream = Dataset(made), Stream(made, VOXELS)
    for batch in take(stream, 0, 4):
        assert isinstance(batch, VoxelBatch)
        assert batch.indices.dtype == torch.int64
        assert batch.voxels.dtype == torch.float32
        for shape, grid in zip(batch.indices, batch.voxels, strict=True):
            expected = dataset.voxels(dataset.splits["train"][shape], 8)
            np.testing.assert_array_equal(grid.numpy(), expected)


@pytest.mark.parametrize("pin", ["none", "ram"])
@pytest.mark.parametrize("size", [700, 5000, STORED])
def test_points_are_the_same_window_of_each_set(made: Path, size: int, pin: str) -> None:
    config = StreamConfig("points", size, batch=3, sets=("uniform", "surface"))
    dataset, order = Dataset(made), BatchOrder(config, 8, STORED)
    for step, batch in enumerate(take(Stream(made, config, pin=pin), 0, 4)):
        assert isinstance(batch, PointBatch)
        assert set(batch.points) == {"uniform", "surface"}
        starts = order.plan(step).starts.tolist()
        for name, (positions, sdf) in batch.points.items():
            assert positions.shape == (3, size, 3)
            assert sdf.shape == (3, size)
            assert positions.dtype == sdf.dtype == torch.float32
            for row, (shape, start) in enumerate(zip(batch.indices, starts, strict=True)):
                number = dataset.splits["train"][shape]
                expected = dataset.points(number, name, start, size)
                np.testing.assert_array_equal(positions[row].numpy(), expected[0])
                np.testing.assert_array_equal(sdf[row].numpy(), expected[1])


@pytest.mark.parametrize("pin", ["none", "ram"])
def test_uniform_points_come_with_their_distances_to_thin_parts(fine: Path, pin: str) -> None:
    config = StreamConfig("points", 700, batch=3, split="", thin_parts=True)
    stream, dataset, order = (
        Stream(fine, config, pin=pin),
        Dataset(fine),
        BatchOrder(config, 8, STORED),
    )
    assert stream.bytes == 8 * STORED * (8 + 2)
    for step, batch in enumerate(take(stream, 0, 2)):
        assert isinstance(batch, PointBatch)
        assert batch.thin is not None
        assert batch.thin.dtype == torch.float32
        starts = order.plan(step).starts.tolist()
        for row, (shape, start) in enumerate(zip(batch.indices.tolist(), starts, strict=True)):
            positions, _ = dataset.points(shape, "uniform", start, 700)
            frame = dataset.frame(shape)
            thin = thin_part_distances(dataset.voxels(shape, 64))
            size = frame.scale_sphere / frame.scale_cube
            expected = thin_distances_at(thin, positions, size).astype(np.float32)
            np.testing.assert_array_equal(batch.thin[row].numpy(), expected)


def test_thin_parts_of_points_need_the_fine_grid(made: Path) -> None:
    config = StreamConfig("points", 700, batch=3, thin_parts=True)
    with pytest.raises(StreamError, match=r"no voxels of resolution 64.*thin_offset=0"):
        Stream(made, config)
    for others in ({"sets": ("uniform", "surface")}, {"balanced": True}):
        with pytest.raises(StreamError, match="takes voxels or uniform points"):
            StreamConfig("points", 700, batch=3, thin_parts=True, **others)


@pytest.mark.parametrize("pin", ["none", "ram"])
def test_balanced_points_are_the_next_of_each_side_out_of_all_sets(made: Path, pin: str) -> None:
    dataset, order = Dataset(made), BatchOrder(BALANCED, 8, STORED)
    for step, batch in enumerate(take(Stream(made, BALANCED, pin=pin), 0, 4)):
        assert isinstance(batch, PointBatch)
        plan, (positions, sdf) = order.plan(step), batch.balanced
        assert set(batch.points) == {"balanced"}
        assert positions.shape == (3, 700, 3)
        for row, shape in enumerate(plan.indices):
            number, start = dataset.splits["train"][shape], int(plan.starts[row])
            windows = [dataset.points(number, name, start, order.rows) for name in BALANCED.sets]
            pooled = [np.stack(columns, axis=1) for columns in zip(*windows, strict=True)]
            turned = [
                np.concatenate(np.roll(one, -plan.search_starts[row], axis=0)) for one in pooled
            ]
            inside = turned[1] < 0
            rows = [*np.flatnonzero(inside)[:350], *np.flatnonzero(~inside)[:350]]
            np.testing.assert_array_equal(positions[row].numpy(), turned[0][rows])
            np.testing.assert_array_equal(sdf[row].numpy(), turned[1][rows])


@ALL
@given(step=st.integers(0, 10**6), world=st.sampled_from([1, 2, 3, 6]))
@examples(8)
def test_ranks_together_get_the_global_batch(
    made: Path, config: StreamConfig, step: int, world: int
) -> None:
    wide = StreamConfig(**(vars(config) | {"batch": 6}))
    whole = take(Stream(made, wide), step, 1)
    parts = [take(Stream(made, wide, rank, world), step, 1)[0] for rank in range(world)]
    assert all(map(torch.equal, joined(parts), tensors(whole[0])))


@ALL
@WITH_WORKERS
def test_workers_and_pinning_change_nothing(made: Path, config: StreamConfig) -> None:
    expected = take(Stream(made, config, pin="none"), 3, 7)
    for workers, pin in ((1, "none"), (2, "none"), (0, "ram"), (2, "ram"), (0, "auto")):
        assert_same(expected, take(Stream(made, config, workers=workers, pin=pin), 3, 7))


@ALL
@given(start=st.integers(0, 9))
@examples(10)
def test_resumes_at_any_step(made: Path, config: StreamConfig, start: int) -> None:
    stream = Stream(made, config)
    assert_same(take(stream, 0, 12)[start:], take(Stream(made, config), start, 12 - start))


@WITH_WORKERS
@pytest.mark.parametrize("workers", [0, 1])
def test_global_random_numbers_are_left_alone(made: Path, workers: int) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    legacy = np.random.get_state()[1].copy()  # noqa: NPY002
    first = take(Stream(made, BALANCED, workers=workers, pin="none"), 0, 2)
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(legacy, np.random.get_state()[1])  # noqa: NPY002
    torch.manual_seed(4)
    assert_same(first, take(Stream(made, BALANCED, workers=workers, pin="none"), 0, 2))


@WITH_WORKERS
def test_workers_read_while_their_parent_has_the_shards_open(made: Path) -> None:
    expected = take(Stream(made, POINTS, pin="none"), 0, 8)
    stream = Stream(made, POINTS, workers=2, pin="none")
    dataset = stream._disk.dataset
    for number in range(len(dataset)):
        dataset.points(number, "uniform", 0, 10)
    batches = stream.batches()
    for one in expected:
        dataset.points(int(one.indices[0]), "surface")
        assert_same([one], [next(batches)])
    batches.close()


def test_steps_may_be_sent_to_another_process(made: Path) -> None:
    steps = StepDataset(ShardSource(Dataset(made), range(8)), POINTS, BatchOrder(POINTS, 8, STORED))
    expected = steps[5]
    again = pickle.loads(pickle.dumps(steps))[5]
    assert isinstance(expected, dict)
    assert isinstance(again, dict)
    assert expected.keys() == again.keys()
    assert all(torch.equal(again[name], values) for name, values in expected.items())


def test_pinned_shapes_are_read_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, read = Stream(made, VOXELS, pin="ram"), []
    stored = Dataset.stored

    def spy(self: Dataset, index: int, *rest: object) -> object:
        read.append(index)
        return stored(self, index, *rest)

    monkeypatch.setattr(Dataset, "stored", spy)
    take(stream, 0, 9)
    assert read == Dataset(made).splits["train"]


@WITH_WORKERS
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("tear", ["truncate", "unlink"])
def test_a_shard_torn_in_mid_run_is_one_clear_line(copied: Path, workers: int, tear: str) -> None:
    batches = Stream(copied, POINTS, workers=workers, pin="none").batches()
    next(batches)
    path = copied / "shards/00001.h5"
    if tear == "truncate":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.unlink()
    with pytest.raises(StreamError, match=r"00001\.h5.*run `shapegan preprocess`") as caught:
        list(itertools.islice(batches, 20))
    assert "\n" not in str(caught.value)
    assert not loaders()


def test_a_shard_that_is_gone_cannot_be_pinned(copied: Path) -> None:
    (copied / "shards/00001.h5").unlink()
    with pytest.raises(StreamError, match=r"00001\.h5: No such file"):
        next(Stream(copied, VOXELS, pin="ram").batches())


@WITH_WORKERS
@pytest.mark.parametrize("settled", [True, False])
def test_signals_to_the_group_do_not_end_workers(
    made: Path, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    if not settled:  # a worker that has not yet come to say what it ignores
        monkeypatch.setattr(stream_module, "_ignore_parent_signals", None)
    expected = take(Stream(made, VOXELS, pin="none"), 0, 9)
    batches = Stream(made, VOXELS, workers=2, pin="none").batches()
    got = [next(batches)]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}
    for process in loaders():
        os.kill(process, signal.SIGINT)
        os.kill(process, signal.SIGTERM)
    time.sleep(0.1)
    got += itertools.islice(batches, 8)
    assert_same(expected, got)
    batches.close()
    assert not loaders()


@WITH_WORKERS
def test_a_killed_worker_gives_one_line_at_its_next_batch(made: Path) -> None:
    # A DataLoader of another test may have left torch's handler, which raises at any place.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    batches = Stream(made, VOXELS, workers=1, pin="none").batches()
    next(batches)
    for process in loaders():
        os.kill(process, signal.SIGKILL)
    time.sleep(0.3)  # nothing may be raised here
    with pytest.raises(StreamError, match=r"a loader worker was killed, .* lower --workers"):
        list(itertools.islice(batches, 20))
    assert not loaders()


LEAVES = """
import sys
from shapegan.model.streaming.stream import Stream, StreamConfig
if __name__ == "__main__":
    batches = Stream(sys.argv[1], StreamConfig("voxels", 8, 3), workers=1, pin="none").batches()
    next(batches)
"""


@pytest.mark.slow
def test_a_program_ends_though_its_iterator_is_left_open(made: Path, tmp_path: Path) -> None:
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES)
    ended = subprocess.run(
        [sys.executable, script, made], timeout=60, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_chooses_memory_by_what_is_free(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = Stream(made, VOXELS).bytes
    assert needed == 8 * 8**3 * 2
    assert Stream(made, POINTS).bytes == 8 * 2 * STORED * 8
    for free, world, expected in ((4 * needed, 1, "ram"), (4 * needed - 1, 1, "none")):
        monkeypatch.setattr(memory, "free_ram", lambda free=free: free)
        assert Stream(made, VOXELS, world=world).placement == expected
    monkeypatch.setattr(memory, "free_ram", lambda: 4 * needed)
    wide = StreamConfig("voxels", 8, batch=4)
    assert Stream(made, wide).placement == "ram"
    assert Stream(made, wide, world=2).placement == "none"
    assert Stream(made, VOXELS, pin="device").placement == "ram"
    assert Stream(made, VOXELS, pin="none").placement == "none"
    monkeypatch.setattr(memory, "free_ram", lambda: needed - 1)
    with pytest.raises(StreamError, match=r"pin ram: the stream's shapes take 0\.00 GB"):
        Stream(made, VOXELS, pin="ram")


def test_a_gpu_with_room_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (400, 1000))
    monkeypatch.setattr(memory, "free_ram", lambda: 4000)
    assert memory.placement("auto", 100, device, 8) == "device"
    assert memory.placement("auto", 101, device, 8) == "ram"
    assert memory.placement("auto", 126, device, 8) == "none"
    assert memory.placement("device", 400, device, 1) == "device"
    with pytest.raises(StreamError, match=r"pin device: .* use pin auto or none"):
        memory.placement("device", 401, device, 1)
    monkeypatch.setattr(memory, "_AUTO_BYTES", 99)
    assert memory.placement("auto", 100, device, 1) == "none"


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMIT", limit)
    unlimited = memory.free_ram()
    assert unlimited > 0
    limit.write_text("1\n")
    assert memory.free_ram() == 0
    limit.write_text("max\n")
    assert memory.free_ram() > 0.5 * unlimited


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"config": StreamConfig("voxels", 16, 3)},
            "no voxels of resolution 16, .*: 4, 8; choose with --stages",
        ),
        (
            {"config": StreamConfig("points", 16, 3, sets=("uniform", "cloud"))},
            "no point set cloud, there are: uniform, surface; choose with --recipe voxel",
        ),
        (
            {"config": StreamConfig("voxels", 8, 3, split="test")},
            "no shapes in split test, there are: train, val; choose with --split",
        ),
        ({"config": StreamConfig("voxels", 8, 9)}, "too few shapes: 8 in split train, 9 in"),
        ({"config": StreamConfig("points", STORED + 1, 3)}, "too few points: .* 10000 per"),
        ({"config": VOXELS, "world": 2}, "cannot be divided among 2 processes"),
        ({"config": VOXELS, "workers": -1}, "workers: got -1, takes 0 or more"),
        ({"config": VOXELS, "pin": "disk"}, "pin: got disk, takes auto or none or ram or dev"),
    ],
)
def test_unusable_data_give_one_line(made: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(StreamError, match=message) as caught:
        Stream(made, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("meshes", 8, 3), "kind: got meshes, takes voxels or points"),
        (("voxels", 0, 3), "size: got 0"),
        (("voxels", 8, 0), "batch: got 0"),
        (("voxels", 8, 3, -1), "seed: got -1"),
        (("points", 8, 3, 0, "train", ()), "sets: .* takes some of uniform, surface, cloud"),
        (("points", 8, 3, 0, "train", ("uniform", "uniform")), "sets: got"),
        (("points", 8, 3, 0, "train", ("grid",)), r"sets: got \('grid',\)"),
        (("voxels", 8, 3, 0, "train", ("uniform",), True), "balanced: got True, takes kind p"),
        (("points", 1, 3, 0, "train", ("uniform",), True), "size: got 1, takes 2 or more, b"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: tuple[object, ...], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        StreamConfig(*settings)


def test_a_folder_without_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="is not a dataset"):
        Stream(tmp_path, VOXELS)

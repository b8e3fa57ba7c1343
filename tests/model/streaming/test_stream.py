"""Batches of a stream, and settings that cannot work."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fakes import make_dataset
from support.streams import ALL, BALANCED, STORED, VOXELS, assert_same, joined, take, tensors

from shapegan.model.streaming.batches import PointBatch, StreamConfig, StreamError, VoxelBatch
from shapegan.model.streaming.order import BatchOrder
from shapegan.model.streaming.stream import Stream
from shapegan.model.streaming.thin_parts import thin_distances_at, thin_part_distances
from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes with the grid that thin parts are found on."""
    config = PreprocessConfig(resolutions=(8, 64), points=STORED, shard_size=5)
    return make_dataset(tmp_path_factory.mktemp("fine"), ["ok"] * 8, config)


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
@given(start=st.integers(0, 9))
@examples(10)
def test_resumes_at_any_step(made: Path, config: StreamConfig, start: int) -> None:
    stream = Stream(made, config)
    assert_same(take(stream, 0, 12)[start:], take(Stream(made, config), start, 12 - start))


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
            "no shapes in split test, there are: train, val; .* --split, or .*`shapegan split`",
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

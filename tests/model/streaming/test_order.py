import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapegan.model.streaming.batches import StreamConfig, StreamError
from shapegan.model.streaming.order import BALANCED_POOL, BatchOrder, window_starts
from shapegan.pipeline.schema import POINT_CHUNK

VOXELS = StreamConfig("voxels", 8, batch=4)
POINTS = StreamConfig("points", 1024, batch=4, sets=("uniform", "surface"))


def order(batch: int, shapes: int, seed: int = 0) -> BatchOrder:
    return BatchOrder(StreamConfig("voxels", 8, batch, seed), shapes, 0)


@given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 50), st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_an_epoch_sees_each_shape_once_but_for_the_ragged_rest(batch, more, epoch, seed):
    shapes = batch + more
    steps = order(batch, shapes, seed)
    assert steps.steps_per_epoch == shapes // batch
    first = epoch * steps.steps_per_epoch
    seen = [steps.plan(first + i).indices for i in range(steps.steps_per_epoch)]
    assert all(len(one) == batch for one in seen)
    joined = np.concatenate(seen)
    assert len(set(joined.tolist())) == len(joined) == shapes // batch * batch
    assert joined.min() >= 0
    assert joined.max() < shapes


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        tuple(order(20, 20, seed).plan(epoch).indices.tolist())
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(orders) == 25


def test_the_ragged_rest_is_another_each_time():
    steps = order(4, 7)
    rests = {frozenset(range(7)) - set(steps.plan(epoch).indices.tolist()) for epoch in range(60)}
    assert len(rests) > 15


@given(st.integers(0, 10**9), st.sampled_from([1, 2, 3, 4, 6, 12]), st.booleans())
@settings(deadline=None)
def test_ranks_share_the_global_batch_in_order(step, world, balanced):
    config = dataclasses.replace(POINTS, batch=12, balanced=balanced)
    whole = BatchOrder(config, 30, 262_144).plan(step)
    parts = [BatchOrder(config, 30, 262_144, rank, world).plan(step) for rank in range(world)]
    for field in ("indices", "starts", "search_starts"):
        joined = np.concatenate([getattr(part, field) for part in parts])
        np.testing.assert_array_equal(joined, getattr(whole, field))


def test_a_shape_gets_other_windows_and_turns_at_other_steps_and_seeds():
    plans = [
        BatchOrder(dataclasses.replace(POINTS, balanced=True, seed=seed), 4, 262_144).plan(step)
        for seed in range(3)
        for step in range(10)
    ]
    for field in ("starts", "search_starts"):
        drawn = np.concatenate([getattr(plan, field) for plan in plans])
        assert len(set(drawn.tolist())) > 40


@st.composite
def lengths(draw):
    stored = draw(st.integers(1, 40_000))
    return draw(st.integers(1, stored)), stored


@given(lengths(), st.integers(0, 99))
@settings(deadline=None)
def test_windows_lie_within_the_rows_and_touch_few_chunks(rows_of, seed):
    rows, stored = rows_of
    starts = window_starts(np.random.default_rng(seed), 50, rows, stored)
    assert starts.dtype == np.int64
    assert starts.min() >= 0
    assert starts.max() + rows <= stored
    touched = (starts + rows - 1) // POINT_CHUNK - starts // POINT_CHUNK + 1
    fewest = -(-rows // POINT_CHUNK)
    at_ragged_end = (starts == stored - rows) & (stored % POINT_CHUNK != 0)
    assert (touched[~at_ragged_end] == fewest).all()
    assert (touched <= fewest + 1).all()


@pytest.mark.parametrize(("rows", "stored"), [(1024, 16_384), (8192, 65_536), (3000, 12_288)])
def test_all_rows_are_drawn(rows, stored):
    starts = window_starts(np.random.default_rng(0), 20_000, rows, stored)
    counts = np.zeros(stored)
    for start in starts:
        counts[start : start + rows] += 1
    expected = 20_000 * rows / stored
    if POINT_CHUNK % rows == 0 or rows % POINT_CHUNK == 0:
        assert np.abs(counts / expected - 1).max() < 0.2
    else:
        assert counts.min() > 0


def test_balanced_windows_hold_more_rows_if_there_are_more():
    config = dataclasses.replace(POINTS, balanced=True)
    assert BatchOrder(config, 4, 262_144).rows == BALANCED_POOL * 1024
    assert BatchOrder(config, 4, 2000).rows == 2000
    assert BatchOrder(POINTS, 4, 262_144).rows == 1024


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((VOXELS, 3, 0), "too few shapes: 3 in split train, 4 in a batch: lower --batch-size to 3"),
        ((dataclasses.replace(VOXELS, split=""), 3, 0), "3 in the dataset"),
        ((POINTS, 4, 1023), "too few points: the dataset has 1023 .* the stream needs 1024"),
        ((VOXELS, 9, 0, 0, 3), "batch of 4 cannot be divided among 3 processes: .* multiple of 3"),
        ((VOXELS, 9, 0, 2, 2), "rank 2: there are 2 processes"),
    ],
)
def test_batches_that_cannot_be_divided_are_refused(arguments, message):
    with pytest.raises(StreamError, match=message):
        BatchOrder(*arguments)

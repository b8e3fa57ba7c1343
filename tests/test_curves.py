import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.curves import coherent_order, hilbert_order

ORDERS = [coherent_order, hilbert_order]


@given(st.sampled_from(ORDERS), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_an_order_is_a_permutation(order, count, seed):
    points = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    assert sorted(order(points)) == list(range(count))


@pytest.mark.parametrize(("order", "share"), [(coherent_order, 0.2), (hilbert_order, 0.12)])
def test_neighbours_come_together(order, share):
    points = np.random.default_rng(0).uniform(-1, 1, (4000, 3)).astype(np.float32)
    step = np.linalg.norm(np.diff(points[order(points)], axis=0), axis=1)
    assert step.mean() < share * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()


@pytest.mark.parametrize("order", ORDERS)
def test_points_in_one_place_keep_their_order(order):
    np.testing.assert_array_equal(order(np.full((5, 3), 0.3, np.float32)), np.arange(5))


def test_a_hilbert_curve_goes_from_cell_to_cell():
    axis = np.arange(1024)[::128].astype(np.float64)
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = np.concatenate([cells, [[1023, 1023, 1023]]])  # the curve's cells are those then
    way = cells[hilbert_order(cells)]
    step = np.abs(np.diff(way[(way % 128 == 0).all(axis=1)], axis=0)).sum(axis=1)
    np.testing.assert_array_equal(step, 128)

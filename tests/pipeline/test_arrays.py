import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline import arrays


@given(
    shape=st.lists(st.integers(0, 4), max_size=2),
    last=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_reductions_along_the_last_axis_agree_with_numpy(shape, last, seed):
    values = np.random.default_rng(seed).standard_normal((*shape, last))
    np.testing.assert_array_equal(arrays.largest(values), values.max(axis=-1))
    np.testing.assert_array_equal(arrays.smallest(values), values.min(axis=-1))
    np.testing.assert_array_equal(arrays.any_true(values > 0), (values > 0).any(axis=-1))
    np.testing.assert_allclose(arrays.lengths(values), np.linalg.norm(values, axis=-1))


def test_unit_vectors_keep_their_direction_and_dtype():
    vectors = np.array([[3.0, 0.0, 4.0], [0.0, -2.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    unit = arrays.unit(vectors)
    np.testing.assert_allclose(unit, [[0.6, 0, 0.8], [0, -1, 0], [0, 0, 0]], atol=1e-7)
    assert unit.dtype == np.float32


def test_neighbours_are_views_that_differ_by_one_index():
    grid = np.arange(24).reshape(2, 3, 4)
    for axis, step in enumerate((12, 4, 1)):
        near, far = arrays.neighbours(grid, axis)
        np.testing.assert_array_equal(far - near, step)
        assert np.shares_memory(near, grid)
        assert np.shares_memory(far, grid)


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=3), seed=st.integers(0, 2**32 - 1))
def test_places_of_a_mask_are_those_of_nonzero(shape, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.4
    for view in (mask, mask.T):
        for found, expected in zip(arrays.true_places(view), np.nonzero(view), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_rows_are_those_of_indexing():
    values = np.random.default_rng(0).random((5, 3))
    rows = np.array([[4, 0], [2, 2]], np.int32)
    np.testing.assert_array_equal(arrays.take_rows(values, rows), values[rows])


@given(seed=st.integers(0, 2**32 - 1), other=st.sampled_from([(4, 3), (2, 4, 3), (1, 3)]))
def test_cross_products_agree_with_numpy(seed, other):
    random = np.random.default_rng(seed)
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((4, 3), other))
    got = arrays.cross(a, b)
    np.testing.assert_array_equal(got, np.cross(a, b))
    assert got.dtype == np.float32


@pytest.mark.parametrize("shape", [(0,), (7,), (40, 3)], ids=["empty", "row", "rows"])
def test_distinct_values_are_those_of_unique(shape):
    values = np.random.default_rng(0).integers(0, 25, shape)
    present, place = arrays.distinct(values, 25)
    expected, inverse = np.unique(values, return_inverse=True)
    np.testing.assert_array_equal(present, expected)
    np.testing.assert_array_equal(place, inverse.reshape(shape))


def test_first_places_are_those_of_unique():
    values = np.random.default_rng(2).permutation(np.repeat(np.arange(30), 4))
    expected = np.unique(values, return_index=True)[1]
    np.testing.assert_array_equal(arrays.first_places(values, 30), expected)

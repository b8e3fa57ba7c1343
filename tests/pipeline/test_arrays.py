import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline import arrays


@given(
    shape=st.lists(st.integers(0, 4), max_size=2),
    last=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_they_reduce_the_last_axis(shape, last, seed):
    values = np.random.default_rng(seed).standard_normal((*shape, last))
    np.testing.assert_array_equal(arrays.largest(values), values.max(axis=-1))
    np.testing.assert_array_equal(arrays.smallest(values), values.min(axis=-1))
    np.testing.assert_array_equal(arrays.some(values > 0), (values > 0).any(axis=-1))
    np.testing.assert_allclose(arrays.lengths(values), np.linalg.norm(values, axis=-1))


@given(count=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
def test_of_triangles_they_reduce_the_corners(count, seed):
    corners = np.random.default_rng(seed).standard_normal((count, 3, 3)).astype(np.float32)
    sides = arrays.longest_sides(corners)
    np.testing.assert_array_equal(sides, np.ptp(corners, axis=1).max(axis=1))
    middles = arrays.centroids(corners)
    np.testing.assert_allclose(middles, corners.mean(axis=1), atol=1e-6)
    assert sides.dtype == middles.dtype == np.float32

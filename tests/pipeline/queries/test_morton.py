import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.queries.morton import morton_order


@given(st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_the_order_is_a_permutation(count, seed):
    points = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    assert sorted(morton_order(points)) == list(range(count))


def test_neighbours_in_the_order_are_close_in_space():
    points = np.random.default_rng(0).uniform(-1, 1, (4000, 3)).astype(np.float32)
    step = np.linalg.norm(np.diff(points[morton_order(points)], axis=0), axis=1)
    assert step.mean() < 0.2 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()


def test_points_in_one_place_keep_their_order():
    np.testing.assert_array_equal(morton_order(np.full((5, 3), 0.3, np.float32)), np.arange(5))


@given(
    st.integers(1, 200),
    st.sampled_from([1e-3, 1.0, 1e4]),
    st.sampled_from([0.0, -7.0, 1e3]),
    st.integers(0, 2**32 - 1),
)
def test_cells_are_sorted_by_interleaved_bits(count, size, middle, seed):
    random = np.random.default_rng(seed)
    points = (middle + size * random.uniform(-1, 1, (count, 3))).astype(np.float32)
    exact = points.astype(np.float64)
    side = float(np.ptp(points, axis=0).max())
    cells = ((exact - exact.min(axis=0)) * (63 / max(side, 1e-30))).astype(int)
    keys = [
        sum(((cell[k] >> bit) & 1) << (3 * bit + k) for k in range(3) for bit in range(6))
        for cell in cells
    ]
    np.testing.assert_array_equal(morton_order(points), np.argsort(keys, kind="stable"))

import itertools

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.examples import examples

from shapegan.model.metrics.point_clouds import (
    chamfer_matrix,
    earth_movers_matrix,
    normalise,
    sample_surface,
)

BOX = trimesh.creation.box((2.0, 1.0, 0.5))


def clouds_of(seed, *shape):
    return np.random.default_rng(seed).normal(size=(*shape, 3)).astype(np.float32)


def plain_chamfer(first, second):
    result = np.zeros((len(first), len(second)))
    for i, a in enumerate(first.astype(float)):
        for j, b in enumerate(second.astype(float)):
            squares = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
            result[i, j] = squares.min(axis=1).mean() + squares.min(axis=0).mean()
    return result


kinds = st.sampled_from(["ball", "line", "lattice", "sphere", "copies", "far"])


def drawn(kind, count, points, rng):
    shape = (count, points, 3)
    return {
        "ball": rng.normal(size=shape),
        "line": rng.normal(size=(count, points, 1)) * [1, 0, 0],
        "lattice": rng.integers(0, 3, shape),
        "sphere": (lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True))(rng.normal(size=shape)),
        "copies": np.repeat(rng.normal(size=(count, 1, 3)), points, axis=1),
        "far": rng.normal(size=shape) + rng.integers(-1, 2, (count, points, 1)) * 1000,
    }[kind].astype(np.float32)


def test_threads_change_no_distance():
    clouds = clouds_of(3, 40, 200)
    alone = chamfer_matrix(clouds, clouds[:30])
    for _ in range(5):
        assert_array_equal(chamfer_matrix(clouds, clouds[:30], workers=4), alone)


@examples(25)
@given(kinds, kinds, st.integers(1, 6), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_chamfer_distances_are_those_of_all_pairs_of_points(one, other, count, points, seed):
    rng = np.random.default_rng(seed)
    first, second = drawn(one, count, points, rng), drawn(other, 3, 40, rng)
    largest = max(np.abs(first).max(), np.abs(second).max(), 1)
    assert_allclose(
        chamfer_matrix(first, second),
        plain_chamfer(first, second),
        rtol=1e-5,
        atol=1e-12 * largest**2,
    )


def test_chamfer_distances_of_surfaces():
    shapes = [trimesh.creation.box((1, 0.2 * k, 0.5)) for k in range(1, 7)]
    clouds = np.stack([sample_surface(m.vertices, m.faces, 700, k) for k, m in enumerate(shapes)])
    distances = chamfer_matrix(clouds, clouds[:5])
    assert distances.shape == (6, 5)
    assert_allclose(distances, plain_chamfer(clouds, clouds[:5]), rtol=1e-5)


def test_chamfer_distance_done_by_hand():
    first = np.array([[[0, 0, 0], [1, 0, 0]]], dtype=np.float32)
    second = np.array([[[0, 0, 2], [0, 0, 2], [1, 0, 0]]], dtype=np.float32)
    assert chamfer_matrix(first, second)[0, 0] == pytest.approx((1 + 0) / 2 + (4 + 4 + 0) / 3)


def test_a_set_with_itself_is_symmetric_and_zero_on_the_diagonal():
    clouds = clouds_of(0, 9, 200)
    distances = chamfer_matrix(clouds, clouds)
    assert_array_equal(distances, distances.T)
    assert_array_equal(np.diag(distances), 0)
    assert_array_equal(distances, chamfer_matrix(clouds, clouds.copy()))


def test_the_order_of_points_and_clouds_does_not_count():
    first, second = clouds_of(1, 6, 100), clouds_of(2, 5, 80)
    distances = chamfer_matrix(first, second)
    assert_allclose(chamfer_matrix(first[:, ::-1], second), distances, rtol=1e-6)
    assert_array_equal(chamfer_matrix(second, first), distances.T)


@pytest.mark.parametrize("function", [chamfer_matrix, earth_movers_matrix])
@pytest.mark.parametrize(
    "clouds",
    [np.zeros((3, 3)), np.zeros((2, 0, 3)), np.zeros((2, 5, 2)), np.full((1, 2, 3), np.inf)],
)
def test_other_things_than_sets_of_clouds_are_refused(function, clouds):
    with pytest.raises(ValueError, match="expected clouds"):
        function(clouds, clouds_of(0, 2, 5))


def test_earth_movers_distance_is_the_best_of_all_assignments():
    first, second = clouds_of(3, 2, 5), clouds_of(4, 3, 5)
    for i, j in np.ndindex(2, 3):
        best = min(
            np.linalg.norm(first[i] - second[j][list(order)], axis=1).mean()
            for order in itertools.permutations(range(5))
        )
        assert earth_movers_matrix(first, second)[i, j] == pytest.approx(best, rel=1e-6)


def test_earth_movers_distance_of_a_moved_cloud_is_the_way_it_went():
    cloud = clouds_of(5, 1, 300)
    moved = cloud[:, ::-1] + np.float32([0.3, 0, 0.4])
    assert earth_movers_matrix(cloud, moved)[0, 0] == pytest.approx(0.5, rel=1e-5)


def test_earth_movers_distances_of_a_set_with_itself():
    clouds = clouds_of(6, 4, 30)
    distances = earth_movers_matrix(clouds, clouds, workers=2)
    assert_allclose(distances, earth_movers_matrix(clouds, clouds.copy()), atol=1e-12)
    assert_array_equal(np.diag(distances), 0)


def test_earth_movers_distance_takes_the_first_points():
    first, second = clouds_of(7, 2, 100), clouds_of(8, 2, 90)
    some = earth_movers_matrix(first, second, points=50)
    assert_array_equal(some, earth_movers_matrix(first[:, :50], second[:, :50], points=None))


def test_refuses_clouds_of_other_sizes():
    with pytest.raises(ValueError, match="expected clouds of equal size"):
        earth_movers_matrix(clouds_of(0, 1, 5), clouds_of(0, 1, 6))


def test_points_lie_evenly_on_the_surface():
    points = sample_surface(BOX.vertices, BOX.faces, 6000, seed=1)
    assert points.shape == (6000, 3)
    assert points.dtype == np.float32
    on = np.isclose(np.abs(points), BOX.extents / 2, atol=1e-6)
    assert on.any(axis=1).all()
    areas = np.array([0.5 * 1, 2 * 0.5, 2 * 1])
    assert_allclose(on.mean(axis=0), areas / areas.sum(), atol=0.02)


def test_points_are_those_of_the_seed():
    first, again, other = (sample_surface(BOX.vertices, BOX.faces, 50, seed) for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert not np.isclose(first, other).all(axis=1).any()


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [(np.zeros((0, 3)), np.zeros((0, 3), np.int32)), (np.zeros((3, 3)), np.array([[0, 1, 2]]))],
)
def test_an_empty_surface_cannot_be_sampled(vertices, faces):
    with pytest.raises(ValueError, match="an empty mesh has no points"):
        sample_surface(vertices, faces, 10, seed=0)


def test_a_normalised_cloud_fills_the_ball_of_radius_a_half():
    cloud = clouds_of(9, 200) * [3, 1, 2] + [10, -5, 0]
    found = normalise(cloud.astype(np.float32))
    assert_allclose(np.linalg.norm(found, axis=1).max(), 0.5, rtol=1e-6)
    assert_allclose(found.min(axis=0), -found.max(axis=0), atol=1e-6)
    assert_allclose(normalise(7 * found + 3), found, atol=1e-6)
    assert found.dtype == np.float32


def test_a_cloud_in_one_place_goes_to_the_middle():
    assert_array_equal(normalise(np.ones((5, 3), np.float32)), 0)

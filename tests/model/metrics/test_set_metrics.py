import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from shapegan.model.metrics.point_clouds import chamfer_matrix, normalise
from shapegan.model.metrics.set_metrics import (
    coverage,
    jensen_shannon_divergence,
    minimum_matching_distance,
    one_nearest_neighbour_accuracy,
)


def distances_of(first, second):
    """Between points (S, k), as if they were shapes."""
    return np.linalg.norm(first[:, None] - second[None], axis=-1)


def accuracy_of(first, second):
    return one_nearest_neighbour_accuracy(
        distances_of(first, first), distances_of(first, second), distances_of(second, second)
    )


def boxes(count, seed, size=0.0):
    """Clouds of boxes of all proportions, as shapes are."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.2 + size, 1 + size, (count, 1, 3))
    points = rng.uniform(-1, 1, (count, 256, 3))
    axis = np.abs(points).argmax(axis=-1)[..., None]
    np.put_along_axis(points, axis, np.sign(np.take_along_axis(points, axis, -1)), -1)
    return np.stack([normalise(cloud) for cloud in (sides * points).astype(np.float32)])


def plain_coverage(distances):
    samples, references = distances.shape
    matched = set()
    for s in range(samples):
        matched.add(min(range(references), key=lambda r: distances[s, r]))
    return len(matched) / references


def plain_matching_distance(distances):
    samples, references = distances.shape
    nearest = [min(distances[s, r] for s in range(samples)) for r in range(references)]
    return sum(nearest) / references


def plain_accuracy(first, second):
    """Mean over all equal subsets of the larger set."""
    size = min(len(first), len(second))
    pairs = itertools.product(*(itertools.combinations(each, size) for each in (first, second)))
    return np.mean([plain_accuracy_of_equal_sets(*pair) for pair in pairs])


def plain_accuracy_of_equal_sets(first, second):
    return plain_recognised(first, second) / (len(first) + len(second))


def plain_recognised(first, second):
    """Number of shapes whose nearest other shape is of their own set."""
    everything = [(point, 0) for point in first] + [(point, 1) for point in second]
    right = 0
    for i, (point, kind) in enumerate(everything):
        others = [other for j, other in enumerate(everything) if j != i]
        nearest = min(others, key=lambda other: np.linalg.norm(point - other[0]))
        right += nearest[1] == kind
    return right


@examples(60)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_scores_are_those_of_plain_loops(samples, references, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(samples, 2)), rng.normal(size=(references, 2))
    distances = distances_of(first, second)
    assert coverage(distances) == plain_coverage(distances)
    assert minimum_matching_distance(distances) == pytest.approx(plain_matching_distance(distances))
    assert accuracy_of(first, second) == pytest.approx(plain_accuracy(first, second))


def test_scores_of_a_case_done_by_hand():
    generated, real = np.array([[0.0], [1.0], [9.0]]), np.array([[0.4], [10.0], [20.0]])
    distances = distances_of(generated, real)
    assert coverage(distances) == pytest.approx(2 / 3)  # nobody comes near the last one
    assert minimum_matching_distance(distances) == pytest.approx((0.4 + 1 + 11) / 3)
    # 0 and 1 are closest to 0.4, which is closest to 0; 9 and 10 are a pair; 20 is closest to 10
    assert accuracy_of(generated, real) == pytest.approx(1 / 6)


def test_a_copied_set_has_perfect_scores_but_an_accuracy_of_0():
    shapes = boxes(20, 0)
    distances = chamfer_matrix(shapes, shapes.copy())
    assert coverage(distances) == 1
    assert minimum_matching_distance(distances) == 0
    own = chamfer_matrix(shapes, shapes)
    assert one_nearest_neighbour_accuracy(own, distances, own) == 0
    assert jensen_shannon_divergence(shapes, shapes) == 0


def test_two_halves_of_one_set_cannot_be_told_apart():
    rng = np.random.default_rng(3)
    shapes = rng.normal(size=(1000, 3))
    assert accuracy_of(shapes[:500], shapes[500:]) == pytest.approx(0.5, abs=0.05)
    assert coverage(distances_of(shapes[:500], shapes[500:])) == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize("counts", [(100, 700), (700, 100)])
def test_unequal_parts_of_one_set_cannot_be_told_apart_either(counts):
    shapes = np.random.default_rng(4).normal(size=(sum(counts), 3))
    assert accuracy_of(shapes[: counts[0]], shapes[counts[0] :]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("empty", [1, 2, 9])
def test_empty_shapes_are_always_recognised(empty):
    """Empty shapes score like shapes that lie far away from all others, in pairs."""
    rng = np.random.default_rng(empty)
    first, second = rng.normal(size=(4, 2)), rng.normal(size=(5, 2))
    matrices = distances_of(first, first), distances_of(first, second), distances_of(second, second)
    found = one_nearest_neighbour_accuracy(*matrices, empty)
    generated, real, expected = range(4 + empty), range(5), []
    size = min(4 + empty, 5)
    for some in itertools.combinations(generated, size):
        for others in itertools.combinations(real, size):
            filled = [g for g in some if g < 4]
            known = plain_recognised(first[filled], second[list(others)])
            expected.append((known + size - len(filled)) / (2 * size))
    assert found == pytest.approx(np.mean(expected))


def test_two_halves_of_a_set_of_clouds():
    first, second = boxes(60, 1), boxes(60, 2)
    matrices = [chamfer_matrix(*pair) for pair in ((first, first), (first, second))]
    accuracy = one_nearest_neighbour_accuracy(*matrices, chamfer_matrix(second, second))
    assert accuracy == pytest.approx(0.5, abs=0.12)
    assert jensen_shannon_divergence(first, second, resolution=6) < 0.02
    assert jensen_shannon_divergence(first, 0.5 * second, resolution=6) > 0.3


def test_sets_that_lie_apart_are_told_apart():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(50, 3)), rng.normal(size=(50, 3)) + 20
    assert accuracy_of(first, second) == 1
    assert coverage(distances_of(first, second)) < 0.3
    assert minimum_matching_distance(distances_of(first, second)) > 20


def test_one_shape_again_and_again_covers_one():
    real = np.random.default_rng(0).normal(size=(50, 3))
    generated = np.repeat(real[:1], 50, axis=0)
    assert coverage(distances_of(generated, real)) == 1 / 50


def test_swapped_sets_change_coverage_and_matching_distance_but_not_accuracy():
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(30, 3)), 0.3 * rng.normal(size=(40, 3))
    there, back = distances_of(first, second), distances_of(second, first)
    assert coverage(there) != coverage(back)
    assert minimum_matching_distance(there) != pytest.approx(minimum_matching_distance(back))
    assert accuracy_of(first, second) == pytest.approx(accuracy_of(second, first))
    clouds = rng.uniform(-0.3, 0.3, (2, 5, 100, 3))
    divergences = jensen_shannon_divergence(*clouds), jensen_shannon_divergence(*clouds[::-1])
    assert divergences[0] == pytest.approx(divergences[1])


def test_disjoint_points_diverge_by_one_bit():
    left, right = np.full((2, 10, 3), -0.3), np.full((3, 20, 3), 0.3)
    assert jensen_shannon_divergence(left, right) == pytest.approx(1)
    half = np.concatenate([left[0], np.full((10, 3), 0.3)])[None]
    # Shares (1, 0) and (1/2, 1/2): H(3/4, 1/4) - (0 + 1) / 2
    assert jensen_shannon_divergence(left, half) == pytest.approx(0.8112781 - 0.5)


def test_points_are_counted_at_the_nearest_of_a_grid_with_both_ends():
    step = 1 / 27
    here, there = np.zeros((1, 1, 3)), np.zeros((1, 1, 3))
    here[...], there[...] = -0.5 + 0.49 * step, -0.5
    assert jensen_shannon_divergence(here, there) == 0
    here[...] = -0.5 + 0.51 * step
    assert jensen_shannon_divergence(here, there) == 1
    here[...], there[...] = 0.5, 0.5 - 0.49 * step
    assert jensen_shannon_divergence(here, there) == 0


@pytest.mark.parametrize("score", [coverage, minimum_matching_distance])
@pytest.mark.parametrize("distances", [np.zeros(3), np.zeros((0, 3)), np.full((2, 2), np.nan)])
def test_other_things_than_matrices_of_numbers_are_refused(score, distances):
    with pytest.raises(ValueError, match="distances: expected"):
        score(distances)


def test_refuses_matrices_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expected \(S, S\), \(S, R\) and \(R, R\), got"):
        one_nearest_neighbour_accuracy(np.zeros((3, 3)), np.zeros((2, 3)), np.zeros((3, 3)))


@pytest.mark.parametrize("clouds", [np.full((1, 4, 3), 0.6), np.zeros((0, 4, 3))])
def test_refuses_points_that_are_not_normalised(clouds):
    with pytest.raises(ValueError, match="normalise clouds first"):
        jensen_shannon_divergence(clouds, np.zeros((1, 4, 3)))

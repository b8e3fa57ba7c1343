"""Quadrics against sums and an eigendecomposition by numpy."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shapegan.pipeline.arrays import unit
from shapegan.pipeline.contouring.quadrics import Quadrics

CUTOFF = 0.05

Planes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def made_of(planes: Planes, members: list[list[int]]) -> Quadrics:
    """A quadric of each set of planes."""
    plane = np.full((len(members), 12), -1, np.int32)
    owner = np.full((len(members), 12), -1, np.int32)
    for row, some in enumerate(members):
        plane[row, : len(some)] = some
        owner[row, : len(some)] = row
    return Quadrics.of_planes(*planes, plane, owner, np.arange(len(members)))


def slow_minimum(
    points: NDArray[np.float64], normals: NDArray[np.float64], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The point with the least error; directions below the cut-off stay at the mean."""
    value, direction = np.linalg.eigh(normals.T @ normals)
    offsets = np.einsum("nk,nk->n", normals, points - mean)
    result = mean.copy()
    for k in np.flatnonzero(value > max(CUTOFF * value[-1], np.finfo(float).tiny)):
        result += direction[:, k] * (direction[:, k] @ (normals.T @ offsets)) / value[k]
    return result


@pytest.fixture
def planes() -> Planes:
    rng = np.random.default_rng(0)
    normals = unit(rng.standard_normal((300, 3)))
    normals[:100] = np.eye(3)[rng.integers(3, size=100)]  # as on boxes
    normals[100:200] = unit(normals[100] + 0.2 * rng.standard_normal((100, 3)))  # hardly curved
    normals[::37] = 0.0  # no plane
    return rng.random((300, 3)), normals, rng.random((300, 3))


def test_the_least_error_is_that_of_an_eigendecomposition(planes: Planes) -> None:
    points, normals, anchors = planes
    rng = np.random.default_rng(1)
    kinds = rng.integers(3, size=500)
    members = [(100 * kind + rng.choice(100, rng.integers(3, 13))).tolist() for kind in kinds]
    quadrics = made_of(planes, members)
    for row, some in enumerate(members):
        mean = anchors[some].mean(axis=0)
        np.testing.assert_allclose(quadrics.mean[row], mean, atol=1e-12)
        expected = slow_minimum(points[some], normals[some], mean)
        np.testing.assert_allclose(quadrics.minima[row], expected, atol=1e-9)


def test_three_planes_meet_in_the_corner() -> None:
    corner = np.array([0.3, 0.6, 0.2])
    normals = np.eye(3)
    planes = corner + np.roll(normals, 1, axis=0), normals, corner + normals
    np.testing.assert_allclose(made_of(planes, [[0, 1, 2]]).minima, corner[None], atol=1e-14)


def test_a_set_without_any_plane_keeps_its_mean(planes: Planes) -> None:
    points, _, anchors = planes
    quadrics = made_of((points, np.zeros((300, 3)), anchors), [[1, 2, 3]])
    np.testing.assert_allclose(quadrics.minima[0], anchors[1:4].mean(axis=0), atol=1e-15)


def test_the_second_diagonal_is_taken_where_its_error_is_smaller(planes: Planes) -> None:
    points, normals, _ = planes
    rng = np.random.default_rng(2)
    members = [rng.choice(300, 6).tolist() for _ in range(40)]
    vertices, quads = rng.random((40, 3)), rng.permuted(np.tile(np.arange(40), (50, 1)), axis=1)
    quads = quads[:, :4].astype(np.int32)

    def error(one: int, other: int) -> float:
        middle = (vertices[one] + vertices[other]) / 2
        some = members[one] + members[other]
        return float((((middle - points[some]) * normals[some]).sum(axis=1) ** 2).sum())

    expected = [error(b, d) < error(a, c) for a, b, c, d in quads.tolist()]
    found = made_of(planes, members).prefer_second_diagonals(quads, vertices)
    np.testing.assert_array_equal(found, expected)
    assert 10 < found.sum() < 40

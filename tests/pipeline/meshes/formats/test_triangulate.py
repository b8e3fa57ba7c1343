import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.meshes.formats.triangulate import LARGEST, cut_ears, triangulate

L_SHAPE = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
BOW_TIE = [(0, 0), (1, 1), (1, 0), (0, 1)]
# A square with a square hole, joined by a bridge that is walked both ways.
KEYHOLE = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (1, 1), (1, 3), (3, 3), (3, 1), (1, 1)]
FLAT_CORNERS = [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 1)]


def solid(points, normal=(0, 0, 1)):
    """Puts a polygon of the plane (N, 2) on a plane through the origin: (N, 3)."""
    w = np.asarray(normal, float) / np.linalg.norm(normal)
    u = np.cross(w, np.eye(3)[np.abs(w).argmin()])
    u /= np.linalg.norm(u)
    return np.asarray(points, float) @ np.stack([u, np.cross(w, u)])


def cut(*polygons):
    vertices = np.concatenate([np.asarray(polygon, float) for polygon in polygons])
    counts = np.array([len(polygon) for polygon in polygons])
    return vertices, triangulate(vertices, np.arange(len(vertices)), counts)


def areas(vertices, faces, normal):
    """Signed areas of triangles as seen from where the normal points."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a) @ np.asarray(normal, float) / np.linalg.norm(normal) / 2


def area(points):
    x, y = np.asarray(points, float).T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


def star(radii):
    """A polygon around the origin, wound counter-clockwise."""
    angles = np.arange(len(radii)) * 2 * math.pi / len(radii)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.asarray(radii)[:, None]


def test_convex_polygons_become_fans_in_order():
    square, triangle = (
        [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)],
        [(0, 0, 1), (1, 0, 1), (0, 1, 1)],
    )
    pentagon = solid(star([1] * 5))
    _, faces = cut(square, triangle, pentagon, square)
    expected = [(0, 1, 2), (0, 2, 3), (4, 5, 6), (7, 8, 9), (7, 9, 10), (7, 10, 11)]
    assert faces.tolist() == [list(face) for face in [*expected, (12, 13, 14), (12, 14, 15)]]


def test_lines_and_points_give_nothing():
    vertices, faces = cut([(0, 0, 0)], [(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 0, 0), (1, 1, 1)])
    assert faces.tolist() == [[1, 2, 3]]
    assert triangulate(vertices, np.arange(0), np.arange(0)).shape == (0, 3)


@pytest.mark.parametrize("normal", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -2, 3), (-3, 2, -1)])
@pytest.mark.parametrize("turn", range(6))
@pytest.mark.parametrize("polygon", [L_SHAPE, KEYHOLE, FLAT_CORNERS])
def test_concave_polygons_are_covered_once(polygon, turn, normal):
    points = np.roll(polygon, turn, axis=0)
    vertices, faces = cut(solid(points, normal))
    covered = areas(vertices, faces, normal)
    assert len(faces) == len(polygon) - 2
    assert covered.min() > -1e-9
    np.testing.assert_allclose(covered.sum(), area(points))


def test_a_concave_quad_is_cut_along_its_other_diagonal():
    _, faces = cut(solid([(1, 0), (0, 2), (0.2, 0), (0, -2)]))
    assert faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    _, faces = cut(solid([(0, 2), (0.2, 0), (0, -2), (1, 0)]))
    assert faces.tolist() == [[3, 0, 1], [1, 2, 3]]


@given(st.lists(st.floats(0.05, 1), min_size=4, max_size=24), st.integers(0, 99))
def test_stars_are_covered_once(radii, seed):
    points = star(radii)
    normal = np.random.default_rng(seed).normal(size=3)
    vertices, faces = cut(solid(points, normal))
    covered = areas(vertices, faces, normal)
    assert covered.min() > -1e-5 * area(points)
    np.testing.assert_allclose(covered.sum(), area(points), rtol=1e-9)
    assert sorted(set(faces.ravel().tolist())) == list(range(len(points)))


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=3, max_size=12))
def test_any_polygon_gives_as_many_triangles_as_it_should(points):
    _, faces = cut(points)
    assert faces.shape == (len(points) - 2, 3)
    assert faces.min() >= 0
    assert faces.max() < len(points)


@given(st.integers(0, 99))
def test_polygons_do_not_depend_on_each_other(seed):
    rng = np.random.default_rng(seed)
    polygons = [solid(star(rng.uniform(0.1, 1, n)), (1, 2, 3)) for n in rng.integers(3, 9, 12)]
    _, together = cut(*polygons)
    base, apart = 0, []
    for polygon in polygons:
        apart.append(cut(polygon)[1] + base)
        base += len(polygon)
    np.testing.assert_array_equal(together, np.concatenate(apart))


def test_what_crosses_itself_or_is_too_large_keeps_the_fan():
    twisted = [(-2, 0), (1, 0), (-2, -1), (-1, 0), (2, -1), (-1, 2)]
    assert cut_ears(twisted) is None
    assert cut(solid(twisted))[1].tolist() == [[0, k, k + 1] for k in range(1, 5)]
    teeth = solid(star(np.tile([1.0, 0.3], LARGEST)))
    assert cut(teeth)[1].tolist() == [[0, k, k + 1] for k in range(1, 2 * LARGEST - 1)]


def test_polygons_without_ears_are_refused():
    assert cut_ears([(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]) is None
    assert cut_ears(L_SHAPE) is not None


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e200, 1e308, 1e-200])
def test_odd_numbers_are_no_matter(odd):
    for place in range(6):
        points = solid(L_SHAPE)
        points[place, place % 3] = odd
        assert cut(points)[1].shape == (4, 3)

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapegan.pipeline.meshes.formats.triangulate import triangulate

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


def subdivided(points, pieces):
    """A polygon (N, 2) with every edge divided into collinear pieces: (N * pieces, 2)."""
    points = np.asarray(points, float)
    share = np.arange(pieces)[:, None] / pieces
    steps = (np.roll(points, -1, axis=0) - points)[:, None] * share
    return (points[:, None] + steps).reshape(-1, 2)


def random_star(size, seed):
    rng = np.random.default_rng(seed)
    return star(rng.uniform(0.05, 1, size)), rng.normal(size=3)


star_sizes = st.integers(4, 40) | st.integers(41, 5000)
seeds = st.integers(0, 2**32)


def check_covered(polygon, normal, expected):
    """The triangles must have the polygon's area and winding; returns them."""
    vertices, faces = cut(polygon)
    covered = areas(vertices, faces, normal)
    assert covered.min() > -1e-5 * expected
    np.testing.assert_allclose(covered.sum(), expected, rtol=1e-9)
    return faces


@settings(deadline=None)
@given(star_sizes, seeds)
def test_stars_of_any_size_are_covered_once(size, seed):
    points, normal = random_star(size, seed)
    faces = check_covered(solid(points, normal), normal, area(points))
    assert len(faces) == size - 2
    assert len(np.unique(faces)) == size


@pytest.mark.parametrize("pieces", [2, 3, 7])
@pytest.mark.parametrize("turn", range(12))
@pytest.mark.parametrize("polygon", [L_SHAPE, FLAT_CORNERS, star([1, 0.3] * 4)])
def test_collinear_corners_stay_corners_of_triangles(polygon, turn, pieces):
    points = np.roll(subdivided(polygon, pieces), turn, axis=0)
    faces = check_covered(solid(points), (0, 0, 1), area(points))
    assert outline(faces) == ring(len(points))


def ring(size):
    """Edges of a polygon."""
    return Counter((k, (k + 1) % size) for k in range(size))


def outline(faces):
    """Edges of triangles that no other triangle has the other way round."""
    steps = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    edges = Counter(map(tuple, steps.tolist()))
    return Counter({edge: edges[edge] - edges[edge[::-1]] for edge in edges}) & edges


@pytest.mark.parametrize("turn", range(5))
def test_a_convex_polygon_with_a_corner_in_an_edge_has_no_flat_triangle(turn):
    points = np.roll([(0, 0), (1, 0), (2, 0), (2, 2), (0, 2)], turn, axis=0)
    vertices, faces = cut(solid(points))
    assert areas(vertices, faces, (0, 0, 1)).min() > 0.1
    assert outline(faces) == ring(5)


def test_a_closed_mesh_of_polygons_stays_closed():
    floor = np.array([(0, 0), (3, 0), (6, 0), (6, 2), (4, 2), (2, 2), (2, 4), (2, 6), (0, 6)])
    size = len(floor)  # the corners (3, 0), (4, 2) and (2, 4) are in the middle of edges
    low, high = range(size), range(size, 2 * size)
    walls = [(k, (k + 1) % size, size + (k + 1) % size, size + k) for k in low]
    polygons = [tuple(reversed(low)), tuple(high), *walls]
    vertices = np.concatenate([np.insert(floor, 2, z, axis=1) for z in (0.0, 1.0)])
    counts = np.array([len(polygon) for polygon in polygons])
    faces = triangulate(vertices, np.concatenate(polygons), counts)
    corners = vertices[faces]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.linalg.norm(crosses, axis=1).min() > 0.1
    assert not +outline(faces)


@pytest.mark.parametrize("turn", range(4))
def test_a_triangle_with_a_corner_in_an_edge_has_no_flat_triangle(turn):
    vertices, faces = cut(solid(np.roll([(0, 0), (1, 0), (2, 0), (0, 2)], turn, axis=0)))
    assert areas(vertices, faces, (0, 0, 1)).tolist() == pytest.approx([1, 1])


def test_a_corner_that_sticks_out_of_the_plane_over_an_edge_is_kept():
    _, faces = cut([(-1, 0, 1), (1, 0, 1), (1, 0, -1), (-1, 0, -1), (0, 1, -1)])
    assert outline(faces) == ring(5)


@given(st.integers(5, 300), seeds)
def test_repeated_corners_change_no_area(size, seed):
    points, normal = random_star(size, seed)
    repeats = np.random.default_rng(seed).integers(1, 4, size)
    faces = check_covered(solid(np.repeat(points, repeats, axis=0), normal), normal, area(points))
    assert outline(faces) == ring(repeats.sum())


@given(st.integers(4, 60), seeds)
def test_polygons_that_touch_themselves_are_covered_once(size, seed):
    radii = np.random.default_rng(seed).uniform(0.05, 0.9, (2, size))
    radii[:, 0] = 1  # the only corner at x = 1
    left, right = star(radii[0]), [2, 0] - star(radii[1])
    pinched = np.concatenate([left, right])  # both begin at (1, 0)
    faces = check_covered(solid(pinched), (0, 0, 1), area(left) + area(right))
    assert outline(faces) == ring(2 * size)


@given(st.integers(5, 300), seeds, st.floats(0, 0.05))
def test_warped_polygons_are_covered_once(size, seed, height):
    points, _ = random_star(size, seed)
    rise = np.random.default_rng(seed).uniform(-height, height, size)
    vertices, faces = cut(np.insert(points, 2, rise, axis=1))
    assert len(faces) == size - 2
    for axis in np.eye(3):  # the boundary decides the projected areas
        newell = np.cross(vertices, np.roll(vertices, -1, axis=0)).sum(axis=0) / 2
        np.testing.assert_allclose(areas(vertices, faces, axis).sum(), newell @ axis, atol=1e-9)
    assert np.abs(areas(vertices, faces, (0, 0, 1))).sum() <= 1.1 * area(points)


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=3, max_size=12))
def test_any_polygon_gives_triangles_of_its_corners(points):
    _, faces = cut(points)
    assert 1 <= len(faces) <= len(points) - 2
    assert faces.min() >= 0
    assert faces.max() < len(points)


@given(st.integers(5, 2000), seeds)
def test_polygons_that_cross_themselves_raise_nothing(size, seed):
    _, faces = cut(np.random.default_rng(seed).normal(size=(size, 3)))
    assert 1 <= len(faces) <= size - 2


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


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e200, 1e308, 1e-200])
def test_numbers_that_are_not_finite_or_extreme_raise_nothing(odd):
    for place in range(6):
        points = solid(L_SHAPE)
        points[place, place % 3] = odd
        faces = cut(points)[1]
        assert len(faces) in ((3, 4) if math.isfinite(odd) else (4,))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import any_primitives, shapes
from support.examples import examples

from shapegan.pipeline.samples.primitives import Pose, Prism, Rod, Turned, polygon_distance
from shapegan.pipeline.samples.tessellate import tessellate

FINE = 2e-3
HERE = Pose(np.eye(3), np.zeros(3))
seeds = st.integers(0, 2**32 - 1)


def around(primitive, seed, count=60):
    points = shapes.points_around(count, seed, 1.3 * primitive.bounding_radius)
    return points.astype(np.float64) + primitive.pose.origin


@examples(60)
@given(any_primitives.solids, seeds)
def test_agrees_with_a_fine_mesh_of_it(primitive, seed):
    points = around(primitive, seed)
    mesh = tessellate(primitive, FINE)
    expected = shapes.signed_distances(points, mesh.vertices, mesh.faces)
    got = primitive.distance(points)
    clear = np.abs(expected) > FINE
    np.testing.assert_array_equal(got[clear] < 0, expected[clear] < 0)
    # Inside, an arc may be deeper than it says.
    is_arc = isinstance(primitive, Turned) and not primitive.whole
    exact = (expected > 0) | (not is_arc)
    np.testing.assert_allclose(got[exact], expected[exact], atol=1.01 * FINE)
    assert (np.abs(got) <= np.abs(expected) + 1.01 * FINE).all()


@examples(60)
@given(any_primitives.sheets(), seeds)
def test_a_sheet_has_no_inside(primitive, seed):
    points = around(primitive, seed)
    mesh = tessellate(primitive, FINE)
    got = primitive.distance(points)
    assert primitive.is_sheet
    assert (got >= 0).all()
    expected = shapes.distances(points, mesh.vertices, mesh.faces)
    np.testing.assert_allclose(got, expected, atol=1.01 * FINE)


@examples(150)
@given(any_primitives.solids | any_primitives.sheets(), seeds, st.floats(1e-4, 1))
def test_distances_are_1_lipschitz(primitive, seed, step):
    start = around(primitive, seed, 100)
    end = start + step * shapes.points_around(100, seed + 1)
    change = np.abs(primitive.distance(end) - primitive.distance(start))
    assert (change <= np.linalg.norm(end - start, axis=1) + 1e-9).all()


@examples(60)
@given(any_primitives.solids | any_primitives.sheets(), seeds)
def test_a_primitive_lies_within_its_bounding_radius(primitive, seed):
    points = around(primitive, seed)
    beyond = np.linalg.norm(points - primitive.pose.origin, axis=1) - primitive.bounding_radius
    assert (primitive.distance(points) >= beyond - 1e-9).all()


@given(any_primitives.poses(), seeds)
def test_poses_go_there_and_back(pose, seed):
    points = shapes.points_around(10, seed).astype(np.float64)
    np.testing.assert_allclose(pose.from_local(pose.to_local(points)), points, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(pose.rotation), 1)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.5, 0.5), -0.5),
        ((0.5, 1.9), -0.1),
        ((1.5, 1.5), 0.5),
        ((1.2, 1.1), 0.1),
        ((-1, -1), 2**0.5),
        ((1.0, 0.5), -0.5),
        ((0.9, 0.9), -(0.02**0.5)),
        ((2.0, 3.0), 2**0.5),
    ],
)
def test_polygons_may_have_inward_corners(point, expected):
    shape = np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], float)
    for polygon in (shape, shape[::-1]):
        got = polygon_distance(np.array([point], float), polygon)
        np.testing.assert_allclose(got, [expected], atol=1e-12)


def test_known_distances():
    square = np.array([[-1, -2], [1, -2], [1, 2], [-1, 2]], float)
    points = np.array([[0, 0, 0], [3, 0, 0], [2, 4, 2], [1, 3, 2], [0, 0, 1.9]], float)
    np.testing.assert_allclose(
        Prism(HERE, square, 6.0).distance(points), [-1, 2, 2**0.5, 0, -0.1], atol=1e-12
    )
    np.testing.assert_allclose(
        Prism(HERE, square, 6.0, 0.5).distance(points), [-1.5, 1.5, 2**0.5 - 0.5, -0.5, -0.6]
    )
    points = np.array([[0, 0, 0], [0, 5, 0], [3, 2, 4], [0, -2, 0]], float)
    np.testing.assert_allclose(Rod(HERE, 2.0, 1.0, 1.0).distance(points), [-1, 2, 4, 1])
    can = np.array([[0, 0], [1, 0], [1, 2], [0, 2]], float)
    np.testing.assert_allclose(Turned(HERE, can).distance(points), [0, 3, 4, 2], atol=1e-12)


def test_the_axis_of_a_solid_of_revolution_is_inside_it():
    can = Turned(HERE, np.array([[0, -1], [1, -1], [1, 1], [0, 1]], float))
    np.testing.assert_allclose(can.distance(np.array([[0.0, 0, 0], [0.01, 0, 0]])), [-1, -0.99])


def test_beyond_the_middle_of_its_gap_the_other_end_of_an_arc_is_nearer():
    arc = Turned(HERE, np.array([[1, -1], [2, -1], [2, 1], [1, 1]], float), np.pi)
    points = np.array([[0.0, 0, -1], [0.1, 0, -1], [-0.1, 0, -1], [0, 0, 1.5]])
    near = np.hypot(0.9, 1)
    np.testing.assert_allclose(arc.distance(points), [2**0.5, near, near, -0.5])

"""Winding numbers continued along segments through edges, vertices, slits and planes."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from support import formulas, shapes
from support.examples import examples
from support.winding_fields import TOLERANCE, field_of


def test_segments_through_edges_cross_once():
    """The tube has edges in the planes x = y and x = 0, and so do the points."""
    mesh = shapes.tube(sections=16)
    axis = np.linspace(-0.55, 0.55, 41)
    flat = np.linspace(-0.45, 0.45, 10)
    points = np.concatenate(
        [np.stack(np.broadcast_arrays(*ray), axis=1) for z in flat for ray in planes(axis, z)]
    ).astype(np.float32)
    expected = shapes.winding_numbers(points, *mesh)
    np.testing.assert_allclose(field_of(mesh).numbers(points), expected, atol=TOLERANCE)


def test_segments_through_vertices_cross_once():
    """The cubes have corners on the diagonal x = y = z, and so do references and points."""
    ends = [shapes.box((0.1, 0.1, 0.1), (place,) * 3) for place in (-1, 1)]
    for middle in (0.0, 0.1, 0.3141):
        mesh = shapes.join(*ends, shapes.box((0.5, 0.5, 0.5), (middle,) * 3, subdivisions=1))
        diagonal = np.linspace(-0.9, 0.9, 601)
        for mirror in ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)):
            points = (diagonal[:, None] * np.array(mirror)).astype(np.float32)
            expected = np.abs(points - middle).max(axis=1) < 0.25
            clear = np.abs(np.abs(points - middle).max(axis=1) - 0.25) > 1e-4
            got = field_of(mesh).numbers(points)
            np.testing.assert_allclose(got[clear], expected[clear], atol=TOLERANCE)


def test_segments_along_the_border_of_a_box_cross_once():
    """A wall of strips between random planes: segments pass through it in these planes."""
    rng = np.random.default_rng(5)
    x = np.sort(rng.uniform(-1, 1, 60)).astype(np.float32)
    z = np.float32(0.31)
    ends = np.array([-0.9, 0.9], np.float32)
    vertices = np.stack(np.broadcast_arrays(x[:, None], ends, z), axis=-1).reshape(-1, 3)
    strip = 2 * np.arange(len(x) - 1)[:, None]
    faces = np.concatenate([strip + np.array(half) for half in ((0, 2, 3), (0, 3, 1))])
    # Each segment has a batch of its own: others would visit the boxes that it needs.
    field = field_of((vertices, faces.astype(np.int32)))
    for place in x[1:-1]:
        y = np.float32(rng.uniform(-0.8, 0.8))
        start = np.array([[place, y, z + 1e-4]], np.float32)
        end = np.array([[place, y - 1e-4, z - 1e-4]], np.float32)
        np.testing.assert_array_equal(field.signed_crossings(start, end), 1)


def planes(axis, z):
    return [(axis, axis, z), (axis, -axis, z), (axis, 0, z), (0, axis, z)]


def test_segments_through_slits_leave_no_wrong_reference():
    """A box under a cap of planks, with slits that are too narrow to count as open."""
    size = (1.6, 1.2, 0.7)
    vertices, faces = shapes.plane((0.0194, 1.2), cells=1)
    places = [np.array([0.02 * number - 0.79, 0, 0.35]) for number in range(80)]
    planks = [(vertices + place, faces) for place in places]
    points = np.array([0.8, 0.6, 0.07]) * shapes.points_around(20_000, 3)
    points = (points + np.array([0, 0, 0.35])).astype(np.float32)
    depth = formulas.box_distance(points, size)
    clear = np.abs(depth) > 0.015
    got = field_of(shapes.join(shapes.open_box(size, 0), *planks)).numbers(points[clear])
    np.testing.assert_array_equal(got > 0.5, depth[clear] < 0)


@examples(40)
@given(st.lists(st.tuples(*[st.integers(-1, 1)] * 3), min_size=4, max_size=9, unique=True))
def test_no_reference_lies_on_a_plane_that_a_modeller_would_choose(corners):
    """Hulls of corners, middles of edges and of faces of a cube: slopes, pyramids, wedges."""
    if np.linalg.matrix_rank(np.subtract(corners, corners[0])) < 3:
        return
    hull = trimesh.Trimesh(corners).convex_hull
    mesh = hull.vertices.astype(np.float64), hull.faces.astype(np.int32)
    axis = np.linspace(-1, 1, 24)
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3).astype(np.float32)
    height = np.max(
        points @ hull.face_normals.T - np.sum(hull.face_normals * hull.triangles[:, 0], axis=1),
        axis=1,
    )
    clear = np.abs(height) > 1e-4
    got = field_of(mesh).numbers(points[clear])
    np.testing.assert_array_equal(got > 0.5, height[clear] < 0)


@pytest.mark.parametrize("axis", range(3))
def test_numbers_are_whole_in_the_planes_of_faces(axis):
    """Also on the lines through a box's edges, and just inside its faces."""
    field = field_of(shapes.box((1.0, 1.0, 1.0)))
    points = shapes.points_around(300, axis).astype(np.float64)
    points[:, axis] = 0.5
    points[::3, (axis + 1) % 3] = 0.5
    beyond = np.abs(points).max(axis=1) > 0.501
    got = field.numbers(points[beyond].astype(np.float32))
    np.testing.assert_allclose(got, 0, atol=TOLERANCE)
    points[:, axis] = 0.5 - 1e-4
    inside = np.abs(points).max(axis=1) < 0.5 - 0.5e-4
    assert inside.sum() > 20
    got = field.numbers(points[inside].astype(np.float32))
    np.testing.assert_allclose(got, 1, atol=TOLERANCE)

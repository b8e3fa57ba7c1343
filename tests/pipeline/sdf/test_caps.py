import numpy as np
import pytest
import warp as wp
from support import formulas, shapes

from shapegan.pipeline.arrays import neighbours
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf.caps import NO_CAPS, find_caps, join_to_surface

RESOLUTION = 24


def cup(side=1):
    """A deep box open at one end of z: distances with jumps, and winding numbers, on a grid."""
    vertices, faces = shapes.open_box((1.2, 1.0, 1.4), subdivisions=0)
    mesh = vertices * (1, 1, side), faces if side > 0 else faces[:, ::-1]
    points = grid_points(RESOLUTION)
    winding = shapes.winding_numbers(points, *mesh)
    sdf = shapes.distances(points, *mesh) * np.where(winding > 0.5, -1, 1)
    shape = (RESOLUTION,) * 3
    return sdf.reshape(shape).astype(np.float32), winding.reshape(shape).astype(np.float32), mesh


@pytest.mark.parametrize("side", [1, -1])
def test_a_cap_lies_where_the_winding_number_is_one_half(side):
    sdf, winding, mesh = cup(side)
    caps = find_caps(sdf, winding)
    vertices, faces = caps.vertices, caps.faces
    assert vertices.dtype == np.float32
    assert faces.dtype == np.int32
    assert len(faces) > 50
    assert faces.max() < len(vertices)
    # At the rim the grid is too coarse for numbers that jump there.
    clear = vertices[shapes.distances(vertices, *mesh) > voxel_spacing(RESOLUTION)]
    assert len(clear) > 0.6 * len(vertices)
    np.testing.assert_allclose(shapes.winding_numbers(clear, *mesh), 0.5, atol=0.02)
    # Across the opening, and of about its size.
    assert (side * vertices[:, 2] > 0.1).all()
    assert (np.abs(vertices) < np.array([0.7, 0.6, 0.8])).all()
    assert 0.6 < shapes.area(vertices, faces) < 2.0


@pytest.mark.parametrize("side", [1, -1])
def test_caps_that_reach_the_rims_close_the_body(side):
    """Winding numbers with the caps are 1 inside and 0 outside, also half-way in the opening."""
    sdf, winding, (vertices, faces) = cup(side)
    spacing = voxel_spacing(RESOLUTION)
    caps = find_caps(sdf, winding)
    joined = join_to_surface(caps, lambda points: nearest(points, vertices, faces), spacing)
    assert len(joined.faces) > len(caps.faces)
    np.testing.assert_array_equal(joined.faces[: len(caps.faces)], caps.faces)
    points = shapes.points_around(4000, 3, 0.9)
    numbers = sum(
        shapes.winding_numbers(points, *part)
        for part in ((vertices, faces), (joined.vertices, joined.faces))
    )
    whole = np.abs(numbers - np.rint(numbers)) < 0.05
    assert whole.mean() > 0.97
    assert set(np.rint(numbers[whole])) == {0, 1}
    inside = shapes.winding_numbers(points, vertices, faces) > 0.5
    far = shapes.distances(points, joined.vertices, joined.faces) > 0.25 * spacing
    np.testing.assert_array_equal((numbers > 0.5)[far], inside[far])


def nearest(points, vertices, faces):
    """Distances of points from a mesh, and the nearest points."""
    found = TriangleQueries(vertices, faces).nearest(wp.array(points, dtype=wp.vec3))
    return found.distance.numpy(), found.closest.numpy()


def test_caps_separate_the_sides_of_all_jumps():
    sdf, winding, _ = cup()
    spacing = voxel_spacing(RESOLUTION)
    caps = find_caps(sdf, winding)
    points = grid_points(RESOLUTION)
    near = (np.abs(sdf) > spacing).ravel() & (np.abs(points[:, 2]) < 0.95)
    gap = np.full(len(points), np.inf)
    gap[near] = shapes.distances(points[near], caps.vertices, caps.faces)
    gap = np.minimum(gap.reshape(sdf.shape), np.abs(sdf)) * np.sign(sdf)
    for axis in range(3):
        one, other = neighbours(gap, axis)
        flips = (one < 0) != (other < 0)
        assert np.abs(one - other)[flips].max() < 1.6 * spacing


def test_closed_shapes_need_no_caps():
    points = grid_points(16)
    sdf = formulas.box_distance(points, (1.2, 1.0, 0.8)).reshape(16, 16, 16)
    assert find_caps(sdf.astype(np.float32), (sdf < 0).astype(np.float32)) is NO_CAPS
    assert NO_CAPS.vertices.shape == NO_CAPS.faces.shape == (0, 3)


def test_an_empty_grid_needs_no_caps():
    sdf = np.full((8, 8, 8), 0.3, np.float32)
    assert find_caps(sdf, np.zeros_like(sdf)) is NO_CAPS


def test_winding_numbers_on_the_surface_may_be_nan():
    sdf, winding, _ = cup()
    winding[np.abs(sdf) < 0.02] = np.nan
    caps = find_caps(sdf, winding)
    assert len(caps.faces) > 50
    assert np.isfinite(caps.vertices).all()


def test_a_jump_without_a_winding_number_of_one_half_gets_no_cap():
    """Signs that flip although all winding numbers are above one half: nothing to follow."""
    sdf = np.full((8, 8, 8), 0.9, np.float32)
    sdf[:4] = -0.9
    assert find_caps(sdf, np.full_like(sdf, 0.8)) is NO_CAPS

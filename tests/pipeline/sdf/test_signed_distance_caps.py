"""Signed distances of shapes with wide openings, which get caps."""

import numpy as np
import pytest
from support import shapes
from support.signed_fields import ask, f32, field_of

from shapegan.pipeline.schema import grid_points, voxel_spacing
from shapegan.pipeline.sdf.caps import NO_CAPS, find_caps, join_to_surface
from shapegan.pipeline.sdf.signed_distance import SignedDistance


def capped(field, resolution):
    """The voxels of a field, its caps, and the field and its voxels with them."""
    grid, shape = field.queries.query(grid_points(resolution)), (resolution,) * 3
    voxels = field.evaluate(grid)[0].reshape(shape)
    caps = find_caps(voxels, grid.winding_numbers().reshape(shape))
    caps = join_to_surface(caps, field.queries.nearest_boundary, voxel_spacing(resolution))
    queries = field.queries.with_caps(caps)
    field = SignedDistance(queries, field.sheet_thickness, field.thin_parts)
    return voxels, caps, field, field.evaluate(queries.add_caps(grid))[0].reshape(shape)


def test_a_closed_shape_gets_no_caps(box):
    before, caps, _, after = capped(box, 16)
    np.testing.assert_array_equal(before, box.voxels(16))
    np.testing.assert_array_equal(after, before)
    assert caps is NO_CAPS


@pytest.mark.parametrize("resolution", [24, 64])
def test_results_of_queries_are_reused(bottomless, resolution):
    """Adding caps to them gives what a new query gives, and leaves them as they were."""
    before, _, field, after = capped(bottomless, resolution)
    np.testing.assert_array_equal(field.voxels(resolution), after)
    np.testing.assert_array_equal(bottomless.voxels(resolution), before)


@pytest.fixture(scope="module")
def bottomless():
    """A box of loose panels without its bottom: no rim says where the inside ends."""
    vertices, faces = shapes.soup(shapes.open_box((1.4, 1.4, 1.4), subdivisions=3))
    mesh = vertices * f32([1, 1, -1]), faces
    return field_of(mesh)


def test_wide_openings_get_a_cap(bottomless):
    resolution = 24
    before, caps, field, after = capped(bottomless, resolution)
    assert len(caps.faces) > 0
    spacing = voxel_spacing(resolution)
    jumps = [np.abs(np.diff(grid, axis=2)).max() for grid in (before, after)]
    assert jumps[0] > 4 * spacing
    assert jumps[1] < 1.6 * spacing
    # Signs flip at the cap, which is flat between the voxels that it was made from.
    moved = (after < 0) != (before < 0)
    assert moved.mean() < 1e-3
    assert np.abs(after[moved]).max(initial=0) < 0.5 * spacing
    assert np.abs(before[moved]).max(initial=0) < 0.56 * spacing  # beside the flip without a cap
    assert (np.abs(after) <= np.abs(before) + 1e-6).all()
    middle = ask(field, f32([[0, 0, 0], [0, 0, -0.5], [0, 0, -0.95]])).sdf
    np.testing.assert_array_equal(np.sign(middle), [-1, -1, 1])

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from shapegan.pipeline import schema


def test_files_and_arrays_have_the_documented_names():
    assert schema.FORMAT_VERSION == 3
    assert schema.shard_name(7) == "shards/00007.h5"
    assert schema.shard_name(123456) == "shards/123456.h5"
    assert schema.voxel_name(64) == "voxels/64"
    assert schema.position_name("uniform") == "uniform/position"
    assert schema.sdf_name("surface") == "surface/sdf"
    assert schema.POINT_SETS == ("uniform", "surface", "cloud")
    assert schema.STATUSES == ("ok", "rejected", "failed")


def test_the_report_keeps_its_columns():
    """Header of `meshes.csv`: other people's scripts read it."""
    names = [field.name for field in dataclasses.fields(schema.MeshReport)]
    assert names[:6] == ["id", "category", "path", "status", "reason", "shard"]
    assert names[6:10] == ["row", "method", "faces", "inside_fraction"]
    assert names[10:] == ["surface_recall", "seconds", "split", "notes"]


@pytest.mark.parametrize("resolution", [2, 3, 8, 64])
def test_grid_spans_the_cube(resolution):
    axis = schema.grid_axis(resolution)
    assert len(axis) == resolution
    assert (axis[0], axis[-1]) == (-1, 1)
    np.testing.assert_allclose(np.diff(axis), schema.voxel_spacing(resolution), rtol=1e-9)


def test_spacing_of_the_smallest_grid_of_the_paper():
    assert schema.voxel_spacing(8) == pytest.approx(0.2857, abs=1e-4)


@pytest.mark.parametrize("resolution", [2, 5])
def test_grid_points_come_in_order_x_y_z(resolution):
    points = schema.grid_points(resolution)
    assert points.shape == (resolution**3, 3)
    assert points.dtype == np.float32
    axis = schema.grid_axis(resolution)
    for i, j, k in itertools.product(range(resolution), repeat=3):
        row = points[(i * resolution + j) * resolution + k]
        np.testing.assert_allclose(row, [axis[i], axis[j], axis[k]], atol=1e-7)


coordinates = st.lists(st.floats(-1, 1), min_size=3, max_size=3)


@examples(200)
@given(position=coordinates)
def test_rounding_moves_a_position_by_half_a_step(position):
    encoded = schema.encode_positions(np.array(position))
    assert encoded.dtype == np.int16
    decoded = schema.decode_positions(encoded)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, position, atol=0.5001 / schema.POSITION_STEPS)


def test_all_stored_positions_come_back():
    steps = np.arange(-schema.POSITION_STEPS, schema.POSITION_STEPS + 1).astype(np.int16)
    encoded = np.stack([steps, steps[::-1], np.roll(steps, 5)], axis=1)
    decoded = schema.decode_positions(encoded)
    np.testing.assert_array_equal(schema.encode_positions(decoded), encoded)
    assert np.abs(decoded).max() == 1.0


def test_positions_beyond_the_cube_are_clipped():
    encoded = schema.encode_positions(np.array([[1.5, -7.0, 1.00001], [0.0, 1.0, -1.0]]))
    assert encoded.tolist() == [[32767, -32767, 32767], [0, 32767, -32767]]


def test_leading_dimensions_stay():
    positions = np.zeros((2, 5, 3), np.float32)
    assert schema.decode_positions(schema.encode_positions(positions)).shape == (2, 5, 3)

"""Centre and scales of meshes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mesh_files import BOX

from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, frame_of


def test_the_frame_of_a_box():
    frame = frame_of(BOX.vertices + np.array([5, 6, 7]))
    np.testing.assert_allclose(frame.center, (5, 6, 7))
    assert frame.scale_cube == 1.5
    assert frame.scale_sphere == pytest.approx(np.sqrt(1 + 4 + 9) / 2)
    assert isinstance(frame.scale_cube, float)
    assert isinstance(frame.scale_sphere, float)


@given(st.lists(st.tuples(*[st.floats(-1e9, 1e9)] * 3), min_size=1))
def test_frames_put_vertices_into_the_cube_and_the_ball(points):
    vertices = np.array(points)
    try:
        frame = frame_of(vertices)
    except BadMeshError:
        assert np.ptp(vertices, axis=0).max() <= 1e-18
        return
    cube = (vertices - frame.center) / frame.scale_cube
    assert np.abs(cube).max() == pytest.approx(1)
    assert np.ptp(cube, axis=0).max() == pytest.approx(2)
    ball = np.linalg.norm((vertices - frame.center) / frame.scale_sphere, axis=1)
    assert ball.max() == pytest.approx(1)


def test_no_vertices_and_no_size_have_no_frame():
    with pytest.raises(BadMeshError, match="no faces are left"):
        frame_of(np.empty((0, 3)))
    for size in (0.0, 5e-324, 1e-200, 1e-18):  # from 1e-162 on, squares vanish
        with pytest.raises(BadMeshError, match="zero size"):
            frame_of(np.eye(3) * size)

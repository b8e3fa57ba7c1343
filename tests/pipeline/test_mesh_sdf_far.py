"""`MeshSDF` far from the origin, where float32 is too coarse for coordinates."""

import numpy as np
import pytest
import trimesh

from shapegan.pipeline import MeshSDF

CENTER, RADIUS = np.array([402_531.125, 5_654_321.375, 87.3]), 3.0
"""Map coordinates in metres; float32 is 0.5 apart there."""

NEAR = {"mesh": np.float64, "cube": np.float32, "sphere": np.float32}


@pytest.fixture(scope="module")
def ball():
    mesh = trimesh.creation.icosphere(4, RADIUS)
    mesh.apply_translation(CENTER)
    return MeshSDF(mesh)


def truth(points):
    return np.linalg.norm(points - CENTER, axis=1) - RADIUS


def test_near_points_keep_their_place(ball):
    points, sdf = ball.near_surface(2000, "mesh")
    np.testing.assert_allclose(sdf, truth(points), atol=0.01)
    np.testing.assert_allclose(ball.signed_distances(points), sdf, atol=1e-6)


@pytest.mark.parametrize("frame", NEAR)
def test_near_points_have_the_precision_of_their_frame(ball, frame):
    points, sdf = ball.near_surface(10, frame)
    assert (points.dtype, sdf.dtype) == (NEAR[frame], np.float32)


def test_gradients_lead_to_the_surface(ball):
    points = CENTER + np.random.default_rng(0).uniform(-4, 4, (500, 3))
    sdf, gradients = ball.signed_distances_and_gradients(points)
    np.testing.assert_allclose(sdf, truth(points), atol=0.01)
    nearest = points - sdf[:, None].astype(float) * gradients
    np.testing.assert_allclose(ball.signed_distances(nearest), 0, atol=1e-5)


def test_frames_share_their_centre_exactly(ball):
    assert (ball.transform("cube", "sphere")[:3, 3] == 0).all()
    np.testing.assert_array_equal(ball.transform("mesh", "mesh"), np.eye(4))
    there = ball.transform("cube", "mesh") @ ball.transform("mesh", "cube")
    np.testing.assert_allclose(there @ [*CENTER, 1], [*CENTER, 1], atol=1e-8)

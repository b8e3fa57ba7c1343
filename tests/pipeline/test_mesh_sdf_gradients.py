"""Gradients of the distances of a mesh."""

import numpy as np
import pytest
from support import shapes
from support.boxed import BOX, CENTER, FRAMES, SIZE, apply, given_as, points_in_mesh, truth

from shapegan.pipeline import MeshSDF
from shapegan.pipeline.mesh_sdf import ON_SURFACE, SHEET_THICKNESS
from shapegan.pipeline.schema import grid_points


@pytest.fixture(scope="module")
def box():
    return MeshSDF(BOX)


@pytest.fixture(scope="module")
def sheet():
    return MeshSDF(given_as(shapes.plane((2.0, 1.0))))


def box_gradient(points):
    """The direction in which the distance to `BOX` rises, and True where there is only one."""
    relative = points - CENTER
    beyond = np.abs(relative) - SIZE / 2
    inside = (beyond < 0).all(axis=1)
    out = np.maximum(beyond, 0) * np.sign(relative)
    nearest = np.sign(relative) * (beyond == beyond.max(axis=1, keepdims=True))
    gradient = np.where(inside[:, None], nearest, out)
    second, first = np.sort(beyond, axis=1)[:, 1:].T
    clear = ~inside | ((first - second > 1e-3) & (np.abs(relative).min(axis=1) > 1e-3))
    return gradient / np.linalg.norm(gradient, axis=1, keepdims=True), clear


@pytest.mark.parametrize("frame", FRAMES)
def test_gradients_of_a_box(box, frame):
    points = points_in_mesh(3000)
    asked = apply(box.transform("mesh", frame), points)
    sdf, gradients = box.signed_distances_and_gradients(asked, frame)
    np.testing.assert_array_equal(sdf, box.signed_distances(asked, frame))
    expected, clear = box_gradient(points)
    far = np.abs(truth(points)) > 1e-2
    assert clear.mean() > 0.9
    np.testing.assert_allclose(gradients[clear & far], expected[clear & far], atol=5e-4)
    assert (gradients.dtype, gradients.shape) == (np.float32, (3000, 3))


def test_gradients_are_of_length_one_everywhere(box, sheet):
    for made in (box, sheet):
        near, _ = made.near_surface(500, "cube")
        points = np.concatenate([near, shapes.points_around(1000), grid_points(9)])
        _, gradients = made.signed_distances_and_gradients(points, "cube")
        np.testing.assert_allclose(np.linalg.norm(gradients, axis=1), 1, atol=1e-5)


def test_gradients_are_finite_differences():
    ball = MeshSDF(given_as(shapes.icosphere(0.9, 3, center=(1, 2, 3))))
    points = shapes.points_around(400) + np.array([1, 2, 3])
    points = points[np.linalg.norm(points - (1, 2, 3), axis=1) > 0.1]
    sdf, gradients = ball.signed_distances_and_gradients(points)
    assert (sdf < 0).sum() > 50
    step = 1e-3
    differences = np.stack(
        [
            ball.signed_distances(points + step * axis)
            - ball.signed_distances(points - step * axis)
            for axis in np.eye(3)
        ],
        axis=1,
    )
    # The inside of a faceted ball has the medial axis of its facets.
    smooth = np.abs(np.linalg.norm(differences / 2 / step, axis=1) - 1) < 1e-3
    assert smooth.mean() > 0.8
    np.testing.assert_allclose(gradients[smooth], differences[smooth] / 2 / step, atol=0.05)


@pytest.mark.parametrize("off", [0.0, 0.3, -0.3, 0.9, -0.9, 3.0, -3.0])
def test_gradients_on_the_surface_are_its_normals(box, off):
    gap = off * ON_SURFACE * box.scale("cube")
    for axis in range(3):
        for side in (-1, 1):
            points = CENTER + np.random.default_rng(axis).uniform(-0.4, 0.4, (20, 3)) * SIZE
            points[:, axis] = CENTER[axis] + side * (SIZE[axis] / 2 + gap)
            _, gradients = box.signed_distances_and_gradients(points)
            np.testing.assert_allclose(
                gradients, side * np.tile(np.eye(3)[axis], (20, 1)), atol=1e-2
            )


def test_gradients_at_edges_and_corners_lead_away(box):
    points = CENTER + np.array([[2, 1, 0.5], [2, 1, 0.1], [-2, -1, -0.5]])
    _, gradients = box.signed_distances_and_gradients(points)
    expected = np.array([[1, 1, 1], [1, 1, 0], [-1, -1, -1]])
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(gradients, expected, atol=1e-3)


def test_gradients_of_a_sheet_lead_out_of_it_on_both_sides(sheet):
    half = SHEET_THICKNESS * sheet.scale("cube")
    heights = np.array([0.1, 1.5, 1.0, 0.5, -0.5, -1.0, -1.5, -0.1 / half]) * half
    points = np.stack([0.3 * np.ones(8), 0.2 * np.ones(8), heights], axis=1)
    sdf, gradients = sheet.signed_distances_and_gradients(points)
    np.testing.assert_allclose(sdf, np.abs(heights) - half, atol=1e-6)
    np.testing.assert_allclose(gradients, np.sign(heights)[:, None] * [[0, 0, 1]], atol=1e-3)

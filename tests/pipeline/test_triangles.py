import numpy as np
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline import triangles

FUNCTIONS = (
    triangles.cross_products,
    triangles.double_areas,
    triangles.areas,
    triangles.edge_vectors,
    triangles.edge_lengths,
    triangles.centroids,
    triangles.longest_box_sides,
)


@given(count=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_areas_normals_edges_and_centroids_agree_with_trimesh(count, seed):
    corners = np.random.default_rng(seed).standard_normal((count, 3, 3))
    normals, double = triangles.normals_and_double_areas(corners)
    np.testing.assert_allclose(triangles.areas(corners), trimesh.triangles.area(corners))
    np.testing.assert_allclose(normals, trimesh.triangles.normals(corners)[0])
    np.testing.assert_array_equal(double, triangles.double_areas(corners))
    np.testing.assert_array_equal(double, 2 * triangles.areas(corners))
    np.testing.assert_allclose(triangles.cross_products(corners), normals * double[:, None])
    edges = np.diff(corners[:, [0, 1, 2, 0]], axis=1)
    np.testing.assert_array_equal(triangles.edge_vectors(corners), edges)
    np.testing.assert_allclose(triangles.edge_lengths(corners), np.linalg.norm(edges, axis=2))
    np.testing.assert_allclose(triangles.centroids(corners), corners.mean(axis=1), atol=1e-15)
    sides = np.ptp(corners, axis=1).max(axis=1)
    np.testing.assert_array_equal(triangles.longest_box_sides(corners), sides)


def test_results_have_the_dtype_of_the_corners():
    for dtype in (np.float32, np.float64):
        for count in (0, 2):
            corners = np.zeros((count, 3, 3), dtype)
            normals, double = triangles.normals_and_double_areas(corners)
            results = [normals, double, *(function(corners) for function in FUNCTIONS)]
            assert {result.dtype for result in results} == {np.dtype(dtype)}
            assert {len(result) for result in results} == {count}


def test_triangles_without_an_area_have_a_normal_of_zero():
    corners = np.array([[[0.0, 0, 0], [1, 1, 1], [2, 2, 2]]])
    normals, double = triangles.normals_and_double_areas(corners)
    np.testing.assert_array_equal(normals, 0)
    np.testing.assert_array_equal(double, 0)

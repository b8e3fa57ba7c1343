"""Clouds, scans and cameras with the interface of mesh-to-sdf."""

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from PIL import Image

import shapegan.pipeline.compat.mesh_to_sdf as mesh_to_sdf
from shapegan.pipeline.compat.mesh_to_sdf import pyrender_wrapper, scan, surface_point_cloud, utils


def test_scaled_meshes_have_the_frames_of_the_original(mesh):
    scene = trimesh.Scene([mesh])
    for given in (mesh, scene):
        ball = mesh_to_sdf.scale_to_unit_sphere(given)
        assert np.linalg.norm(ball.vertices, axis=1).max() == pytest.approx(1)
        cube = mesh_to_sdf.scale_to_unit_cube(given)
        np.testing.assert_allclose(cube.bounds.sum(axis=0), 0, atol=1e-9)
        assert cube.extents.max() == pytest.approx(2)


def test_points_of_a_cloud_lie_on_the_surface(cloud):
    assert cloud.points.shape == cloud.normals.shape == (5 * 60**2 // 4, 3)
    np.testing.assert_allclose(cloud.get_sdf(cloud.points), 0, atol=1e-4)
    ahead = cloud.get_sdf(cloud.points + 1e-3 * cloud.normals)
    assert (ahead > 0).all()


def test_the_tree_finds_the_nearest_points(cloud):
    points = np.random.default_rng(1).uniform(-1, 1, (40, 3))
    distances, indices = cloud.kd_tree.query(points, k=3)
    gaps = np.linalg.norm(points[:, None] - cloud.points, axis=2)
    np.testing.assert_array_equal(indices, gaps.argsort(axis=1)[:, :3])
    np.testing.assert_allclose(distances, np.sort(gaps)[:, :3])
    np.testing.assert_array_equal(
        cloud.kd_tree.query(points, return_distance=False), indices[:, :1]
    )


def test_clouds_by_sampling_have_no_scans(mesh):
    cloud = mesh_to_sdf.get_surface_point_cloud(
        mesh, "sample", sample_point_count=50, calculate_normals=False
    )
    assert (cloud.points.shape, cloud.normals, cloud.scans) == ((50, 3), None, None)


def test_a_cloud_takes_points_of_ones_own(mesh):
    points = mesh.vertices
    cloud = surface_point_cloud.SurfacePointCloud(mesh, points, mesh.vertex_normals, [])
    np.testing.assert_array_equal(cloud.points, points)
    assert cloud.scans == []
    assert cloud.kd_tree.query(points)[1].ravel().tolist() == list(range(len(points)))


def test_batches_give_the_same_distances(cloud):
    points = np.random.default_rng(2).uniform(-1, 1, (50, 3))
    whole, parts = (
        cloud.get_sdf_in_batches(points, batch_size=size, return_gradients=True) for size in (99, 7)
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_array_equal(cloud.get_sdf_in_batches(points, batch_size=7), parts[0])
    np.testing.assert_array_equal(cloud.is_outside(points), whole[0] >= 0)


def test_scans_lie_on_the_surface_and_are_saved(cloud, tmp_path):
    for one in cloud.scans:
        assert len(one.points) == (one.depth_buffer > 0).sum() > 100
        np.testing.assert_allclose(cloud.get_sdf(one.points), 0, atol=1e-5)
        to_camera = one.camera_position - one.points
        assert (np.einsum("ij,ij->i", to_camera, one.normals) >= 0).all()
        assert one.is_visible(one.points + 0.01 * to_camera).all()
        assert not one.is_visible(one.points - 0.01 * to_camera).any()
    cloud.scans[0].save(tmp_path / "scan_0.png")
    with Image.open(tmp_path / "scan_0.png") as depth:
        assert np.asarray(depth).max() == 255
    with Image.open(tmp_path / "scan_0_normals.png") as normals:
        np.testing.assert_array_equal(np.asarray(normals), cloud.scans[0].normal_buffer)


def test_a_camera_of_pyrender_takes_a_picture(mesh):
    camera = SimpleNamespace(yfov=1.0, znear=0.5, zfar=None)
    pose = scan.get_camera_transform_looking_at_origin(0.3, -0.2, 3)
    np.testing.assert_allclose(
        scan.get_camera_transform(0.3, -0.2), scan.get_camera_transform_looking_at_origin(0.3, -0.2)
    )
    colors, depth = pyrender_wrapper.render_normal_and_depth_buffers(mesh, camera, pose, 50)
    assert (colors.shape, depth.shape) == ((50, 50, 3), (50, 50))
    assert (colors[depth == 0] == 255).all()
    nearest = np.linalg.norm(mesh.vertices - pose[:3, 3], axis=1).min()
    assert nearest - 0.5 < depth[depth > 0].min() < nearest + 0.5


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 0, -1), (0.3, -1, 0.2)])
def test_a_camera_looks_in_its_direction(direction):
    pose = scan.get_camera_transform(np.array([1.0, 2, 3]), np.array(direction, float))
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(-pose[:3, 2], direction / np.linalg.norm(direction), atol=1e-12)
    np.testing.assert_array_equal(pose[:3, 3], [1, 2, 3])


def test_show_opens_the_viewer_of_trimesh(cloud, monkeypatch):
    shown = []
    monkeypatch.setattr(trimesh.PointCloud, "show", lambda self: shown.append(len(self.vertices)))
    cloud.show()
    cloud.scans[0].show()
    assert shown == [len(cloud.points), len(cloud.scans[0].points)]


def test_uniform_points_lie_in_the_ball():
    points = utils.sample_uniform_points_in_unit_sphere(500)
    assert (points.shape, points.dtype) == ((500, 3), np.float64)
    assert np.linalg.norm(points, axis=1).max() <= 1 + 1e-6

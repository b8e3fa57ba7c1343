"""The names, arguments and results of the package mesh-to-sdf itself."""

import inspect
import sys

import numpy as np
import pytest

import shapegan.pipeline.compat.mesh_to_sdf as mesh_to_sdf
from shapegan.pipeline import MeshSDF
from shapegan.pipeline.sdf.scan import NoOpenGLError, check_opengl


@pytest.fixture(scope="module")
def original():
    """The package mesh-to-sdf."""
    try:
        check_opengl()
    except NoOpenGLError as error:
        pytest.skip(str(error))
    import mesh_to_sdf

    return mesh_to_sdf


FUNCTIONS = (
    "mesh_to_sdf",
    "mesh_to_voxels",
    "sample_sdf_near_surface",
    "get_surface_point_cloud",
    "scale_to_unit_sphere",
    "scale_to_unit_cube",
    "get_raster_points",
    "check_voxels",
    "surface_point_cloud.SurfacePointCloud",
    "surface_point_cloud.SurfacePointCloud.get_random_surface_points",
    "surface_point_cloud.SurfacePointCloud.get_sdf",
    "surface_point_cloud.SurfacePointCloud.get_sdf_in_batches",
    "surface_point_cloud.SurfacePointCloud.get_voxels",
    "surface_point_cloud.SurfacePointCloud.sample_sdf_near_surface",
    "surface_point_cloud.SurfacePointCloud.is_outside",
    "surface_point_cloud.SurfacePointCloud.show",
    "surface_point_cloud.create_from_scans",
    "surface_point_cloud.sample_from_mesh",
    "surface_point_cloud.get_equidistant_camera_angles",
    "utils.sample_uniform_points_in_unit_sphere",
    "scan.Scan",
    "scan.Scan.is_visible",
    "scan.Scan.convert_world_space_to_viewport",
    "scan.Scan.show",
    "scan.Scan.save",
    "scan.get_rotation_matrix",
    "scan.get_camera_transform",
    "scan.get_camera_transform_looking_at_origin",
    "pyrender_wrapper.render_normal_and_depth_buffers",
)


def named(module, path):
    for name in path.split("."):
        module = getattr(module, name)
    return module


@pytest.mark.gl
@pytest.mark.parametrize("path", FUNCTIONS)
def test_arguments_and_defaults_are_those_of_the_original(original, path):

    theirs, ours = (inspect.signature(named(module, path)) for module in (original, mesh_to_sdf_()))
    positional = [p for p in ours.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    for mine, its in zip(positional, theirs.parameters.values(), strict=True):
        assert (mine.name, mine.default) == (its.name, its.default)
    added = set(ours.parameters) - set(theirs.parameters)
    assert added <= {"seed", "sheet_thickness"}


def mesh_to_sdf_():
    """The stand-in, where an import hides its name."""
    return sys.modules["shapegan.pipeline.compat.mesh_to_sdf"]


@pytest.mark.gl
def test_every_public_name_is_there(original):

    modules = ("scan", "surface_point_cloud", "utils", "pyrender_wrapper")
    public = {name for name, value in vars(original).items() if inspect.isroutine(value)}
    public |= {"BadMeshException", "surface_point_cloud"}
    assert public <= set(dir(mesh_to_sdf_())) | set(modules)
    assert set(mesh_to_sdf_().__all__) >= public - {"utils"}


@pytest.mark.gl
def test_shapes_and_types_are_those_of_the_original(original, mesh):
    scans = {"scan_count": 3, "scan_resolution": 40}
    points = np.random.default_rng(0).uniform(-1, 1, (30, 3))
    for module in (original, mesh_to_sdf_()):
        cloud = module.get_surface_point_cloud(mesh, **scans)
        results = [
            module.mesh_to_sdf(mesh, points, **scans),
            *module.mesh_to_voxels(mesh, 5, pad=True, return_gradients=True, **scans),
            *module.sample_sdf_near_surface(mesh, 60, return_gradients=True, **scans),
            cloud.get_random_surface_points(7),
            cloud.is_outside(points),
            *cloud.kd_tree.query(points),
            *cloud.kd_tree.query(points, k=4),
            cloud.scans[0].depth_buffer,
            cloud.scans[0].normal_buffer,
            cloud.scans[0].depth,
            cloud.scans[0].projection_matrix,
            cloud.scans[0].convert_world_space_to_viewport(points),
            cloud.scans[0].is_visible(points),
            module.get_raster_points(4),
        ]
        found = [(result.shape, result.dtype) for result in results]
        found += [x.dtype for x in (cloud.points, cloud.normals, cloud.scans[0].normals)]
        if module is original:
            expected = found
    assert found == expected


@pytest.mark.gl
def test_scans_show_what_those_of_the_original_show(original, mesh):
    arguments = {"scan_count": 3, "scan_resolution": 90}
    theirs = original.get_surface_point_cloud(mesh, **arguments)
    ours = mesh_to_sdf.get_surface_point_cloud(mesh, **arguments)
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    for a, b in zip(theirs.scans, ours.scans, strict=True):
        np.testing.assert_allclose(a.camera_transform, b.camera_transform, atol=1e-12)
        np.testing.assert_allclose(a.projection_matrix, b.projection_matrix, atol=1e-12)
        both = (a.depth_buffer > 0) & (b.depth_buffer > 0)
        assert both.sum() > 300
        assert ((a.depth_buffer > 0) != (b.depth_buffer > 0)).mean() < 0.005
        gap = np.abs(a.depth_buffer - b.depth_buffer)[both]
        assert np.quantile(gap, 0.99) < 1e-4
        colors = np.abs(a.normal_buffer.astype(int) - b.normal_buffer)[both]
        assert np.quantile(colors, 0.99) <= 1
        assert (a.is_visible(points) == b.is_visible(points)).mean() > 0.99


@pytest.mark.gl
def test_distances_agree_with_the_original_on_a_closed_mesh(original, mesh):
    scans = {"scan_count": 14, "scan_resolution": 150, "sign_method": "depth"}
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (3000, 3))
    theirs = original.mesh_to_sdf(mesh, points, **scans)
    ours = mesh_to_sdf.mesh_to_sdf(mesh, points, **scans)
    clear = np.abs(ours) > 0.03
    np.testing.assert_allclose(ours[clear], theirs[clear], atol=0.02)
    assert (ours[clear] < 0).any()

    theirs, ours = (m.mesh_to_voxels(mesh, 16, **scans) for m in (original, mesh_to_sdf_()))
    clear = np.abs(ours) > 0.03
    np.testing.assert_allclose(ours[clear], theirs[clear], atol=0.02)

    points, sdf = original.sample_sdf_near_surface(mesh, 3000, **scans)
    ours = MeshSDF(mesh).signed_distances(points, "sphere")
    clear = np.abs(ours) > 0.03
    np.testing.assert_allclose(ours[clear], sdf[clear], atol=0.02)

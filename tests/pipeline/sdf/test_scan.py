import ctypes
import subprocess
import sys

import numpy as np
import pytest
import trimesh

from shapegan.pipeline.schema import grid_points
from shapegan.pipeline.sdf import scan

SPHERE = trimesh.creation.icosphere(subdivisions=4, radius=0.9)


def scanned(mesh=SPHERE, radius=scan.CUBE_RADIUS, scans=30, pixels=256, signs="depth"):
    faces = mesh.faces.astype(np.int32)
    return scan.ScannedSurface(mesh.vertices, faces, radius, scans, pixels, signs)


@pytest.fixture(scope="module")
def opengl():
    """Skips where there is no OpenGL, and says why."""
    try:
        scanned(scans=2, pixels=16)
    except scan.NoOpenGLError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sphere(opengl):
    return scanned()


@pytest.mark.gl
def test_distances_of_a_sphere_have_the_right_size_and_sign(sphere):
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    sdf, closest = sphere.signed_distances(points)
    truth = np.linalg.norm(points, axis=1) - 0.9
    clear = np.abs(truth) > 0.02  # nearer, the scans' pixels blur the sign
    assert sdf.dtype == closest.dtype == np.float32
    assert np.abs(np.abs(sdf) - np.abs(truth)).max() < 0.02
    assert ((sdf < 0) == (truth < 0))[clear].all()
    np.testing.assert_allclose(np.linalg.norm(closest, axis=1), 0.9, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(closest - points, axis=1), np.abs(sdf), atol=1e-5)


@pytest.mark.gl
def test_batches_change_nothing(sphere, monkeypatch):
    whole = sphere.voxels(6)
    monkeypatch.setattr(scan, "BATCH", 50)
    np.testing.assert_array_equal(sphere.voxels(6), whole)
    assert whole[0, 0, 0] == sphere.signed_distances(grid_points(6)[:1])[0]


@pytest.mark.gl
def test_surface_points_are_scanned_points_and_follow_the_seed(sphere):
    points = sphere.surface_points(100, np.random.default_rng(1))
    assert points.shape == (100, 3)
    assert points.dtype == np.float32
    assert np.abs(sphere.signed_distances(points)[0]).max() < 1e-6
    np.testing.assert_array_equal(points, sphere.surface_points(100, np.random.default_rng(1)))


@pytest.mark.gl
def test_scans_are_those_of_mesh_to_sdf(opengl):
    import mesh_to_sdf

    mesh = trimesh.creation.box((1.0, 0.5, 1.5))
    theirs = mesh_to_sdf.get_surface_point_cloud(
        mesh, bounding_radius=1.2, scan_count=3, scan_resolution=64, calculate_normals=False
    )
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32)
    sdf, _ = scanned(mesh, 1.2, 3, 64).signed_distances(points)
    np.testing.assert_array_equal(sdf, theirs.get_sdf(points, use_depth_buffer=True))


@pytest.mark.gl
def test_signs_by_normals_are_those_of_a_closed_sphere(opengl):
    points = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    sdf, closest = scanned(signs="normals").signed_distances(points)
    truth = np.linalg.norm(points, axis=1) - 0.9
    clear = np.abs(truth) > 0.02
    assert ((sdf < 0) == (truth < 0))[clear].all()
    np.testing.assert_allclose(np.linalg.norm(closest - points, axis=1), np.abs(sdf), atol=1e-5)
    by_depth = scanned().signed_distances(points)[0]
    np.testing.assert_allclose(np.abs(by_depth), np.abs(sdf), atol=1e-6)


@pytest.mark.gl
def test_signs_by_normals_are_those_of_mesh_to_sdf(opengl, monkeypatch):
    import mesh_to_sdf

    mesh = trimesh.creation.box((1.0, 0.5, 1.5))
    theirs = mesh_to_sdf.get_surface_point_cloud(
        mesh, bounding_radius=1.2, scan_count=3, scan_resolution=64, calculate_normals=True
    )
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32)
    sdf, _ = scanned(mesh, 1.2, 3, 64, "normals").signed_distances(points)
    np.testing.assert_array_equal(sdf, theirs.get_sdf(points, sample_count=11))


@pytest.mark.gl
def test_cameras_that_see_into_a_hole_mislead_the_depth_more_than_the_normals(opengl):
    """Without its caps at x = +-1, a ball's core is seen through; its wall is seen from outside."""
    center = SPHERE.triangles_center
    opened = trimesh.Trimesh(SPHERE.vertices, SPHERE.faces[np.abs(center[:, 0]) < 0.8])
    points = np.random.default_rng(0).normal(size=(3000, 3))
    points *= 0.8 / np.linalg.norm(points, axis=1, keepdims=True)  # below the wall
    points = points[np.abs(points[:, 0]) < 0.5].astype(np.float32)
    inside = {
        signs: (scanned(opened, signs=signs).signed_distances(points)[0] < 0).mean()
        for signs in ("depth", "normals")
    }
    assert inside["normals"] > inside["depth"] + 0.1


@pytest.mark.gl
def test_every_context_is_freed_and_serves_all_scans(opengl, monkeypatch):
    import mesh_to_sdf.scan
    import pyrender

    before = mesh_to_sdf.scan.render_normal_and_depth_buffers
    opened = []

    class Recorded(pyrender.OffscreenRenderer):
        def __init__(self, *size):
            super().__init__(*size)
            opened.append(self)

    monkeypatch.setattr(pyrender, "OffscreenRenderer", Recorded)
    for _ in range(3):
        scanned(scans=4, pixels=32)
    assert len(opened) == 3
    assert all(renderer._platform is None for renderer in opened)
    assert mesh_to_sdf.scan.render_normal_and_depth_buffers is before


@pytest.mark.gl
def test_context_is_freed_when_a_scan_fails(opengl, monkeypatch):
    import mesh_to_sdf.scan
    from mesh_to_sdf import pyrender_wrapper

    before = mesh_to_sdf.scan.render_normal_and_depth_buffers
    with pytest.raises(ZeroDivisionError):  # the library spreads cameras by 1 / (count - 1)
        scanned(scans=1, pixels=32)
    assert mesh_to_sdf.scan.render_normal_and_depth_buffers is before
    assert pyrender_wrapper.suppress_multisampling is False
    scanned(scans=2, pixels=32)


@pytest.mark.gl
def test_a_machine_without_devices_gives_one_line(opengl, monkeypatch):
    monkeypatch.setenv("EGL_DEVICE_ID", "99")
    with pytest.raises(scan.NoOpenGLError, match="install libegl1") as caught:
        scanned(scans=2, pixels=32)
    assert "\n" not in str(caught.value)


@pytest.mark.gl
def test_a_check_for_opengl_leaves_no_context(opengl, monkeypatch):
    import pyrender

    opened = []

    class Recorded(pyrender.OffscreenRenderer):
        def __init__(self, *size):
            super().__init__(*size)
            opened.append(self)

    monkeypatch.setattr(pyrender, "OffscreenRenderer", Recorded)
    scan.check_opengl()
    assert [renderer._platform for renderer in opened] == [None]
    monkeypatch.setenv("EGL_DEVICE_ID", "99")
    with pytest.raises(scan.NoOpenGLError, match="install libegl1"):
        scan.check_opengl()


@pytest.mark.parametrize("library", ["libEGL.so.1", "libGL.so.1"])
@pytest.mark.parametrize("opens", [scanned, scan.check_opengl])
def test_without_a_library_the_message_says_what_to_install(monkeypatch, opens, library):
    def missing(name):
        if name == library:
            raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setenv("PYOPENGL_PLATFORM", "egl")
    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(scan.NoOpenGLError, match="install libegl1 and libgl1") as caught:
        opens()
    assert library in str(caught.value)
    assert "\n" not in str(caught.value)


def test_importing_the_module_touches_neither_opengl_nor_the_environment():
    code = (
        "import os, sys; before = dict(os.environ); import shapegan.pipeline.sdf.scan;"
        "assert not {'OpenGL', 'pyrender', 'mesh_to_sdf', 'trimesh'} & set(sys.modules);"
        "assert dict(os.environ) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def sphere_voxels(resolution):
    distance = np.linalg.norm(grid_points(resolution), axis=1) - 0.7
    return distance.reshape((resolution,) * 3).astype(np.float32)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64])
def test_paper_check_lets_true_distances_pass(resolution):
    assert scan.voxels_rejection(sphere_voxels(resolution)) == ""


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_paper_check_finds_a_fall(axis):
    voxels = sphere_voxels(32)
    at = [3, 3, 3]
    at[axis] += 1
    voxels[tuple(at)] = -0.6
    assert "jumps: 32^3" in scan.voxels_rejection(voxels)


def test_paper_check_looks_one_way_only():
    step = np.full((32, 32, 32), 1.0, np.float32)
    step[:16] = -1.0
    assert scan.voxels_rejection(step) == ""
    assert scan.voxels_rejection(step[::-1]) != ""


@pytest.mark.parametrize(("inside", "refused"), [(9, True), (10, False)])
def test_a_hundredth_of_the_uniform_points_has_to_lie_inside(inside, refused):
    sdf = np.ones(1000, np.float32)
    sdf[:inside] = -1
    assert bool(scan.points_rejection(sdf)) is refused

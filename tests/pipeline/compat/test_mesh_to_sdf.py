"""Distances, voxels and samples with the interface of mesh-to-sdf, and programs for it."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from skimage.measure import marching_cubes
from support import formulas, shapes

import shapegan.pipeline.compat.mesh_to_sdf as mesh_to_sdf
from shapegan.pipeline import BadMeshError, MeshSDF
from shapegan.pipeline.compat.mesh_to_sdf import utils
from shapegan.pipeline.sdf.scan import voxels_rejection

SIZE, CENTER = np.array([4.0, 2.0, 1.0]), np.array([10.0, -3.0, 5.0])
VERTICES, FACES = shapes.box(SIZE, CENTER, subdivisions=1)
BOX = SimpleNamespace(vertices=VERTICES, faces=FACES)
SPHERE = np.sqrt(21) / 2
"""Mesh units in a unit of the box's sphere frame."""


# --- distances -----------------------------------------------------------------------------------


def test_distances_in_mesh_units():
    points = CENTER + np.random.default_rng(0).uniform(-3, 3, (500, 3))
    sdf = mesh_to_sdf.mesh_to_sdf(BOX, points)
    np.testing.assert_allclose(sdf, formulas.box_distance(points - CENTER, SIZE), atol=3e-6)
    assert (sdf.dtype, sdf.shape) == (np.float32, (500,))


def test_a_thin_plate_keeps_its_own_distances():
    plate = SimpleNamespace(vertices=shapes.thin_plate(0.004)[0], faces=shapes.thin_plate()[1])
    sdf = mesh_to_sdf.mesh_to_sdf(plate, [[0, 0, 0], [0, 0, 0.5]])
    np.testing.assert_allclose(sdf, [-0.002, 0.498], atol=1e-5)
    thick = mesh_to_sdf.mesh_to_sdf(plate, [[0, 0, 0.5]], sheet_thickness=0.016)
    assert thick[0] < 0.495


def test_a_bare_sheet_has_its_unsigned_distance():
    sheet = SimpleNamespace(vertices=shapes.plane()[0], faces=shapes.plane()[1])
    sdf = mesh_to_sdf.mesh_to_sdf(sheet, [[0, 0, 0.5], [0, 0, -0.25]])
    np.testing.assert_allclose(sdf, [0.5, 0.25], atol=1e-6)
    cloud = mesh_to_sdf.get_surface_point_cloud(sheet, "sample", sample_point_count=40)
    np.testing.assert_allclose(cloud.points[:, 2], 0, atol=1e-6)


def test_arguments_may_be_positional(mesh):
    points = np.zeros((1, 3))
    by_name = mesh_to_sdf.mesh_to_sdf(mesh, points)
    assert mesh_to_sdf.mesh_to_sdf(mesh, points, "sample", "depth", 2, 5, 6, 7, 8) == by_name
    voxels, gradients = mesh_to_sdf.mesh_to_voxels(
        mesh, 4, "scan", "depth", 5, 40, 100, 11, True, True, True
    )
    assert (voxels.shape, gradients.shape) == ((6, 6, 6), (6, 6, 6, 3))
    samples = mesh_to_sdf.sample_sdf_near_surface(mesh, 50, "scan", "depth", 5, 40, 9, 3, 0, True)
    assert [len(part) for part in samples] == [50, 50, 50]


@pytest.mark.parametrize("resolution", [5, 16])
def test_voxels_are_those_of_the_cube_frame(resolution):
    voxels = mesh_to_sdf.mesh_to_voxels(BOX, resolution)
    assert voxels.dtype == np.float32
    np.testing.assert_allclose(
        voxels, MeshSDF(BOX, sheet_thickness=0).voxels(resolution), atol=1e-6
    )


def test_padding_is_a_layer_of_ones():
    voxels, gradients = mesh_to_sdf.mesh_to_voxels(BOX, 5, pad=True, return_gradients=True)
    plain = mesh_to_sdf.mesh_to_voxels(BOX, 5)
    np.testing.assert_array_equal(voxels, np.pad(plain, 1, constant_values=1))
    np.testing.assert_array_equal(gradients[0], gradients[1])
    inner = gradients[1:-1, 1:-1, 1:-1].reshape(-1, 3)
    np.testing.assert_allclose(np.linalg.norm(inner, axis=1), 1, atol=1e-6)


def test_samples_come_in_the_order_of_the_original():
    points, sdf = mesh_to_sdf.sample_sdf_near_surface(BOX, 2001, seed=1)
    near = int(2001 * 47 / 50) // 2
    assert (points.dtype, sdf.dtype) == (np.float32, np.float32)
    expected = MeshSDF(BOX, sheet_thickness=0).signed_distances(points, "sphere")
    np.testing.assert_allclose(sdf, expected, atol=1e-6)
    deviations = [sdf[:near].std(), sdf[near : 2 * near].std()]
    np.testing.assert_allclose(deviations, [0.0025, 0.00025], rtol=0.1)
    noise = (points[:near] - points[near : 2 * near]).std()
    assert noise == pytest.approx(np.hypot(0.0025, 0.00025), rel=0.1)
    radius = np.linalg.norm(points[2 * near :], axis=1)
    assert radius.max() <= 1 + 1e-6
    assert np.median(radius) > 0.7


def test_points_are_random_like_those_of_the_original(cloud):
    one, two = (cloud.sample_sdf_near_surface(100)[0] for _ in range(2))
    assert not np.array_equal(one, two)
    np.random.seed(7)  # noqa: NPY002 - as programs for the original do
    one = cloud.sample_sdf_near_surface(100)[0]
    np.random.seed(7)  # noqa: NPY002
    two = cloud.sample_sdf_near_surface(100)[0]
    np.testing.assert_array_equal(one, two)
    one, two = (cloud.get_random_surface_points(9, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one, two)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda mesh: mesh_to_sdf.mesh_to_sdf(mesh, np.zeros((1, 3))),
        mesh_to_sdf.mesh_to_voxels,
        mesh_to_sdf.sample_sdf_near_surface,
        mesh_to_sdf.get_surface_point_cloud,
        mesh_to_sdf.scale_to_unit_cube,
        mesh_to_sdf.scale_to_unit_sphere,
    ],
)
def test_unusable_meshes_raise_the_exception_of_the_original(call):
    flat = SimpleNamespace(vertices=np.outer([0, 1, 2], np.ones(3)), faces=[[0, 1, 2]])
    with pytest.raises(mesh_to_sdf.BadMeshException, match="degenerate") as caught:
        call(flat)
    assert isinstance(caught.value, BadMeshError)


def test_small_meshes_are_rejected_on_request():
    filled = SIZE.prod() / (4 / 3 * np.pi * SPHERE**3)
    mesh_to_sdf.sample_sdf_near_surface(BOX, 60_000, min_size=0.8 * filled, seed=0)
    with pytest.raises(mesh_to_sdf.BadMeshException, match=r"too small: it fills 1\d\.\d\d% of"):
        mesh_to_sdf.sample_sdf_near_surface(BOX, 60_000, min_size=1.2 * filled, seed=0)


def test_voxels_are_checked_on_request(cloud, monkeypatch):
    good = cloud.get_voxels(8, check_result=True)
    assert mesh_to_sdf.check_voxels(good)
    jumps = np.where(np.arange(512) % 2, 5, -5).astype(np.float32)
    monkeypatch.setattr(cloud.field, "signed_distances", lambda _: jumps)
    with pytest.raises(mesh_to_sdf.BadMeshException, match="jumps: 8"):
        cloud.get_voxels(8, check_result=True)
    assert voxels_rejection(cloud.get_voxels(8))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: mesh_to_sdf.mesh_to_voxels(BOX, 1), "voxel_resolution: got 1, takes 2 or more"),
        (lambda c: c.sample_sdf_near_surface(-1), "number_of_points: got -1, takes 0 or more"),
        (lambda c: c.sample_sdf_near_surface(9, sign_method="ray"), "sign_method: got 'ray'"),
        (
            lambda c: mesh_to_sdf.mesh_to_sdf(BOX, np.zeros((1, 3)), "lidar"),
            "surface_point_method: got 'lidar', takes scan or sample",
        ),
        (lambda c: c.get_sdf(np.zeros(3)), "points: got shape"),
    ],
)
def test_bad_arguments_raise_value_errors(cloud, call, words):
    with pytest.raises(ValueError, match=words):
        call(cloud)


# --- programs written for the original -----------------------------------------------------------


def test_a_mesh_comes_back_from_its_voxels(mesh):
    voxels = mesh_to_sdf.mesh_to_voxels(mesh, 24, pad=True)
    vertices, faces, _, _ = marching_cubes(voxels, level=0)
    again = trimesh.Trimesh(vertices=vertices, faces=faces)
    assert again.is_watertight
    unit = mesh_to_sdf.scale_to_unit_cube(mesh)
    np.testing.assert_allclose(again.extents * 2 / 23, unit.extents, atol=0.05)


def test_uniform_and_near_surface_points_of_a_shapenet_program(cloud):
    uniform = utils.sample_uniform_points_in_unit_sphere(400).astype(np.float32)
    distances, indices = cloud.kd_tree.query(uniform)
    sdf = distances.astype(np.float32).reshape(-1) * -1
    sdf[cloud.is_outside(uniform)] *= -1
    near = cloud.points[indices[:, 0], :] + np.random.default_rng(0).normal(0, 0.0025, (400, 3))
    np.testing.assert_allclose(sdf, cloud.get_sdf(uniform), atol=0.03)
    assert np.abs(cloud.get_sdf(near, use_depth_buffer=True)).max() < 0.02


def in_a_fresh_interpreter(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_importing_loads_neither_trimesh_nor_opengl():
    code = (
        "import sys; import shapegan.pipeline.compat.mesh_to_sdf as mesh_to_sdf;"
        "print({'trimesh', 'pyrender', 'OpenGL', 'mesh_to_sdf', 'torch'} & set(sys.modules))"
    )
    assert in_a_fresh_interpreter(code) == "set()"


@pytest.mark.slow
def test_many_calls_take_no_more_memory():
    code = """
import ctypes, gc, numpy as np, psutil, types
import shapegan.pipeline.compat.mesh_to_sdf as ours
trim = ctypes.CDLL(None).malloc_trim  # what is free, but kept for later, is no leak
corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
faces = [[a, b, c] for a in range(8) for b in range(a) for c in range(b)]
mesh = types.SimpleNamespace(vertices=corners, faces=faces)
used = []
for call in range(150):
    ours.mesh_to_sdf(mesh, np.zeros((10, 3)))
    if call % 10 == 0:
        ours.mesh_to_voxels(mesh, 8, return_gradients=True)
        ours.sample_sdf_near_surface(mesh, 100)
    gc.collect()
    trim(0)
    used.append(psutil.Process().memory_info().rss / 1e6)
print(min(used[110:]) - min(used[30:70]))  # the least: between calls, garbage comes and goes
"""
    assert float(in_a_fresh_interpreter(code)) < 4

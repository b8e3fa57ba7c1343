import inspect
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from PIL import Image
from skimage.measure import marching_cubes
from support import shapes

import shapegan.pipeline.compat.mesh_to_sdf as mesh_to_sdf
from shapegan.pipeline import BadMeshError, MeshSDF
from shapegan.pipeline.compat.mesh_to_sdf import pyrender_wrapper, scan, surface_point_cloud, utils
from shapegan.pipeline.sdf.scan import NoOpenGLError, check_opengl, voxels_rejection

SIZE, CENTER = np.array([4.0, 2.0, 1.0]), np.array([10.0, -3.0, 5.0])
VERTICES, FACES = shapes.box(SIZE, CENTER, subdivisions=1)
BOX = SimpleNamespace(vertices=VERTICES, faces=FACES)
SPHERE = np.sqrt(21) / 2
"""Mesh units in a unit of the box's sphere frame."""

L_SHAPE = shapes.moved(shapes.turned(shapes.l_shape(), 0.4), (0.2, 0.1, -0.3))


@pytest.fixture(scope="module")
def mesh():
    return trimesh.Trimesh(*L_SHAPE)


@pytest.fixture(scope="module")
def cloud(mesh):
    return mesh_to_sdf.get_surface_point_cloud(
        mesh_to_sdf.scale_to_unit_sphere(mesh), scan_count=5, scan_resolution=60, seed=0
    )


@pytest.fixture(scope="module")
def original():
    """The package mesh-to-sdf."""
    try:
        check_opengl()
    except NoOpenGLError as error:
        pytest.skip(str(error))
    import mesh_to_sdf

    return mesh_to_sdf


# --- the contract --------------------------------------------------------------------------------

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


# --- distances -----------------------------------------------------------------------------------


def test_distances_in_mesh_units():
    points = CENTER + np.random.default_rng(0).uniform(-3, 3, (500, 3))
    sdf = mesh_to_sdf.mesh_to_sdf(BOX, points)
    np.testing.assert_allclose(sdf, shapes.box_distance(points - CENTER, SIZE), atol=3e-6)
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


# --- clouds and scans ----------------------------------------------------------------------------


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

"""Distances of a mesh from Python: frames, grids and samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import formulas, shapes
from support.boxed import BOX, CENTER, FRAMES, SIZE, SPHERE, apply, given_as, points_in_mesh, truth
from support.examples import examples

from shapegan.pipeline import MeshSDF
from shapegan.pipeline.schema import grid_points


@pytest.fixture(scope="module")
def box():
    return MeshSDF(BOX)


@pytest.fixture(scope="module")
def sheet():
    return MeshSDF(given_as(shapes.plane((2.0, 1.0))))


# --- frames --------------------------------------------------------------------------------------


def test_scales_are_mesh_units_in_a_unit_of_the_frame(box):
    assert [box.scale(frame) for frame in FRAMES] == pytest.approx([1.0, 2.0, SPHERE])
    np.testing.assert_allclose(box.frame.center, CENTER)


def test_transforms_put_the_box_where_the_frames_say(box):
    corners = BOX.vertices
    in_cube = apply(box.transform("mesh", "cube"), corners)
    np.testing.assert_allclose(in_cube.min(axis=0), -SIZE / 4, atol=1e-12)
    np.testing.assert_allclose(in_cube.max(axis=0), SIZE / 4, atol=1e-12)
    in_sphere = apply(box.transform("mesh", "sphere"), corners)
    assert np.linalg.norm(in_sphere, axis=1).max() == pytest.approx(1)
    np.testing.assert_allclose(in_sphere.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("source", FRAMES)
@pytest.mark.parametrize("target", FRAMES)
def test_transforms_invert_and_chain(box, source, target):
    there, back = box.transform(source, target), box.transform(target, source)
    np.testing.assert_allclose(back @ there, np.eye(4), atol=1e-12)
    over = box.transform("cube", target) @ box.transform(source, "cube")
    np.testing.assert_allclose(over, there, atol=1e-12)
    np.testing.assert_array_equal(there[3], [0, 0, 0, 1])


@pytest.mark.parametrize("frame", FRAMES)
def test_distances_are_exact_in_every_frame(box, frame):
    points = points_in_mesh(3000)
    sdf = box.signed_distances(apply(box.transform("mesh", frame), points), frame)
    np.testing.assert_allclose(sdf * box.scale(frame), truth(points), atol=3e-6)
    assert (sdf < 0).any()
    assert (sdf.dtype, sdf.shape) == (np.float32, (3000,))


def test_the_frame_is_the_meshs_own_by_default(box):
    points = points_in_mesh(50)
    np.testing.assert_array_equal(
        box.signed_distances(points), box.signed_distances(points, "mesh")
    )
    for default, named in zip(
        box.signed_distances_and_gradients(points),
        box.signed_distances_and_gradients(points, "mesh"),
        strict=True,
    ):
        np.testing.assert_array_equal(default, named)


@given(
    scale=st.floats(1e-3, 1e4),
    shift=st.tuples(*[st.floats(-3, 3)] * 3),
    sides=st.tuples(*[st.floats(0.2, 1.0)] * 3),
)
@examples(8)
def test_boxes_of_any_size_at_any_place(scale, shift, sides):
    size, center = scale * np.array(sides), scale * np.array(shift)
    made = MeshSDF(given_as(shapes.box(size, center)))
    points = center + np.random.default_rng(0).uniform(-1, 1, (300, 3)) * scale
    expected = formulas.box_distance(points - center, size)
    np.testing.assert_allclose(made.signed_distances(points), expected, atol=2e-6 * scale)


@pytest.mark.parametrize(
    "ask",
    [
        lambda box: box.scale("ball"),
        lambda box: box.transform("ball", "mesh"),
        lambda box: box.transform("mesh", "ball"),
        lambda box: box.signed_distances(np.zeros((1, 3)), "ball"),
        lambda box: box.signed_distances_and_gradients(np.zeros((1, 3)), "ball"),
        lambda box: box.near_surface(10, "ball"),
    ],
)
def test_an_unknown_frame_is_named(box, ask):
    with pytest.raises(ValueError, match="frame: got 'ball', takes mesh, cube or sphere"):
        ask(box)


# --- grids and samples ---------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [2, 9, 64])
def test_voxels_are_distances_at_grid_points(box, resolution):
    voxels = box.voxels(resolution)
    assert (voxels.shape, voxels.dtype) == ((resolution,) * 3, np.float32)
    at = box.signed_distances(grid_points(resolution), "cube")
    np.testing.assert_allclose(voxels.ravel(), at, atol=1e-6)
    mesh = apply(box.transform("cube", "mesh"), grid_points(resolution).astype(float))
    np.testing.assert_allclose(voxels.ravel() * 2, truth(mesh), atol=3e-6)


def test_voxels_are_64_by_default(box):
    np.testing.assert_array_equal(box.voxels(), box.voxels(64))


def test_shares_and_distances_of_near_points(box):
    points, sdf = box.near_surface(50_000)
    assert (points.shape, sdf.shape) == ((50_000, 3), (50_000,))
    assert points.dtype == sdf.dtype == np.float32
    np.testing.assert_allclose(sdf, box.signed_distances(points, "sphere"), atol=1e-6)

    # 3 of 50 fill the ball evenly; hardly any of them lies near the surface by chance.
    gap = np.abs(sdf)
    even = points[gap > 5 * 0.0025]
    assert len(even) == pytest.approx(3000, rel=0.08)
    cubed = np.sort(np.linalg.norm(even, axis=1) ** 3)
    assert cubed[-1] <= 1 + 1e-6
    np.testing.assert_allclose(cubed, np.linspace(0, 1, len(cubed)), atol=0.08)

    # The distances of the others are normal, with two deviations: 68 % lie within one, and so on.
    near = gap[gap < 5 * 0.0025]
    for bound, share in ((0.00025, 0.5 * (0.683 + 0.080)), (0.0025, 0.5 * (1 + 0.683))):
        assert (near < bound).mean() == pytest.approx(share, abs=0.02)
    assert 0.4 < (sdf < 0).mean() < 0.55


def test_near_points_are_in_random_order(box):
    _, sdf = box.near_surface(20_000)
    far = np.abs(sdf) > 0.0125
    halves = far[:10_000].mean(), far[10_000:].mean()
    assert halves[0] == pytest.approx(halves[1], abs=0.015)
    assert np.abs(np.corrcoef(far[:-1], far[1:])[0, 1]) < 0.05


def test_near_points_follow_the_seed(box):
    for ask in (box.near_surface, lambda count, **kind: MeshSDF(BOX).near_surface(count, **kind)):
        np.testing.assert_array_equal(ask(100)[0], box.near_surface(100, seed=0)[0])
    assert (box.near_surface(100, seed=1)[0] != box.near_surface(100)[0]).all()


@pytest.mark.parametrize("frame", FRAMES)
def test_near_points_in_every_frame(box, frame):
    points, sdf = box.near_surface(2000, frame, seed=3)
    sphere, _ = box.near_surface(2000, seed=3)
    np.testing.assert_allclose(points, apply(box.transform("sphere", frame), sphere), atol=2e-6)
    np.testing.assert_allclose(sdf, box.signed_distances(points, frame), atol=3e-6)


def test_method_and_quality_are_available(box, sheet):
    assert (box.method, sheet.method) == ("winding", "winding+sheets")
    assert box.quality.rejection_reason() == ""
    assert box.quality.inside_fraction == pytest.approx(1 / 8, abs=0.01)


def test_sheets_have_the_given_thickness():
    made = MeshSDF(given_as(shapes.plane((2.0, 1.0))), sheet_thickness=0.1)
    assert made.signed_distances([[0, 0, 0]])[0] == pytest.approx(-0.1)


def test_a_sheet_without_thickness_has_its_unsigned_distance():
    sheet = MeshSDF(given_as(shapes.plane((2.0, 1.0))), sheet_thickness=0)
    assert sheet.method == "winding"
    assert (sheet.voxels(8) > 0).all()
    np.testing.assert_allclose(
        sheet.signed_distances([[0, 0, 0.5], [0, 0, -0.25], [2, 0, 0]]), [0.5, 0.25, 1], atol=1e-6
    )
    _, gradients = sheet.signed_distances_and_gradients([[0.2, 0.1, -0.5]])
    np.testing.assert_allclose(gradients, [[0, 0, -1]], atol=1e-6)
    assert sheet.quality.rejection_reason().startswith("nothing inside")


def test_a_sheet_without_thickness_beside_a_box():
    sheet = shapes.moved(shapes.plane((1.0, 1.0)), (0, 0, 2.0))
    both = MeshSDF(given_as(shapes.join(shapes.box((1, 1, 1)), sheet)), sheet_thickness=0)
    distances = both.signed_distances([[0, 0, 1.9], [0, 0, 1.0], [0, 0, 0.25], [0, 0, 2.5]])
    np.testing.assert_allclose(distances, [0.1, 0.5, -0.25, 0.5], atol=1e-5)


# --- points on the surface -----------------------------------------------------------------------


@pytest.mark.parametrize("frame", FRAMES)
def test_points_on_the_surface_have_outward_normals(box, frame):
    points, normals = box.surface_points(2000, frame, seed=3)
    assert (points.dtype, normals.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(box.signed_distances(points, frame), 0, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    ahead = box.signed_distances(points + 0.01 * normals, frame)
    np.testing.assert_allclose(ahead, 0.01, atol=2e-5)
    np.testing.assert_array_equal(points, box.surface_points(2000, frame, seed=3)[0])


def test_surface_points_take_a_count_of_0_or_more(box):
    assert box.surface_points(0)[0].shape == (0, 3)
    with pytest.raises(ValueError, match="count: got -1"):
        box.surface_points(-1)

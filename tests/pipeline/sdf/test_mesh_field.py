from functools import partial

import numpy as np
import pytest
import trimesh
from support import formulas, shapes
from support.scanners import ball_scanner

from shapegan.pipeline.config import SCAN_SIGNS
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh, frame_of
from shapegan.pipeline.sdf import mesh_field
from shapegan.pipeline.sdf.flood_fill import FloodedDistance
from shapegan.pipeline.sdf.mesh_field import THICKEN_BELOW, make_field
from shapegan.pipeline.sdf.quality import Quality, measure
from shapegan.pipeline.sdf.scan import CUBE_RADIUS, NoOpenGLError, ScannedSurface, check_opengl
from shapegan.pipeline.sdf.signed_distance import SignedDistance

T = 0.016
GOOD = Quality(inside_fraction=0.2, surface_recall=1.0, backed=1.0, leak=0.0)
LEAKS = Quality(inside_fraction=0.2, surface_recall=1.0, backed=1.0, leak=0.5)
EMPTY = Quality(inside_fraction=0.0, surface_recall=1.0, backed=1.0, leak=0.0)


def field_of(mesh, thickness=T, method="winding"):
    return make_field(TriangleMesh(*mesh), thickness, method)


BROKEN = shapes.apart(shapes.box(subdivisions=2), 0.15)
"""A box of loose triangles, which encloses nothing."""


@pytest.fixture
def strict(monkeypatch):
    """The sign of the broken box flips in mid-air on 1.8 % of its voxels, which would just pass."""
    monkeypatch.setattr("shapegan.pipeline.sdf.quality.MAX_LEAK", 0.01)


@pytest.fixture
def judge(monkeypatch):
    """Sets what fields are said to be like, one after the other; notes which were judged."""

    def say(*qualities):
        left, judged = list(qualities), []

        def measure(voxels, visible, thickness=0.0):
            judged.append((voxels.shape, thickness))
            return left.pop(0)

        monkeypatch.setattr(mesh_field, "measure", measure)
        return judged

    return say


# --- winding, or flooding ------------------------------------------------------------------------


@pytest.mark.usefixtures("strict")
def test_a_mesh_that_encloses_nothing_is_flooded():
    made = field_of(BROKEN)
    assert made.method == "flood"
    assert isinstance(made.field, FloodedDistance)
    assert made.ball_field is made.field
    assert made.quality.rejection_reason() == ""
    assert made.quality.surface_recall > 0.99
    cube = (BROKEN[0] - made.frame.center) / made.frame.scale_cube
    points = shapes.points_around(300)
    expected = shapes.distances(points, cube, BROKEN[1]) - T  # it leaks: only walls are left
    np.testing.assert_allclose(made.field.signed_distances(points)[0], expected, atol=1e-5)


@pytest.mark.usefixtures("strict")
def test_nothing_is_flooded_without_a_thickness():
    made = field_of(BROKEN, 0.0)
    assert made.method == "winding+caps"
    assert isinstance(made.field, SignedDistance)
    assert made.quality.rejection_reason() != ""


@pytest.mark.parametrize(
    ("winding", "flooded", "method"),
    [
        (GOOD, None, "winding"),
        (LEAKS, GOOD, "flood"),
        (EMPTY, GOOD, "flood"),
        (LEAKS, LEAKS, "winding"),
        (EMPTY, LEAKS, "winding"),
    ],
)
def test_flooding_wins_only_where_winding_is_rejected_and_flooding_is_not(
    judge, monkeypatch, winding, flooded, method
):
    floods = []
    monkeypatch.setattr(
        mesh_field, "FloodedDistance", lambda *args: floods.append(args) or FloodedDistance(*args)
    )
    judged = judge(winding, flooded)
    made = field_of(shapes.box((2, 1, 1), (5, 5, 5)), 0.03)
    assert made.method == method
    assert made.quality == (flooded if method == "flood" else winding)
    assert isinstance(made.field, FloodedDistance if method == "flood" else SignedDistance)
    assert made.ball_field is made.field
    assert judged == [((64, 64, 64), 0.03)] * (1 if flooded is None else 2)
    assert len(floods) == (0 if flooded is None else 1)
    for vertices, _, thickness, _ in floods:
        assert np.abs(vertices).max() == pytest.approx(1)
        assert thickness == 0.03


@pytest.mark.parametrize("quality", [LEAKS, EMPTY])
def test_without_a_thickness_nothing_is_tried_twice(judge, quality):
    judged = judge(quality)
    made = field_of(shapes.box(), 0.0)
    assert (made.method, made.quality) == ("winding", quality)
    assert judged == [((64, 64, 64), 0.0)]


# --- what is done to a field ---------------------------------------------------------------------


MISSED = shapes.thin_plate(0.01)
"""A solid wall between the voxels of 64^3, as long as the cube's middle is about there."""
TILTED = trimesh.transformations.euler_matrix(0.3, 0.2, 0.1)[:3, :3]
CRUMBS = shapes.thin_plate(0.02)[0] @ TILTED.T, shapes.thin_plate(0.02)[1]
"""A wall that comes out in crumbs, which all of its surface lies near to."""
WALL_AND_SHEET = shapes.join(MISSED, shapes.moved(shapes.plane((2.0, 2.0)), (0, 0, 30 * 2 / 63)))
GAPS_AND_SHEET = shapes.join(shapes.loose_box(), shapes.moved(shapes.plane(), (1.5, 0, 0)))
SOUP = shapes.flip_half(shapes.soup(shapes.icosphere()))


@pytest.mark.parametrize(
    ("mesh", "thickness", "method"),
    [
        pytest.param(shapes.box(), T, "winding", id="box"),
        pytest.param(SOUP, T, "winding", id="soup"),
        pytest.param(shapes.plane(), T, "winding+sheets", id="sheet"),
        pytest.param(shapes.plane(), 0.0, "winding", id="sheet left out"),
        pytest.param(MISSED, T, "winding+thin", id="wall"),
        pytest.param(MISSED, 0.0, "winding", id="wall left thin"),
        pytest.param(CRUMBS, T, "winding+thin", id="wall in crumbs"),
        pytest.param(shapes.loose_box(), T, "winding+caps", id="gaps"),
        pytest.param(GAPS_AND_SHEET, T, "winding+sheets+caps", id="gaps and sheet"),
        pytest.param(WALL_AND_SHEET, T, "winding+sheets+thin", id="wall and sheet"),
    ],
)
def test_the_method_names_what_was_added(mesh, thickness, method):
    assert field_of(mesh, thickness).method == method


@pytest.mark.parametrize(
    ("backed", "thickness", "thickened"),
    [
        (THICKEN_BELOW, T, False),
        (THICKEN_BELOW - 1e-6, T, True),
        (0.5, T, True),
        (0.5, 0.0, False),
    ],
)
def test_thin_parts_are_thickened_where_surface_is_not_backed(judge, backed, thickness, thickened):
    first = Quality(0.2, 1.0, backed, 0.0)
    judged = judge(first, GOOD, GOOD)
    made = field_of(shapes.thin_plate(0.01), thickness)
    assert made.method == ("winding+thin" if thickened else "winding")
    assert made.quality == (GOOD if thickened else first)
    assert len(judged) == (2 if thickened else 1)
    middle = made.field.signed_distances(np.zeros((1, 3), np.float32))[0]
    assert middle == pytest.approx(-T if thickened else -0.005, abs=1e-5)


def test_the_frame_is_that_of_the_mesh():
    mesh = shapes.box((4.0, 2.0, 1.0), (10.0, -3.0, 5.0), subdivisions=1)
    made = field_of(mesh)
    np.testing.assert_allclose(made.frame.center, (10, -3, 5))
    assert made.frame.scale_cube == pytest.approx(2)


@pytest.mark.parametrize(
    "mesh",
    [
        pytest.param(CRUMBS, id="thin"),
        pytest.param(shapes.loose_box(), id="caps"),
        pytest.param(WALL_AND_SHEET, id="thin and sheet"),
    ],
)
def test_the_grid_of_a_mesh_field_is_that_of_its_field(mesh):
    made = field_of(mesh)
    np.testing.assert_array_equal(made.grid, made.field.voxels(64))
    np.testing.assert_array_equal(made.voxels(8), made.field.voxels(8))
    copy = made.voxels(64)
    np.testing.assert_array_equal(copy, made.grid)
    assert not np.shares_memory(copy, made.grid)


def test_quality_is_measured_at_visible_points_of_the_mesh(monkeypatch):
    seen = []

    def recorded(voxels, visible, thickness=0.0):
        seen.append(visible)
        return measure(voxels, visible, thickness)

    monkeypatch.setattr(mesh_field, "measure", recorded)
    field_of(shapes.box((4.0, 2.0, 1.0), (10.0, -3.0, 5.0), subdivisions=1))
    np.testing.assert_allclose(formulas.box_distance(seen[0], (2, 1, 0.5)), 0, atol=1e-6)
    assert len(seen[0]) > 1000


def test_faces_without_area_do_not_stretch_the_frame():
    vertices, faces = shapes.box()
    mesh = np.concatenate([vertices, [[50, 0, 0]]]), np.concatenate([faces, [[8, 8, 8]]])
    assert field_of((mesh[0], mesh[1].astype(np.int32))).frame.scale_cube == pytest.approx(0.5)


def test_a_mesh_without_usable_faces_is_a_bad_mesh():
    line = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([[0, 1, 2]], np.int32)
    with pytest.raises(BadMeshError):
        field_of(line)


# --- scans ---------------------------------------------------------------------------------------


def test_scans_take_the_mesh_as_it_is_and_look_twice(monkeypatch):
    asked = []
    monkeypatch.setattr(mesh_field, "ScannedSurface", ball_scanner(0.5, asked))
    monkeypatch.setattr(mesh_field, "clean", None)
    monkeypatch.setattr(mesh_field, "build_shell", None)
    mesh = shapes.join(*[shapes.box((4.0, 2.0, 1.0), (10.0, -3.0, 5.0))] * 2)
    made = field_of(mesh, method="scan")
    assert made.method == "scan"
    assert made.frame.scale_sphere == frame_of(mesh[0]).scale_sphere
    (cube, faces, radius, _), (_, _, ball_radius, _) = asked
    np.testing.assert_allclose(np.abs(cube).max(axis=0), (1, 0.5, 0.25))
    np.testing.assert_array_equal(faces, mesh[1])
    assert radius == CUBE_RADIUS
    assert ball_radius == pytest.approx(np.linalg.norm((1, 0.5, 0.25)))
    assert made.ball_field is not made.field
    assert made.quality.surface_recall == 1.0
    assert made.quality.inside_fraction == pytest.approx(np.pi / 6 / 8, rel=0.1)


@pytest.mark.parametrize("signs", SCAN_SIGNS)
def test_both_scans_have_the_chosen_signs(monkeypatch, signs):
    asked = []
    monkeypatch.setattr(mesh_field, "ScannedSurface", ball_scanner(0.5, asked))
    make_field(TriangleMesh(*shapes.box()), 0.016, "scan", signs=signs)
    assert [words[-1] for words in asked] == [signs, signs]
    with pytest.raises(ValueError, match=r"signs: .*'magic'"):
        make_field(TriangleMesh(*shapes.box()), 0.016, "scan", signs="magic")


def test_poor_scans_are_not_flooded(judge, monkeypatch):
    monkeypatch.setattr(mesh_field, "ScannedSurface", ball_scanner(0.5, []))
    judged = judge(LEAKS)
    made = field_of(shapes.box(), method="scan")
    assert (made.method, made.quality) == ("scan", LEAKS)
    assert judged == [((64, 64, 64), 0.0)]


@pytest.mark.gl
def test_scans_of_a_box(monkeypatch):
    try:
        check_opengl()
    except NoOpenGLError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(mesh_field, "ScannedSurface", partial(ScannedSurface, scans=12, pixels=128))
    made = field_of(shapes.box((4.0, 2.0, 1.0), (10.0, -3.0, 5.0)), method="scan")
    points = shapes.points_around(1000)
    truth = formulas.box_distance(points, (2, 1, 0.5))
    clear = np.abs(truth) > 0.05
    for field in (made.field, made.ball_field):
        np.testing.assert_allclose(
            field.signed_distances(points)[0][clear], truth[clear], atol=0.04
        )
    assert made.quality.inside_fraction == pytest.approx(1 / 8, abs=0.02)
    assert made.method == "scan"


def test_unknown_methods_are_rejected():
    with pytest.raises(ValueError, match="method: got 'magic', takes winding or scan"):
        make_field(TriangleMesh(*shapes.box()), 0.016, "magic")

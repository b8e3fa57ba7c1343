"""Signed distances of sheets and of thin walls."""

import numpy as np
import pytest
from support import formulas, shapes
from support.signed_fields import THICKNESS, ask, f32, field_of

from shapegan.pipeline.schema import grid_points


@pytest.fixture(scope="module")
def plane():
    return field_of(shapes.plane((1.5, 1.0)))


def test_sheets_get_their_thickness(plane):
    points = shapes.points_around(3000)
    bare = formulas.plane_distance(points, (1.5, 1.0))
    answer = ask(plane, points)
    np.testing.assert_allclose(answer.sdf, bare - THICKNESS, atol=1e-6)
    foot = formulas.plane_foot(points, (1.5, 1.0))
    lifted = foot + THICKNESS * (points - foot) / bare[:, None]
    clear = bare > 0.01
    # Of a far point, float32 tells no better where a face is nearest.
    np.testing.assert_allclose(answer.closest[clear], lifted[clear], atol=2e-4)
    assert len(plane.queries.shell.sheets) == 32


def test_within_a_sheet_the_nearer_side_counts(plane):
    answer = ask(plane, f32([[0.1, 0.2, 0.01], [0.1, 0.2, -0.01], [0.1, 0.2, 0]]))
    np.testing.assert_allclose(answer.sdf, [-0.006, -0.006, -0.016], atol=1e-6)
    np.testing.assert_allclose(answer.closest[:, 2], [0.016, -0.016, 0.016], atol=1e-6)


def test_thickness_is_an_option():
    for thickness in (0.1, 0.004):
        field = field_of(shapes.plane(), thickness)
        np.testing.assert_allclose(ask(field, f32([[0, 0, 0.3]])).sdf, 0.3 - thickness, atol=1e-6)


def test_the_distance_of_a_sheet_without_thickness_is_unsigned():
    points = shapes.points_around(500)
    answer = ask(field_of(shapes.plane(), 0.0), points)
    np.testing.assert_allclose(answer.sdf, formulas.plane_distance(points), atol=1e-6)
    np.testing.assert_allclose(answer.closest[:, 2], 0, atol=1e-6)
    gap = np.linalg.norm(points - answer.closest, axis=1)
    np.testing.assert_allclose(gap, answer.sdf, atol=1e-6)


def test_a_sheet_without_thickness_bounds_the_distances_outside_a_solid():
    sheet, solid = shapes.plane(), shapes.box((0.5, 0.5, 0.5), (0, 0, -0.7))
    field = field_of(shapes.join(sheet, solid), 0.0)
    points = shapes.points_around(1500)
    expected = np.minimum(
        formulas.plane_distance(points),
        formulas.box_distance(points + np.array([0, 0, 0.7]), (0.5, 0.5, 0.5)),
    )
    sdf = ask(field, points).sdf
    np.testing.assert_allclose(sdf, expected, atol=1e-6)
    assert (sdf < 0).any()
    on_it = field.surface_points(2000, np.random.default_rng(0))
    np.testing.assert_allclose(ask(field, on_it).sdf, 0, atol=1e-5)
    assert (np.abs(on_it[:, 2]) < 1e-6).mean() > 0.4


def test_sheets_and_solids_are_one_field():
    sheet, solid = shapes.plane(), shapes.box((0.5, 0.5, 0.5), (0, 0, -0.7))
    field = field_of(shapes.join(sheet, solid))
    points = shapes.points_around(1500)
    expected = np.minimum(
        formulas.plane_distance(points) - THICKNESS,
        formulas.box_distance(points + np.array([0, 0, 0.7]), (0.5, 0.5, 0.5)),
    )
    np.testing.assert_allclose(ask(field, points).sdf, expected, atol=1e-6)


def test_thin_walls_keep_their_thickness_by_default():
    field = field_of(shapes.thin_plate(0.01))
    points = shapes.points_around(1000)
    expected = formulas.box_distance(points, (2, 2, 0.01))
    np.testing.assert_allclose(ask(field, points).sdf, expected, atol=1e-6)


def test_thin_walls_grow_to_the_thickness_of_sheets():
    field = field_of(shapes.thin_plate(0.01), thicken=True)
    assert len(field.thin_parts.faces) > 0
    points = shapes.points_around(1000) * f32([0.7, 0.7, 1])
    answer = ask(field, points)
    # Half of 0.01 is there, 0.011 is lacking.
    np.testing.assert_allclose(answer.sdf, np.abs(points[:, 2]) - THICKNESS, atol=1e-4)
    gap = np.linalg.norm(points - answer.closest, axis=1)
    np.testing.assert_allclose(gap, np.abs(answer.sdf), atol=1e-5)
    inner = ask(field, f32([[0.1, 0.23, 0.004], [0.1, 0.23, 0.008], [0.1, 0.23, -0.004]]))
    np.testing.assert_allclose(inner.sdf, [-0.012, -0.008, -0.012], atol=1e-4)


def test_a_sheet_beside_a_thin_wall_keeps_its_thickness():
    """Of two that are as near, the thicker one counts."""
    wall = shapes.thin_plate(0.01)
    sheet = shapes.moved(shapes.plane((0.5, 1.0)), (1.25, 0, 0))
    field = field_of(shapes.join(wall, sheet), thicken=True)
    assert len(field.thin_parts.faces)
    assert len(field.queries.shell.sheets)
    points = shapes.points_around(4000, reach=1.5) * f32([1, 1, 0.2])
    sdf = ask(field, points).sdf
    assert (sdf < shapes.distances(points, *sheet) - THICKNESS + 1e-5).all()
    over = (np.abs(points[:, :2]) < 0.7).all(axis=1)
    np.testing.assert_allclose(sdf[over], np.abs(points[over, 2]) - THICKNESS, atol=1e-4)


def test_thick_walls_do_not_grow(box):
    field = field_of(shapes.box((1.6, 1.2, 0.8), subdivisions=1), thicken=True)
    points = shapes.points_around(500)
    np.testing.assert_array_equal(ask(field, points).sdf, ask(box, points).sdf)
    assert len(field.thin_parts.faces) == 0


def test_surface_points_of_sheets_lie_on_both_sides(plane):
    points = plane.surface_points(4000, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(points[:, 2]), THICKNESS, atol=1e-6)
    assert (points[:, 2] > 0).mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(ask(plane, points).sdf, 0, atol=2e-6)


def test_chosen_points_of_a_query_have_the_distances_of_all():
    mesh = shapes.join(shapes.box((1.6, 1.2, 0.008)), shapes.box((0.4, 0.4, 0.8), (0, 0, 0.4)))
    field = field_of(mesh, thicken=True)
    points = grid_points(24)
    chosen = np.random.default_rng(0).random(len(points)) < 0.5
    queried = field.queries.query(points)
    sdf = field.distances(queried)
    plain = field_of(mesh)
    assert (sdf < plain.distances(plain.queries.query(points)) - 0.005)[chosen].any()
    np.testing.assert_allclose(field.distances(queried.chosen(chosen)), sdf[chosen], atol=1e-7)

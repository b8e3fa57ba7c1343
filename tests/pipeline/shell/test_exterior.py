"""Parts that go through each other: what of their faces bounds their union, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import formulas, shapes
from support.examples import examples

from shapegan.pipeline.sdf.shell_queries import ShellQueries
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell import exterior
from shapegan.pipeline.shell.build import build_shell
from shapegan.pipeline.shell.exterior import SplitFaces, halve_slender
from shapegan.pipeline.shell.intersections import (
    MAX_CUTS_PER_TRIANGLE,
    MIN_WIDTH,
    Intersections,
    find_intersections,
    split_faces,
)

LEVELS = tuple(level / 10 for level in range(-8, 9))
"""Planes that boxes begin and end at: few enough that many touch and are flush."""


def rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


def turned_boxes(boxes, turn):
    vertices, faces = shapes.boxes(boxes)
    return (vertices if turn is None else vertices @ turn.T), faces


def distances(mesh, points):
    field = SignedDistance(ShellQueries.of(build_shell(*mesh)), 0.0)
    return field.signed_distances(points.astype(np.float32))[0]


CORNER = [((-0.9, -0.6, -0.6), (0.9, 0.6, 0.6)), ((-0.98, -0.57, -0.57), (-0.8, 0.7, 0.58))]
"""A bar, and a plate at its end that leaves but a rim of the end's two faces exposed."""

LEG = [((-0.8, -0.8, 0.5), (0.8, 0.8, 0.7)), ((-0.7, -0.7, -0.9), (-0.5, -0.5, 0.65))]
"""A leg that ends within the top."""

FLUSH = [((-0.8, -0.5, -0.5), (0.2, 0.5, 0.5)), ((-0.3, -0.2, 0.1), (0.9, 0.4, 0.5))]
"""The tops of both lie in one plane."""

TOUCHING = [((-0.8, -0.5, -0.5), (0.0, 0.5, 0.5)), ((0.0, -0.2, -0.3), (0.9, 0.4, 0.2))]
"""A small box set upon the side of a large one; what they share is no boundary."""


@pytest.mark.parametrize("turn", [None, rotation(1)], ids=["straight", "turned"])
@pytest.mark.parametrize(
    "boxes", [CORNER, LEG, FLUSH, TOUCHING], ids=["corner", "leg", "flush", "touching"]
)
def test_distances_to_a_union_are_exact_on_both_sides(boxes, turn):
    mesh = turned_boxes(boxes, turn)
    points = np.concatenate([shapes.points_around(3000), shapes.points_near(mesh, 3000, 0.03)])
    back = points if turn is None else points.astype(float) @ turn
    np.testing.assert_allclose(
        distances(mesh, points), formulas.boxes_distance(back, boxes), atol=3e-5
    )


@st.composite
def some_boxes(draw):
    def extent():
        low, high = draw(
            st.lists(st.sampled_from(LEVELS), min_size=2, max_size=2, unique=True).map(sorted)
        )
        return low, high

    sides = [[extent() for _ in range(3)] for _ in range(draw(st.integers(2, 4)))]
    return [tuple(np.array(box).T.tolist()) for box in sides]


@examples(25)
@given(boxes=some_boxes(), seed=st.integers(0, 99), turned=st.booleans())
def test_distances_to_any_union_of_boxes_are_exact(boxes, seed, turned):
    turn = rotation(seed) if turned else np.eye(3)
    mesh = turned_boxes(boxes, turn)
    points = np.concatenate(
        [shapes.points_around(500, seed), shapes.points_near(mesh, 500, 0.05, seed)]
    )
    expected = formulas.boxes_distance(points.astype(float) @ turn, boxes)
    np.testing.assert_allclose(distances(mesh, points), expected, atol=3e-5)


def exterior_area(mesh):
    shell = build_shell(*mesh)
    assert shapes.area(shell.vertices.astype(float), shell.pieces) == pytest.approx(
        shapes.area(*mesh), rel=1e-5
    )
    return shapes.area(shell.vertices.astype(float), shell.pieces[shell.exterior])


@pytest.mark.parametrize(
    ("boxes", "area"),
    [
        (LEG, 2 * 1.6**2 + 4 * 1.6 * 0.2 + 4 * 0.2 * 1.4),
        (TOUCHING, 2 * (0.8 * 1.0) * 2 + 2 * 1.0 + 2 * 0.9 * (0.6 + 0.5)),
    ],
    ids=["leg", "touching"],
)
def test_exterior_pieces_have_the_area_of_the_unions_surface(boxes, area):
    assert exterior_area(shapes.boxes(boxes)) == pytest.approx(area, rel=1e-5)


def test_a_round_leg_with_many_sides_has_the_area_of_the_union():
    """More cuts than are done one by one, all round one place of a face."""
    sides = 6 * MAX_CUTS_PER_TRIANGLE
    leg = shapes.moved(shapes.tube(0.3, 1.1, sides), (0.1, 0.2, -0.5))
    mesh = shapes.join(shapes.box((1.8, 1.8, 0.2)), leg)
    foot = sides / 2 * 0.3**2 * np.sin(2 * np.pi / sides)
    round_it = 2 * sides * 0.3 * np.sin(np.pi / sides)
    # It ends within the top: what it covers there, its other end makes up for.
    expected = 2 * 1.8**2 + 4 * 1.8 * 0.2 + round_it * 0.95 - foot + foot
    assert exterior_area(mesh) == pytest.approx(expected, rel=1e-5)
    assert (
        len(find_intersections(*mesh, "cpu", exterior.MAX_INTERSECTIONS).face)
        > MAX_CUTS_PER_TRIANGLE
    )


def test_clustered_faces_are_classified_one_by_one_where_parts_meet(monkeypatch):
    monkeypatch.setattr("shapegan.pipeline.shell.surface_samples.CLUSTER_ABOVE", 1000)
    monkeypatch.setattr("shapegan.pipeline.shell.surface_samples.CLUSTER_SIZE", 0.12)
    balls = [shapes.icosphere(0.6, 4, (x, 0, 0)) for x in (-0.25, 0.25)]
    shell = build_shell(*shapes.join(*balls))
    middle = shell.vertices[shell.pieces].mean(axis=1)
    depth = np.min(
        [formulas.sphere_distance(middle - [x, 0, 0], 0.6) for x in (-0.25, 0.25)], axis=0
    )
    clear = (depth < -0.003) | (depth > -0.001)
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(shell.exterior[clear], depth[clear] > -0.001)


def test_separate_parts_and_adjacent_faces_do_not_intersect():
    mesh = shapes.join(shapes.icosphere(0.5), shapes.box((0.2, 0.2, 0.2), (0.8, 0, 0), 2))
    assert len(find_intersections(*mesh, "cpu", exterior.MAX_INTERSECTIONS).face) == 0
    shell = build_shell(*mesh)
    np.testing.assert_array_equal(shell.pieces, shell.solid)


def test_splitting_ends_where_all_cuts_pass_through_one_point():
    """A fan of cuts that no halving can part."""
    triangle = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    angle = np.linspace(0, np.pi, 2 * MAX_CUTS_PER_TRIANGLE, endpoint=False)
    along = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    cuts = Intersections(np.zeros(len(angle), np.int32), -0.2 * along, 0.2 * along)
    tree = split_faces(triangle, np.array([[0, 1, 2]], np.int32), cuts)
    leaf = np.setdiff1d(np.arange(len(tree.parent)), tree.parent)
    assert shapes.area(tree.vertices, tree.triangles[leaf]) == pytest.approx(2.0)
    assert len(leaf) >= 4 * MAX_CUTS_PER_TRIANGLE


@pytest.mark.parametrize(
    ("gap", "least", "most"), [(MIN_WIDTH / 50, 2, 9), (4 * MIN_WIDTH, 40, 150)]
)
def test_slivers_are_not_cut_off(gap, least, most):
    """By cuts side by side, as of thin leaves that go through each other."""
    triangle = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    x = np.array([gap, 0, 0]) * np.arange(40)[:, None]
    y = np.array([0, 3.0, 0])
    cuts = Intersections(np.zeros(len(x), np.int32), x - y, x + y)
    tree = split_faces(triangle, np.array([[0, 1, 2]], np.int32), cuts)
    leaf = np.setdiff1d(np.arange(len(tree.parent)), tree.parent)
    assert least <= len(leaf) <= most
    corners = tree.vertices[tree.triangles[leaf]]
    longest = np.linalg.norm(np.roll(corners, 1, axis=1) - corners, axis=2).max(axis=1)
    area = shapes.triangle_areas(tree.vertices, tree.triangles[leaf])
    assert (2 * area / longest).min() > MIN_WIDTH / 2
    assert area.sum() == pytest.approx(2.0)


def test_needles_are_split_across():
    """What is narrow itself may be exposed in part, too: on both sides of any of the cuts."""
    needle = np.array([[0.0, 0, 0], [1, 0, 0], [1, MIN_WIDTH / 3, 0]])
    x = np.array([1.0, 0, 0]) * np.linspace(0.1, 0.9, 9)[:, None]
    y = np.array([0, 3.0, 0])
    cuts = Intersections(np.zeros(len(x), np.int32), x - y, x + y)
    tree = split_faces(needle, np.array([[0, 1, 2]], np.int32), cuts)
    leaf = np.setdiff1d(np.arange(len(tree.parent)), tree.parent)
    long = np.ptp(tree.vertices[tree.triangles[leaf]][:, :, 0], axis=1) > 0.1 + 1e-9
    area = shapes.triangle_areas(tree.vertices, tree.triangles[leaf])
    assert area.sum() == pytest.approx(MIN_WIDTH / 6)
    assert area[long].sum() < 0.2 * area.sum()  # slivers a slack wide


def test_splitting_stops_at_the_limit_of_pieces(monkeypatch):
    """Plates that all lie within each other, a little turned."""
    plates = [shapes.box((1.5, 1.5, 0.3)) for _ in range(30)]
    plates = [(vertices @ rotation(seed).T, faces) for seed, (vertices, faces) in enumerate(plates)]
    vertices, faces = shapes.join(*plates)
    faces = faces.astype(np.int32)
    cuts = find_intersections(vertices, faces, "cpu", exterior.MAX_INTERSECTIONS)
    whole = split_faces(vertices, faces, cuts)
    monkeypatch.setattr("shapegan.pipeline.shell.intersections.MAX_PIECES", 5000)
    tree = split_faces(vertices, faces, cuts)
    assert 5000 < len(tree.parent) < 15_000 < len(whole.parent)
    leaf = np.setdiff1d(np.arange(len(tree.parent)), tree.parent)
    area = shapes.area(vertices, faces[tree.source])
    assert shapes.area(tree.vertices, tree.triangles[leaf]) == pytest.approx(area)


def test_a_mesh_with_too_many_intersections_is_not_split(monkeypatch):
    cut = build_shell(*shapes.boxes(LEG))
    assert len(cut.pieces) > len(cut.solid)
    monkeypatch.setattr(exterior, "MAX_INTERSECTIONS", 3)
    whole = build_shell(*shapes.boxes(LEG))
    np.testing.assert_array_equal(whole.pieces, whole.solid)


def fan(count=150):
    """A wedge whose ends are faces that are nearly two long and three thousandths high."""
    tip, wide = [(-0.95, 0.0)], np.linspace(-0.25, 0.25, count)
    outline = np.concatenate([tip, np.stack([np.full(count, 0.95), wide], axis=1)])
    vertices, faces = shapes.prism(outline, 0.3)
    return vertices @ rotation(4).T, faces


def test_distances_to_long_thin_faces_are_exact():
    mesh = fan()
    points = shapes.points_near(mesh, 500, 0.003)
    expected = shapes.signed_distances(points, *mesh)
    np.testing.assert_allclose(distances(mesh, points), expected, atol=4e-4)


def test_halved_faces_cover_the_same():
    vertices, faces = fan()
    outer = np.arange(len(faces)) % 3 > 0
    short = halve_slender(
        SplitFaces(vertices.astype(np.float32), faces, outer, np.arange(len(faces)))
    )
    np.testing.assert_array_equal(short.exterior, outer[short.source])
    assert short.exterior.sum() > outer.sum()
    assert (~short.exterior).sum() == (~outer).sum()
    pieces = shapes.triangle_areas(short.vertices.astype(float), short.pieces)
    whole = shapes.triangle_areas(vertices, faces)
    np.testing.assert_allclose(np.bincount(short.source, pieces), whole, rtol=1e-3)
    for flag in (False, True):
        assert pieces[short.exterior == flag].sum() == pytest.approx(
            whole[outer == flag].sum(), 1e-4
        )

"""Exact distances that the benchmarks compare with."""

import numpy as np
import pytest
import trimesh
from support import formulas, shapes

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.schema import grid_points

pytestmark = pytest.mark.usefixtures("preprocessing_scripts")


def inside_out(mesh):
    """The mesh with every face reversed."""
    return TriangleMesh(mesh.vertices, mesh.faces[:, ::-1])


def fine_box():
    """A box with enough faces to count as a real mesh."""
    mesh = trimesh.creation.box((2, 1.2, 0.6)).subdivide().subdivide()
    return TriangleMesh(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int32))


def test_winding_numbers_are_whole_inside_and_outside():
    import exact_geometry
    import solids

    mesh = next(mesh for name, mesh, _ in solids.solids() if name == "box")
    points = np.array([[0, 0, 0], [0.99, 0.59, 0.29], [1.01, 0, 0], [0, 5, 0]])
    triangles = mesh.vertices[mesh.faces]
    np.testing.assert_allclose(
        exact_geometry.winding_numbers(points, triangles), [1, 1, 0, 0], atol=1e-12
    )
    inverse = exact_geometry.winding_numbers(points, triangles[:, ::-1])
    np.testing.assert_allclose(inverse, [-1, -1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("name", ["sphere", "box", "torus", "cylinder", "capsule", "table"])
def test_formulas_agree_with_their_meshes(name):
    import exact_geometry
    import solids

    mesh, parts = next((mesh, parts) for n, mesh, parts in solids.solids() if n == name)
    distances = np.min([part(mesh.vertices) for part in parts], axis=0)
    assert np.abs(distances).max() < 1e-9 or len(parts) > 1
    assert np.isclose(np.abs(mesh.vertices).max(), 1, atol=1e-4)
    points = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    inside = np.min([part(points) for part in parts], axis=0) < 0
    winding = exact_geometry.winding_numbers(points, mesh.vertices[mesh.faces])
    np.testing.assert_array_equal(winding > 0.5, inside)


def test_regions_give_every_point_the_winding_number_of_its_own_sum():
    import exact_geometry
    import solids

    _, mesh, (ball, bar) = next(s for s in solids.solids() if s[0] == "ball and bar")
    coarse = solids.merged(np.round(mesh.vertices, 1), mesh.faces)  # closed still, and quick
    triangles = coarse.vertices[coarse.faces]
    points = grid_points(9) * 0.97
    near = np.minimum(np.abs(ball(points)), np.abs(bar(points)))
    certain = np.maximum(near - 0.2, 0)  # never more than the true distance
    found = exact_geometry.winding_by_region(points, certain, triangles)
    direct = exact_geometry.winding_numbers(points.astype(float), triangles)
    np.testing.assert_allclose(found, direct, atol=1e-6)


def test_closed_case_knows_a_box(monkeypatch):
    pytest.importorskip("igl", reason="libigl is not installed")
    import solids
    import truth

    monkeypatch.setattr(truth, "GRID", 24)
    case = truth.closed_case("box", fine_box())
    exact = solids.box((2, 1.2, 0.6))(case.points.astype(float))
    assert case.known.all()
    assert not case.cavity
    assert (np.abs(exact) < truth.ON_SURFACE).any()  # the grid's points at x = 1, and so on
    np.testing.assert_allclose(case.sdf, exact, atol=3e-6)  # on it, no sign


def closed_boxes(monkeypatch, boxes):
    """The truth of overlapping boxes, whose own cube is the cube frame."""
    pytest.importorskip("igl", reason="libigl is not installed")
    import truth

    for name, value in (("GRID", 24), ("NEAR_POINTS", 3000), ("FACES", (12, 1000))):
        monkeypatch.setattr(truth, name, value)
    return truth.closed_case("boxes", TriangleMesh(*shapes.boxes(boxes)))


TOP = ((-1, -1, 0.6), (1, 1, 1))


def test_closed_case_knows_a_union_on_both_sides(monkeypatch):
    boxes = [TOP, ((-0.7, -0.7, -1), (-0.3, -0.3, 0.85))]
    case = closed_boxes(monkeypatch, boxes)
    np.testing.assert_allclose(case.sdf, formulas.boxes_distance(case.points, boxes), atol=3e-6)
    assert case.known[case.sdf < 0].all()
    assert case.known.mean() > 0.999  # but in corners
    assert not case.cavity


@pytest.mark.parametrize("gap", [0, 3e-7, 3e-5])
def test_distances_that_depend_on_a_crack_are_not_known(monkeypatch, gap):
    boxes = [TOP, ((-0.7, -0.7, -1), (0.3, 0.3, 0.6 - gap))]
    case = closed_boxes(monkeypatch, boxes)
    touching = formulas.boxes_distance(case.points, [TOP, ((-0.7, -0.7, -1), (0.3, 0.3, 0.6))])
    np.testing.assert_allclose(case.sdf[case.known], touching[case.known], atol=1e-4)
    near = np.abs(case.points - [-0.2, -0.2, 0.6]).max(axis=1) < 0.3
    assert near.any()
    assert case.known[near].all() == (gap == 0)
    assert case.known.mean() > 0.9


def test_a_room_that_cannot_be_entered_is_a_hidden_cavity(monkeypatch):
    walls = [
        tuple(np.array(([-1.0] * 3, [1.0] * 3)) + side * np.outer(place, 1.6 * np.eye(3)[axis]))
        for axis in range(3)
        for side, place in ((1, (1, 0)), (-1, (0, 1)))
    ]
    assert closed_boxes(monkeypatch, walls).cavity
    case = closed_boxes(monkeypatch, walls[1:])
    assert not case.cavity


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda m: TriangleMesh(m.vertices, m.faces[1:]), "not closed"),
        (lambda m: TriangleMesh(m.vertices, np.concatenate([m.faces, m.faces])), "repeated"),
        (inside_out, "inwards"),
        (lambda m: TriangleMesh(m.vertices, m.faces[:9]), "9 faces"),
    ],
)
def test_meshes_that_enclose_no_solid_have_no_truth(damage, reason):
    import truth

    mesh = fine_box()
    truth._solid(mesh)
    with pytest.raises(truth.NotSolidError, match=reason):
        truth._solid(damage(mesh))


def test_obj_polygons_become_fans_and_negative_indices_count_back():
    import truth

    text = b"# c\nv 0 0 0\nv 1 0 0 1\nv 1 1 0\nv 0 1 0\nvn 0 0 1\nf 1/1/1 2//1 3 4\nf -4 -3 -1\n"
    mesh = truth.parse_obj(text)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [0, 1, 3]])
    assert mesh.vertices.shape == (4, 3)

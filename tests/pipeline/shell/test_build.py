import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import formulas, shapes
from support.examples import examples

from shapegan.pipeline.queries.rims import rim_edges
from shapegan.pipeline.sdf.shell_queries import ShellQueries
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell.build import build_shell
from shapegan.pipeline.shell.surface_samples import pick_by_area, sample_faces

SOLIDS = {
    "box": shapes.box(),
    "sphere": shapes.icosphere(0.9),
    "torus": shapes.torus(sections=16),
    "L": shapes.l_shape(),
    "plate": shapes.thin_plate(),
    "two parts": shapes.join(shapes.box((0.5, 0.5, 0.5), (-0.6, 0, 0)), shapes.icosphere(0.3)),
}


def shell_of(mesh):
    return build_shell(*mesh)


def solid_volume(shell):
    return shapes.volume(shell.vertices, shell.solid)


def without(mesh, *dropped):
    return mesh[0], np.delete(mesh[1], dropped, axis=0)


def corners(shell, faces):
    return {frozenset(map(tuple, triangle)) for triangle in shell.vertices[faces].tolist()}


def corners_of(mesh, faces=slice(None)):
    return {
        frozenset(map(tuple, triangle))
        for triangle in mesh[0].astype(np.float32)[mesh[1][faces]].tolist()
    }


@pytest.mark.parametrize("spoil", [shapes.flip_half, shapes.soup, lambda m: m])
@pytest.mark.parametrize("name", list(SOLIDS))
def test_closed_solids_are_wound_outwards(name, spoil):
    shell = shell_of(spoil(SOLIDS[name]))
    assert solid_volume(shell) == pytest.approx(shapes.volume(*SOLIDS[name]), rel=1e-5)
    assert shell.exterior.all()
    assert len(shell.sheets) == shell.filled == 0
    assert corners(shell, shell.solid) == corners_of(SOLIDS[name])


def test_soup_with_faces_flipped_at_random():
    solid = SOLIDS["torus"]
    shell = shell_of(shapes.soup(shapes.flip_half(solid)))
    assert solid_volume(shell) == pytest.approx(shapes.volume(*solid), rel=1e-5)


@examples(15)
@given(name=st.sampled_from(["box", "L", "two parts"]), seed=st.integers(0, 2**32 - 1))
def test_signed_distances_do_not_depend_on_windings(name, seed):
    vertices, faces = SOLIDS[name]
    chosen = np.random.default_rng(seed).random(len(faces)) < seed % 11 / 10
    points = shapes.points_around(200, seed % 97)
    sdf = [
        SignedDistance(ShellQueries.of(shell_of(mesh)), 0.016).signed_distances(points)[0]
        for mesh in ((vertices, faces), shapes.flip((vertices, faces), chosen))
    ]
    np.testing.assert_allclose(*sdf, atol=1e-6)


@pytest.mark.parametrize("spoil", [lambda m: m, shapes.inside_out, shapes.flip_half, shapes.soup])
def test_inner_faces_are_not_part_of_the_shell(spoil):
    outside, inside = shapes.icosphere(0.9), shapes.icosphere(0.4)
    shell = build_shell(*shapes.join(outside, spoil(inside)), fill_cavities=True)
    assert corners(shell, shell.pieces[shell.exterior]) == corners_of(outside)
    assert not shell.cavities
    assert len(shell.sheets) == 0
    field = SignedDistance(ShellQueries.of(shell), 0.016)
    points = np.array([[0, 0, 0], [0.5, 0, 0], [0.41, 0, 0], [0.39, 0, 0]], np.float32)
    sdf, _ = field.signed_distances(points)
    np.testing.assert_allclose(sdf, [-0.88, -0.38, -0.47, -0.49], atol=0.02)


def test_a_shelf_inside_a_closed_box_is_hidden():
    room, shelf = shapes.box((1.6, 1.2, 1.4), subdivisions=2), shapes.plane((1.0, 0.8))
    shell = shell_of(shapes.join(shelf, room))
    assert corners(shell, shell.pieces[shell.exterior]) == corners_of(room)
    assert len(shell.sheets) == 0


def test_parts_that_stick_into_each_other_make_one_solid():
    mesh = shapes.join(
        shapes.box((1.0, 1.0, 1.0), subdivisions=2), shapes.box((0.3, 0.3, 1.6), subdivisions=2)
    )
    shell = shell_of(mesh)
    points = shapes.points_around(500)
    sdf, _ = SignedDistance(ShellQueries.of(shell), 0.016).signed_distances(points)
    one = formulas.box_distance(points)
    other = formulas.box_distance(points, (0.3, 0.3, 1.6))
    union = np.minimum(one, other)
    np.testing.assert_array_equal(sdf < 0, union < 0)
    np.testing.assert_allclose(sdf[union > 0], union[union > 0], atol=1e-6)
    # What lies wholly within does not bound it: faces of the pillar between the plate's sides.
    middle = np.abs(shell.vertices[shell.pieces][:, :, 2]).max(axis=1) < 0.45
    buried = np.abs(shell.vertices[shell.pieces][:, :, :2]).max(axis=(1, 2)) < 0.4
    assert (middle & buried).any()
    assert not shell.exterior[middle & buried].any()


@pytest.mark.parametrize(
    "mesh",
    [shapes.plane(), shapes.tube(0.9, 0.4, caps=False), shapes.moebius()],
    ids=["plane", "lampshade", "moebius"],
)
@pytest.mark.parametrize("spoil", [shapes.flip_half, shapes.soup, lambda m: m])
def test_faces_that_see_sky_on_both_sides_are_sheets(mesh, spoil):
    shell = shell_of(spoil(mesh))
    assert len(shell.solid) == len(shell.exterior) == 0
    assert corners(shell, shell.sheets) == corners_of(mesh)


def test_one_triangle_is_a_sheet():
    mesh = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], np.int32)
    shell = shell_of(mesh)
    assert len(shell.sheets) == 1
    assert len(shell.visible) > 100


def test_a_sheet_beside_a_solid_stays_a_sheet():
    solid, sheet = shapes.box((1.0, 0.5, 0.5), (0, 0, -0.6)), shapes.plane()
    shell = shell_of(shapes.join(solid, sheet))
    assert corners(shell, shell.solid) == corners_of(solid)
    assert corners(shell, shell.sheets) == corners_of(sheet)


def test_a_fold_through_the_other_side_leaves_no_hole():
    """A box with a dent so deep that its tip comes out at the bottom, inside out."""
    vertices, faces = shapes.box((1.6, 1.6, 0.6), subdivisions=5)
    away = np.linalg.norm(vertices[:, :2] - 0.3, axis=1)
    dent = (away < 0.2) & (vertices[:, 2] > 0.29)
    vertices[dent, 2] -= 6 * (0.2 - away[dent])
    assert vertices[:, 2].min() < -0.4
    shell = shell_of((vertices, faces))
    assert len(shell.sheets) == 0
    assert len(shell.solid) == len(faces)
    points = shapes.points_around(300, reach=0.25) + np.float32([0.3, 0.3, -0.4])
    number = shapes.winding_numbers(points, vertices, faces)
    assert number.min() < -0.9
    sdf, _ = SignedDistance(ShellQueries.of(shell), 0.016).signed_distances(points)
    np.testing.assert_array_equal(sdf < 0, number > 0.5)


def test_a_box_without_a_lid_is_a_solid_with_one_filled():
    mesh = shapes.open_box()
    shell = shell_of(shapes.flip_half(mesh))
    assert len(shell.sheets) == 0
    assert shell.filled > 0
    assert len(shell.solid) == len(mesh[1]) + shell.filled
    assert solid_volume(shell) == pytest.approx(1.0, rel=1e-5)
    assert (shell.vertices[shell.solid[-shell.filled :]][:, :, 2] == 0.5).all()
    assert len(rim_edges(shell.solid)) == 0


@pytest.mark.parametrize("dropped", [(3,), (3, 50, 51), (0, 1, 2, 3)])
def test_holes_are_filled(dropped):
    whole = shapes.icosphere(0.9)
    shell = shell_of(without(whole, *dropped))
    assert shell.filled >= len(dropped)
    assert len(rim_edges(shell.solid)) == 0
    assert solid_volume(shell) == pytest.approx(shapes.volume(*whole), rel=0.03)
    assert shell.exterior[-shell.filled :].all()


def test_long_rims_are_filled_too():
    """A can without ends, deep enough to be no sheet, of more edges than are searched through."""
    shell = shell_of(shapes.tube(0.3, 1.8, sections=100, caps=False))
    assert len(shell.sheets) == 0
    assert shell.filled == 200
    assert len(np.unique(shell.solid)) == 202
    assert solid_volume(shell) == pytest.approx(shapes.volume(*shapes.tube(0.3, 1.8, 100)))


def test_visible_points_are_spread_over_what_can_be_seen():
    shell = shell_of(shapes.join(shapes.icosphere(0.9, 3), shapes.icosphere(0.4)))
    radius = np.linalg.norm(shell.visible, axis=1)
    assert radius.min() > 0.85
    assert 4000 < len(shell.visible) <= 8192
    octant = (shell.visible > 0) @ [1, 2, 4]
    shares = np.bincount(octant, minlength=8) / len(octant)
    np.testing.assert_allclose(shares, 1 / 8, atol=0.01)


def test_samples_lie_on_their_faces_and_stand_for_the_area():
    vertices, faces = shapes.join(shapes.l_shape(), shapes.icosphere(0.2))
    samples = sample_faces(vertices, faces)
    assert (np.bincount(samples.face, minlength=len(faces)) >= 1).all()
    assert (np.diff(samples.face) >= 0).all()
    assert samples.area.sum() == pytest.approx(shapes.area(vertices, faces))
    a, b, c = np.moveaxis(vertices[faces[samples.face]], 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    np.testing.assert_allclose(samples.normal, normal, atol=1e-6)
    np.testing.assert_allclose(np.einsum("ij,ij->i", samples.position - a, normal), 0, atol=1e-6)
    for start, end in ((a, b), (b, c), (c, a)):
        inwards = np.cross(normal, end - start)
        assert np.einsum("ij,ij->i", samples.position - start, inwards).min() > -1e-6
    # One face's many samples have its centroid for a mean.
    largest = np.bincount(samples.face).argmax()
    mean = samples.position[samples.face == largest].mean(axis=0)
    np.testing.assert_allclose(mean, vertices[faces[largest]].mean(axis=0), atol=0.02)


def test_samples_are_picked_by_area():
    vertices = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 2], [0, 2, 0]])
    samples = sample_faces(vertices, np.array([[0, 1, 2], [0, 3, 4]], np.int32))
    chosen = pick_by_area(samples, np.ones(len(samples.face), bool), 1000)
    counts = np.bincount(samples.face[chosen])
    assert counts[0] / counts[1] == pytest.approx(4, rel=0.05)
    assert (samples.face[pick_by_area(samples, samples.face == 1, 100)] == 1).all()
    assert len(pick_by_area(samples, np.zeros(len(samples.face), bool))) == 0


def test_no_faces():
    shell = build_shell(np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    assert len(shell.solid) == len(shell.sheets) == 0

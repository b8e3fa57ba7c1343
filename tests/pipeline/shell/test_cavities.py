"""Cavities of two-skin bodies, open and closed, turned and scaled at random, against libigl."""

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support import hollows, shapes
from support.examples import examples

from shapegan.pipeline.mesh_sdf import MeshSDF
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.samples.defects import (
    add_all_defects,
    double_walls,
    flip_faces,
    inner_copy,
)


def wrong_signs(mesh, inside, seed=0, beyond=0.02, **options):
    """Share of points, farther than `beyond` from the surface, with the wrong sign; the method.

    The mesh is turned, scaled and moved at random first. `inside` is a closed mesh, or a function
    of points in the mesh's own coordinates.
    """
    rng = np.random.default_rng(seed)
    turn, scale = Rotation.random(random_state=rng).as_matrix(), 10 ** rng.uniform(-2, 2)
    move = rng.normal(size=3)
    points = rng.uniform(mesh[0].min(axis=0) - 0.05, mesh[0].max(axis=0) + 0.05, (3000, 3))
    truth = inside(points) if callable(inside) else hollows.is_inside(inside, points)
    placed = SimpleNamespace(vertices=mesh[0] @ turn.T * scale + move, faces=mesh[1])
    field = MeshSDF(placed, sheet_thickness=0, **options)
    sdf = field.signed_distances(points @ turn.T * scale + move) / scale
    assert 0.01 < truth.mean() < 0.9
    return ((sdf < 0) != truth)[np.abs(sdf) > beyond].mean(), field.method


@example(mouth=0.125, wall=0.25, joined=False, rim=False, count=8, flipped="outer", seed=0)
@examples(25)
@given(
    mouth=st.floats(0.04, 0.6),
    wall=st.floats(0.03, 0.35),
    joined=st.booleans(),
    rim=st.booleans(),
    count=st.integers(8, 20),
    flipped=st.sampled_from(["none", "outer", "inner", "all", "half the faces"]),
    seed=st.integers(0, 2**16),
)
def test_a_flask_is_hollow_whatever_its_mouth_its_rim_and_its_windings(
    mouth, wall, joined, rim, count, flipped, seed
):
    parts, closed = hollows.flask(mouth, wall, count)
    if flipped in ("outer", "inner"):
        which = ("outer", "inner").index(flipped)
        parts[which] = shapes.inside_out(parts[which])
    # Without a rim the end of the wall is uncertain over the wall's thickness.
    beyond = 0.02 if joined or rim else 0.02 + wall
    mesh = closed if joined else shapes.join(*(parts if rim else parts[:2]))
    mesh = shapes.inside_out(mesh) if flipped == "all" else mesh
    mesh = shapes.flip_half(mesh, seed) if flipped == "half the faces" else mesh
    wrong, _ = wrong_signs(mesh, closed, seed, beyond)
    assert wrong == 0


@pytest.mark.parametrize(
    ("mouth", "wall", "count", "flipped", "seed"),
    [
        (0.04, 0.3, 9, "outer", 2),
        (0.05, 0.1, 11, "inner", 53),
        (0.074, 0.226, 9, "half the faces", 7),
        (0.085, 0.335, 8, "inner", 193),
        (0.1, 0.34, 10, "outer", 185),
    ],
)
def test_a_flask_without_a_rim_whose_small_mouth_lets_in_less_light_than_the_gap_in_its_wall(
    mouth, wall, count, flipped, seed
):
    parts, closed = hollows.flask(mouth, wall, count)
    skins = list(parts[:2])
    if flipped in ("outer", "inner"):
        which = ("outer", "inner").index(flipped)
        skins[which] = shapes.inside_out(skins[which])
    mesh = shapes.join(*skins)
    mesh = shapes.flip_half(mesh, seed) if flipped == "half the faces" else mesh
    assert wrong_signs(mesh, closed, seed, beyond=0.02 + wall)[0] == 0


def test_the_middle_of_a_flask_has_the_distance_to_its_inner_wall():
    parts, _ = hollows.flask(0.25, 0.1, 24, 48)
    vertices, faces = shapes.join(*parts)
    field = MeshSDF(SimpleNamespace(vertices=vertices, faces=faces))
    assert field.signed_distances([[0, 0, 0]]) == pytest.approx(0.9, abs=0.02)
    assert field.method == "winding"


def test_a_mouth_that_few_rays_find():
    parts, closed = hollows.flask(0.03, 0.1, 24, 48)
    assert wrong_signs(shapes.join(*parts), closed)[0] == 0


@pytest.mark.parametrize("window", [0.1, 0.4, 0.8, 1.4])
def test_a_room_with_a_window_is_hollow_though_nothing_joins_its_two_boxes(window):
    mesh = hollows.room(window, 0.1)
    for spoilt in (mesh, shapes.inside_out(mesh)):
        wrong, _ = wrong_signs(spoilt, lambda p: hollows.is_in_room(p, window, 0.1), beyond=0.06)
        assert wrong == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_room_of_loose_faces_wound_at_random(seed):
    """Strips of the wall with the window may be lost, since no light shows their front."""
    mesh = shapes.flip_half(shapes.soup(hollows.room(0.3, 0.1)), seed)
    wrong, _ = wrong_signs(mesh, lambda p: hollows.is_in_room(p, 0.3, 0.1), seed, beyond=0.07)
    assert wrong < 0.01


def test_a_pipe_round_a_bend_of_two_skins():
    skins, closed = hollows.elbow(0.3, 0.06)
    assert wrong_signs(skins, closed, beyond=0.04)[0] == 0


def test_vessels_within_vessels():
    parts, closed = hollows.flask(0.3, 0.1, 24, 48)
    flask, small = shapes.join(*parts), shapes.icosphere(0.2)
    shrunk = [(0.6 * vertices, faces) for vertices, faces in (flask, closed)]
    for inner, solid in (shrunk, (small, small)):
        mesh, truth = shapes.join(flask, inner), shapes.join(closed, solid)
        assert wrong_signs(mesh, truth)[0] == 0


@pytest.mark.parametrize("turn", [0.5, 2.0])
@pytest.mark.parametrize("rim", [True, False])
def test_a_vessel_in_a_vessel_that_no_light_enters_is_hollow_though_it_is_inside_out(turn, rim):
    parts, closed = hollows.flask(0.3, 0.1, 16)
    about = Rotation.from_rotvec([turn, 0, 0]).as_matrix().T
    small = [(0.5 * vertices @ about, faces) for vertices, faces in (*parts, closed)]
    mesh = shapes.join(closed, *map(shapes.inside_out, small[: 3 if rim else 2]))
    wrong, _ = wrong_signs(mesh, shapes.join(closed, small[3]), beyond=0.02 if rim else 0.07)
    assert wrong == 0


BALL = shapes.icosphere(1.0)
HOLLOW_BALL = hollows.hollow_ball()
CLOSED = {
    "hollow ball": HOLLOW_BALL,
    "nested": shapes.join(HOLLOW_BALL, hollows.hollow_ball(0.5, 0.3)),
    "two cavities": shapes.join(
        shapes.box((2.0, 1.0, 1.0)),
        shapes.inside_out(shapes.box((0.6, 0.6, 0.6), (-0.5, 0, 0))),
        shapes.inside_out(shapes.icosphere(0.3, center=(0.5, 0, 0))),
    ),
    "a box floats in a ball": shapes.join(HOLLOW_BALL, shapes.box((0.4, 0.4, 0.4))),
    "ribs that end in the walls": shapes.join(
        shapes.box((2.0, 1.6, 1.4)),
        shapes.inside_out(shapes.box((1.8, 1.4, 1.2))),
        *(shapes.box((0.1, 1.5, 1.3), (x, 0, 0)) for x in (-0.3, 0.3)),
    ),
    "overlaps a box": shapes.join(HOLLOW_BALL, shapes.box((1.0, 1.0, 1.0), (1.4, 0, 0))),
}


@pytest.mark.parametrize("spoil", [lambda mesh: mesh, shapes.inside_out])
@pytest.mark.parametrize("name", list(CLOSED))
def test_closed_cavities_of_consistently_wound_watertight_meshes_are_kept(name, spoil):
    wrong, method = wrong_signs(spoil(CLOSED[name]), CLOSED[name])
    assert (wrong, method) == (0, "winding+cavities")


def test_closed_cavities_are_filled_on_demand():
    assert wrong_signs(HOLLOW_BALL, BALL, cavities="fill") == (0, "winding")


@pytest.mark.parametrize(
    "mesh",
    [
        shapes.join(BALL, shapes.icosphere(0.7)),
        shapes.flip_half(HOLLOW_BALL),
        (HOLLOW_BALL[0], HOLLOW_BALL[1][1:]),
        (HOLLOW_BALL[0], HOLLOW_BALL[1][:-1]),
    ],
    ids=["inner copy", "random windings", "hole outside", "hole inside"],
)
def test_cavities_of_other_closed_bodies_are_filled(mesh):
    assert wrong_signs(mesh, BALL, beyond=0.1) == (0, "winding")


@pytest.mark.parametrize("seed", range(3))
def test_hidden_copies_doubled_walls_and_random_windings_make_no_cavity(seed):
    rng = np.random.default_rng(seed)
    mesh = TriangleMesh(*shapes.l_shape())
    for spoil in (inner_copy, double_walls, flip_faces):
        mesh = spoil(mesh, rng)
        wrong, method = wrong_signs((mesh.vertices, mesh.faces), shapes.l_shape(), seed)
        assert (wrong, method) == (0, "winding")


@pytest.mark.parametrize("seed", [10, 14])
def test_a_hidden_copy_is_filled_though_light_leaks_in(seed: int) -> None:
    # A box with a smaller one inside, small holes, doubled faces, and random windings: the holes
    # let light between the two skins, and hardly any into the inner one.
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.3, 2, 3)
    box = trimesh.creation.box(sides).subdivide().subdivide().subdivide()
    closed = TriangleMesh(np.array(box.vertices, np.float64), np.array(box.faces, np.int32))
    spoilt = add_all_defects(closed, rng)
    field = MeshSDF(
        trimesh.Trimesh(spoilt.vertices, spoilt.faces, process=False), sheet_thickness=0
    )
    inside = rng.uniform(-0.49, 0.49, (400, 3)) * sides
    assert (field.signed_distances(inside) < 0).all()

"""Mouths of vessels whose rim is missing, and bodies that stand in the dark of others."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support import hollows, shapes
from support.examples import examples

from shapegan.pipeline.mesh_sdf import MeshSDF
from shapegan.pipeline.shell.hole_filling import boundary_loops
from shapegan.pipeline.shell.missing_rims import bridge_missing_rims


def field_of(mesh):
    return MeshSDF(SimpleNamespace(vertices=mesh[0], faces=mesh[1]), sheet_thickness=0)


def wrong_signs(mesh, closed, seed=0, beyond=0.02):
    """Share of points, farther than `beyond` from the surface, with the wrong sign."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(mesh[0].min(axis=0) - 0.05, mesh[0].max(axis=0) + 0.05, (3000, 3))
    sdf, truth = field_of(mesh).signed_distances(points), hollows.is_inside(closed, points)
    return ((sdf < 0) != truth)[np.abs(sdf) > beyond].mean()


@example(mouth=0.4599, wall=0.154404872617521, count=15, sections=13, seed=15)
@examples(15)
@given(
    mouth=st.floats(0.1, 0.6),
    wall=st.floats(0.03, 0.3),
    count=st.integers(8, 20),
    sections=st.sampled_from([4, 6, 13, 24]),
    seed=st.integers(0, 2**16),
)
def test_the_mouth_of_a_flask_without_a_rim_is_open(mouth, wall, count, sections, seed):
    parts, closed = hollows.flask(mouth, wall, count, sections)
    rim = parts[2][0]
    # Otherwise two discs are smaller than a strip: the wall is thicker than the mouth is wide.
    assume(np.ptp(rim[:, 2]) < 0.6 * mouth)
    assert wrong_signs(shapes.join(*parts[:2]), closed, seed) == 0


@pytest.mark.parametrize("flipped", ["none", "outer", "inner", "half the faces"])
def test_distances_in_a_mouth_without_a_rim_are_those_to_its_missing_edge(flipped):
    parts, closed = hollows.flask(0.4, 0.3, 16, 48)
    skins = [
        shapes.inside_out(part) if name == flipped else part
        for name, part in zip(("outer", "inner"), parts[:2], strict=True)
    ]
    mesh = shapes.join(*skins)
    mesh = shapes.flip_half(mesh) if flipped == "half the faces" else mesh
    heights = np.linspace(np.sqrt(0.7**2 - 0.4**2), np.sqrt(1 - 0.4**2), 5)
    middle = np.stack([0 * heights, 0 * heights, heights], axis=1)
    expected = field_of(closed).signed_distances(middle)
    np.testing.assert_allclose(field_of(mesh).signed_distances(middle), expected, atol=1e-4)
    assert (expected > 0.3).all()


def bridged(*meshes):
    vertices, faces = shapes.join(*meshes)
    patch = np.repeat(np.arange(len(meshes)), [len(mesh[1]) for mesh in meshes]).astype(np.int32)
    loops = boundary_loops(faces)
    pairs, strips = bridge_missing_rims(loops, vertices, faces, patch)
    return vertices, faces, pairs, strips


@pytest.mark.parametrize("wall", [0.1, 0.3])
def test_a_strip_closes_both_skins(wall):
    parts, closed = hollows.flask(0.4, wall, 16, 12)
    vertices, faces, pairs, strips = bridged(*parts[:2])
    assert len(pairs) == 1
    whole = np.concatenate([faces, *strips])
    assert not boundary_loops(whole)
    assert shapes.volume(vertices, whole) == pytest.approx(shapes.volume(*closed), rel=1e-3)


def test_the_rim_of_a_cup_lies_in_one_plane():
    cup = [
        hollows.lathe([(0, -1), (0.6, -1), (0.6, 1)]),
        hollows.lathe([(0.4, 1), (0.4, -0.8), (0, -0.8)], 13),
    ]
    vertices, faces, _, strips = bridged(*cup)
    assert np.ptp(vertices[strips[0]][..., 2]) == 0
    assert not boundary_loops(np.concatenate([faces, *strips]))


HALF = hollows.lathe(hollows.arc(1.0, 0.999999, 12)[:7] * [1, 1])
OTHER_HALF = (HALF[0] * [1, 1, -1], HALF[1][:, ::-1])


@pytest.mark.parametrize(
    "meshes",
    [
        (HALF, shapes.moved(OTHER_HALF, (0, 0, 0.05))),
        (HALF, OTHER_HALF),
        hollows.flask(0.1, 0.3)[0][:2],
        (shapes.tube(0.5, 0.3, caps=False),),
        (shapes.icosphere(),),
    ],
    ids=["halves apart", "halves that meet", "wall thicker than mouth", "one skin", "closed"],
)
def test_other_holes_get_no_strip(meshes):
    assert len(bridged(*meshes)[2]) == 0


@pytest.mark.parametrize("flipped", ["outer", "inner", "half the faces"])
@pytest.mark.parametrize("mouth", [0.3, 0.85])
def test_a_wide_vessel_upside_down_in_a_dark_one(mouth, flipped):
    outer, closed = hollows.flask(0.25, 0.1, 16)
    small, small_closed = hollows.flask(mouth, 0.1, 16)
    down = [shapes.inside_out((0.6 * v * [1, 1, -1], f)) for v, f in (*small[:2], small_closed)]
    skins = [*outer[:2], *down[:2]]
    if flipped != "half the faces":
        which = {"outer": 0, "inner": 3}[flipped]
        skins[which] = shapes.inside_out(skins[which])
    mesh = shapes.join(*skins)
    mesh = shapes.flip_half(mesh) if flipped == "half the faces" else mesh
    assert wrong_signs(mesh, shapes.join(closed, down[2]), beyond=0.07) == 0


@pytest.mark.parametrize("seed", range(4))
def test_furniture_that_stands_in_the_walls_of_a_room(seed):
    """Hidden faces whose middle lies in another part are still needed, and so is their winding."""
    rng = np.random.default_rng(seed)
    sunk = [
        shapes.box((0.5, 0.5, 0.7), (0.6, 0.1, -0.6)),
        shapes.box((0.9, 0.6, 0.5), (0.2, 0.65, -0.7)),
        shapes.box((0.3, 1.86, 0.4), (0.5, 0, 0.75)),
    ]
    room = hollows.room(0.3, 0.1)
    parts = [shapes.inside_out(part) if rng.random() < 0.5 else part for part in sunk]
    points = rng.uniform(-0.99, 0.99, (6000, 3))
    truth = hollows.is_in_room(points, 0.3, 0.1) | hollows.is_inside(shapes.join(*sunk), points)
    sdf = field_of(shapes.join(room, *parts)).signed_distances(points)
    assert ((sdf < 0) != truth)[np.abs(sdf) > 0.06].sum() == 0

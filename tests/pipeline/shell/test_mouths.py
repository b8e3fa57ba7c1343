"""Mouths of patches that enclose a hollow, with the sky ahead of them or not."""

import numpy as np
import pytest
from support import hollows, shapes

from shapegan.pipeline.shell.mouths import have_open_mouths
from shapegan.pipeline.shell.orientation import orient_patches


def opened(mesh, front, **options):
    """Patches of a mesh, by their first face, with open mouths in front of the faces given."""
    vertices, faces = (mesh[0] * 0.9).astype(np.float32), np.asarray(mesh[1])
    patches = orient_patches(vertices.astype(np.float64), faces, "cpu")
    sides, every = faces if front else faces[:, ::-1], np.ones(len(patches.front), bool)
    found = have_open_mouths(vertices, sides, patches, every, **options)
    _, first = np.unique(patches.patch, return_index=True)
    return dict(zip(first.tolist(), found.tolist(), strict=True))


def ball_without(direction, radius=1.0):
    """A ball, its front outside, without the face that is nearest to a direction."""
    vertices, faces = shapes.icosphere(radius)
    ahead = vertices[faces].mean(axis=1) @ direction
    return vertices, np.delete(faces, ahead.argmax(), axis=0)


@pytest.mark.parametrize(("mouth", "wall"), [(0.02, 0.1), (0.05, 0.35), (0.5, 0.1)])
def test_a_flask_opens_to_the_sky_on_its_inner_side_alone(mouth, wall):
    parts, _ = hollows.flask(mouth, wall)
    skins = shapes.join(*parts[:2])
    outer, inner = 0, len(parts[0][1])
    # The inner skin has the hollow in front of it, the outer skin its inner side behind it.
    assert opened(skins, front=True) == {outer: False, inner: True}
    assert opened(skins, front=False) == {outer: True, inner: False}


def test_a_hole_with_the_outer_skin_ahead_shows_no_sky():
    for way, expected in (([0.3, 0.2, 1.0], True), ([1.0, 0.2, 0.3], False)):
        outer, inner = ball_without(np.array([0.3, 0.2, 1.0])), ball_without(np.array(way), 0.5)
        found = opened(shapes.join(outer, inner), front=False)
        assert found == {0: True, len(outer[1]): expected}


def test_the_outside_may_end_at_a_face():
    ball, ahead = ball_without(np.array([0.0, 0.0, 1.0]), 0.4), []

    def outside(points, owner):
        assert (owner == 0).all()
        ahead.append(points)
        return points[:, 2] < 0.8

    for height, expected in ((0.6, True), (0.95, False)):
        lid = shapes.box((1.0, 1.0, 0.02), (0.0, 0.0, height))
        assert opened(shapes.join(ball, lid), front=False, outside=outside)[0] == expected
        # Asked is where the way ahead ends, just below the lid.
        assert ahead[-1][:, 2] == pytest.approx(0.9 * (height - 0.01), abs=1e-3)


def test_most_of_the_area_of_the_holes_counts():
    # A small hole with the sky ahead, and a large one without.
    vertices, faces = ball_without(np.array([0.0, 0.0, 1.0]), 0.5)
    wide = faces[(vertices[faces].mean(axis=1)[:, 0] < 0.45)]
    lid = shapes.box((0.01, 1.0, 1.0), (0.8, 0.0, 0.0))
    assert opened(shapes.join((vertices, faces), lid), front=False)[0]
    assert not opened(shapes.join((vertices, wide), lid), front=False)[0]


def test_a_pipe_opens_at_both_ends_and_a_closed_ball_nowhere():
    assert opened(shapes.tube(0.3, 1.5, caps=False), front=False) == {0: True}
    assert opened(shapes.icosphere(0.5), front=False) == {0: False}


def test_what_is_flat_encloses_nothing():
    assert opened(shapes.plane(), front=True) == {0: False}
    bowl = hollows.lathe(hollows.arc(1.0, 0.999, 12))
    cap = (bowl[0], bowl[1][bowl[0][bowl[1]][:, :, 2].max(axis=1) < -0.5])
    assert opened(cap, front=False) == {0: False}


def test_rims_that_meet_in_a_vertex_stay_those_of_their_own_patches():
    # Two balls whose holes share one vertex; the hole of the right one looks at a lid.
    left = ball_without(np.array([1.0, 0.0, 0.0]), 0.4)
    right = ball_without(np.array([-1.0, 0.0, 0.0]), 0.4)
    touch = [_rim(mesh)[0] for mesh in (left, right)]
    right = shapes.moved(right, left[0][touch[0]] - right[0][touch[1]])
    both = shapes.join(left, right)
    faces = both[1].copy()
    faces[faces == len(left[0]) + touch[1]] = touch[0]
    found = opened((both[0] * 0.5, faces), front=False)
    alone = opened((shapes.join(left, right)[0] * 0.5, shapes.join(left, right)[1]), front=False)
    assert found == alone


def _rim(mesh):
    edges = mesh[1][:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    key, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    return np.unique(key[count == 1])

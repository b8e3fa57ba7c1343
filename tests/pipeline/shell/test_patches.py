import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.shell.patches import find_patches


def disagreements(faces, patch):
    """Edges that just two faces share, both of one patch, and walk the same way."""
    walks = {}
    for index, (a, b, c) in enumerate(faces.tolist()):
        for tail, head in ((a, b), (b, c), (c, a)):
            walks.setdefault(frozenset((tail, head)), []).append((tail, index))
    pairs = [pair for pair in walks.values() if len(pair) == 2]
    return sum(
        tails[0] == tails[1] and patch[first] == patch[second]
        for pair in pairs
        for tails, (first, second) in [tuple(zip(*pair, strict=True))]
    )


def corner_sets(faces):
    return [frozenset(face) for face in faces.tolist()]


SOLIDS = {
    "box": shapes.box(subdivisions=1),
    "sphere": shapes.icosphere(subdivisions=1),
    "torus": shapes.torus(sections=12),
    "L": shapes.l_shape(),
    "tube": shapes.tube(sections=8),
    "lampshade": shapes.tube(sections=8, caps=False),
    "plane": shapes.plane(cells=3),
}


@examples(60)
@given(name=st.sampled_from(list(SOLIDS)), data=st.data())
def test_a_connected_mesh_becomes_one_consistently_wound_patch(name, data):
    vertices, faces = SOLIDS[name]
    chosen = data.draw(st.lists(st.booleans(), min_size=len(faces), max_size=len(faces)))
    _, mixed = shapes.flip((vertices, faces), np.array(chosen))
    patches = find_patches(mixed)
    assert patches.count == 1
    assert disagreements(patches.faces, patches.patch) == 0
    assert corner_sets(patches.faces) == corner_sets(faces)
    assert abs(shapes.volume(vertices, patches.faces)) == pytest.approx(
        abs(shapes.volume(vertices, faces))
    )


def test_separate_parts_are_separate_patches():
    _, faces = shapes.join(shapes.box(), shapes.icosphere(), shapes.plane())
    patches = find_patches(shapes.flip_half((None, faces))[1])
    assert patches.count == 3
    assert disagreements(patches.faces, patches.patch) == 0
    np.testing.assert_array_equal(np.unique(patches.patch), [0, 1, 2])
    assert (np.diff(patches.patch[:12]) == 0).all()


def test_each_face_of_a_soup_is_a_patch():
    _, faces = shapes.soup(shapes.box())
    patches = find_patches(faces)
    assert patches.count == 12
    np.testing.assert_array_equal(patches.faces, faces)


def test_edges_of_three_faces_split_patches():
    # Three wings that meet in edge 0-1.
    faces = np.array([(0, 1, 2), (0, 1, 3), (0, 1, 4)], np.int32)
    assert find_patches(faces).count == 3


def test_boxes_that_share_an_edge_are_separate_patches():
    vertices, faces = shapes.join(shapes.box(), shapes.box(center=(1, 1, 0)))
    _, same = np.unique(vertices, axis=0, return_inverse=True)
    patches = find_patches(same[faces].astype(np.int32))
    assert patches.count == 2
    assert len(set(patches.patch[:12])) == len(set(patches.patch[12:])) == 1
    assert disagreements(patches.faces, patches.patch) == 0


def test_a_wall_inside_splits_the_outside():
    vertices, faces = shapes.tube(sections=8)
    # A disc across the lower ring: its edges have three faces each, so the bottom is a patch, too.
    disc = faces[(faces == 16).any(axis=1)].copy()
    disc[disc == 16] = len(vertices)
    assert find_patches(np.concatenate([faces, disc])).count == 3


def test_doubled_faces_are_separate_patches():
    """A wall given twice has edges of four faces, so each face stands alone there."""
    _, faces = shapes.box()
    doubled = np.concatenate([faces, faces[:, ::-1]])
    assert find_patches(doubled).count == len(doubled)


def test_a_moebius_strip_keeps_its_windings():
    _, faces = shapes.moebius()
    patches = find_patches(faces)
    np.testing.assert_array_equal(patches.faces, faces)
    assert disagreements(patches.faces, patches.patch) <= 1
    mixed = shapes.flip_half((None, faces))[1]
    pieces = find_patches(mixed)
    np.testing.assert_array_equal(pieces.faces, mixed)
    assert disagreements(pieces.faces, pieces.patch) == 0
    assert 1 < pieces.count < len(faces)


def test_a_moebius_strip_does_not_change_other_patches():
    _, faces = shapes.join(shapes.box(), shapes.moebius(), shapes.icosphere(subdivisions=1))
    mixed = shapes.flip_half((None, faces))[1]
    patches = find_patches(mixed)
    solid = np.r_[0:12, 36 : len(faces)]
    assert disagreements(patches.faces[solid], patches.patch[solid]) == 0
    assert len(set(patches.patch[:12])) == len(set(patches.patch[36:])) == 1
    assert not set(patches.patch[12:36]) & set(patches.patch[solid])
    np.testing.assert_array_equal(patches.faces[12:36], mixed[12:36])


def test_pieces_of_a_moebius_strip_are_separate_from_other_patches():
    _, faces = shapes.join(shapes.moebius(), *(shapes.soup(shapes.box()),) * 3)
    patches = find_patches(shapes.flip_half((None, faces))[1])
    assert not set(patches.patch[:24]) & set(patches.patch[24:])
    assert len(set(patches.patch[24:])) == 36


def test_no_faces():
    patches = find_patches(np.zeros((0, 3), np.int32))
    assert patches.count == 0
    assert patches.faces.shape == (0, 3)

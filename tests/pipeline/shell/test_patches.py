import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import shapes

from shapegan.pipeline.queries.rims import rim_edges
from shapegan.pipeline.shell.hole_filling import MAX_FILL_EDGES, boundary_loops, fill_loops
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


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(list(SOLIDS)), data=st.data())
def test_one_patch_is_wound_alike_whatever_came(name, data):
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


def test_a_soup_is_all_patches():
    _, faces = shapes.soup(shapes.box())
    patches = find_patches(faces)
    assert patches.count == 12
    np.testing.assert_array_equal(patches.faces, faces)


def test_edges_of_three_faces_split_patches():
    # Three wings that meet in edge 0-1.
    faces = np.array([(0, 1, 2), (0, 1, 3), (0, 1, 4)], np.int32)
    assert find_patches(faces).count == 3


def test_boxes_that_touch_in_an_edge_stay_apart():
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


def test_doubled_faces_join_nothing():
    """A wall given twice has edges of four faces, so each face stands alone there."""
    _, faces = shapes.box()
    doubled = np.concatenate([faces, faces[:, ::-1]])
    assert find_patches(doubled).count == len(doubled)


def test_what_has_no_two_sides_is_left_as_it_came():
    _, faces = shapes.moebius()
    patches = find_patches(faces)
    np.testing.assert_array_equal(patches.faces, faces)
    assert disagreements(patches.faces, patches.patch) <= 1
    mixed = shapes.flip_half((None, faces))[1]
    pieces = find_patches(mixed)
    np.testing.assert_array_equal(pieces.faces, mixed)
    assert disagreements(pieces.faces, pieces.patch) == 0
    assert 1 < pieces.count < len(faces)


def test_a_moebius_strip_leaves_others_alone():
    _, faces = shapes.join(shapes.box(), shapes.moebius(), shapes.icosphere(subdivisions=1))
    mixed = shapes.flip_half((None, faces))[1]
    patches = find_patches(mixed)
    solid = np.r_[0:12, 36 : len(faces)]
    assert disagreements(patches.faces[solid], patches.patch[solid]) == 0
    assert len(set(patches.patch[:12])) == len(set(patches.patch[36:])) == 1
    assert not set(patches.patch[12:36]) & set(patches.patch[solid])
    np.testing.assert_array_equal(patches.faces[12:36], mixed[12:36])


def test_pieces_of_a_moebius_strip_are_no_part_of_other_patches():
    _, faces = shapes.join(shapes.moebius(), *(shapes.soup(shapes.box()),) * 3)
    patches = find_patches(shapes.flip_half((None, faces))[1])
    assert not set(patches.patch[:24]) & set(patches.patch[24:])
    assert len(set(patches.patch[24:])) == 36


def test_no_faces():
    patches = find_patches(np.zeros((0, 3), np.int32))
    assert patches.count == 0
    assert patches.faces.shape == (0, 3)
    assert boundary_loops(np.zeros((0, 3), np.int32)) == []


def without(faces, *dropped):
    return np.delete(faces, dropped, axis=0)


def closed_by(vertices, faces):
    """The faces and fillings of all their loops."""
    return np.concatenate([faces, fill_loops(boundary_loops(faces), vertices)[0]])


@pytest.mark.parametrize("name", ["box", "sphere", "torus", "L", "tube"])
def test_closed_meshes_have_no_loops(name):
    assert boundary_loops(SOLIDS[name][1]) == []


def test_one_hole_is_one_loop_wound_as_its_missing_face():
    _, faces = shapes.icosphere(subdivisions=1)
    (loop,) = boundary_loops(without(faces, 7))
    start = loop.index(faces[7, 0])
    assert loop[start:] + loop[:start] == faces[7].tolist()


def test_two_holes_are_two_loops():
    vertices, faces = shapes.tube(sections=8, caps=False)
    loops = boundary_loops(faces)
    assert sorted(map(sorted, loops)) == [list(range(8)), list(range(8, 16))]
    closed = closed_by(vertices, faces)
    assert len(rim_edges(closed)) == 0
    whole = shapes.volume(*shapes.tube(sections=8))
    assert shapes.volume(vertices, closed) == pytest.approx(whole)


def test_a_figure_of_eight_comes_apart():
    _, faces = shapes.icosphere(subdivisions=1)
    around = np.flatnonzero((faces == 0).any(axis=1))
    first = around[0]
    other = next(f for f in around if len(set(faces[f]) & set(faces[first])) == 1)
    loops = boundary_loops(without(faces, first, other))
    assert sorted(map(sorted, loops)) == sorted([sorted(faces[first]), sorted(faces[other])])
    assert all(len(set(loop)) == len(loop) for loop in loops)


@settings(max_examples=40, deadline=None)
@given(dropped=st.sets(st.integers(0, 79), min_size=1, max_size=40))
def test_filling_all_loops_closes_the_surface(dropped):
    vertices, faces = shapes.icosphere(subdivisions=1)
    open_faces = without(faces, *dropped)
    loops = boundary_loops(open_faces)
    assert all(len(set(loop)) == len(loop) for loop in loops)
    rims = sum(len(loop) for loop in loops)
    assert rims == len(rim_edges(open_faces))
    assert len(rim_edges(closed_by(vertices, open_faces))) == 0


def triangulations(polygon):
    """All ways to cut a polygon into triangles, each containing its first-last edge once."""
    if len(polygon) < 3:
        return [[]]
    found = []
    for k in range(1, len(polygon) - 1):
        tip = (polygon[0], polygon[k], polygon[-1])
        pairs = itertools.product(triangulations(polygon[: k + 1]), triangulations(polygon[k:]))
        found += [[tip, *left, *right] for left, right in pairs]
    return found


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(3, 7),
    numbers=st.lists(st.floats(-1, 1), min_size=21, max_size=21),
)
def test_fill_has_the_least_area_of_all(count, numbers):
    points = np.array(numbers).reshape(7, 3)[:count]
    candidates = triangulations(list(range(count)))
    assert len(candidates) == {3: 1, 4: 2, 5: 5, 6: 14, 7: 42}[count]
    least = min(shapes.area(points, np.array(faces)) for faces in candidates)
    triangles, _, extra = fill_loops([list(range(count))], points)
    assert len(extra) == 0
    assert len(triangles) == count - 2
    assert shapes.area(points, triangles) == pytest.approx(least, abs=1e-12)
    assert sorted({frozenset(t) for t in map(tuple, triangles.tolist())}, key=sorted) in [
        sorted({frozenset(t) for t in faces}, key=sorted) for faces in candidates
    ]


def test_a_planar_hole_is_filled_flat():
    outline = np.array([(0, 0), (4, 0), (4, 1), (1, 1), (1, 2), (4, 2), (4, 3), (0, 3)], float)
    points = np.pad(outline, ((0, 0), (0, 1)))
    ring = [9, 8, 7, 6, 5, 4, 3, 2]
    vertices = np.concatenate([np.full((2, 3), 9.0), points[::-1]])
    triangles, _, _ = fill_loops([ring], vertices)
    assert shapes.area(vertices, triangles) == pytest.approx(9.0)
    # Wound like the loop: all its edges are walked the loop's way.
    walked = {(a, b) for f in triangles.tolist() for a, b in zip(f, f[1:] + f[:1], strict=True)}
    assert set(zip(ring, ring[1:] + ring[:1], strict=True)) <= walked


@pytest.mark.parametrize("count", [MAX_FILL_EDGES, MAX_FILL_EDGES + 1])
def test_long_loops_get_a_fan(count):
    turn = np.arange(count) * 2 * np.pi / count
    circle = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    vertices = np.concatenate([[[5.0, 5, 5]], circle + np.array([1, 2, 3])])
    triangles, _, extra = fill_loops([list(range(1, count + 1))], vertices)
    grown = np.concatenate([vertices, extra])
    assert shapes.area(grown, triangles) == pytest.approx(count / 2 * np.sin(2 * np.pi / count))
    if count > MAX_FILL_EDGES:
        np.testing.assert_allclose(extra, [[1, 2, 3]], atol=1e-12)
        assert (triangles == count + 1).sum() == len(triangles) == count
    else:
        assert extra.shape == (0, 3)
    normals = np.cross(
        grown[triangles[:, 1]] - grown[triangles[:, 0]],
        grown[triangles[:, 2]] - grown[triangles[:, 0]],
    )
    assert (normals[:, 2] > -1e-12).all()


def test_many_loops_are_told_apart():
    rng = np.random.default_rng(0)
    lengths = [5, 3, MAX_FILL_EDGES + 2, 5, 4, MAX_FILL_EDGES + 2]
    starts = np.cumsum([0, *lengths])
    vertices = rng.normal(size=(starts[-1], 3))
    loops = [list(range(a, b)) for a, b in itertools.pairwise(starts)]
    triangles, owner, extra = fill_loops(loops, vertices)
    assert len(extra) == 2
    for k, loop in enumerate(loops):
        own = triangles[owner == k]
        alone, _, center = fill_loops([loop], vertices)
        old = own < len(vertices)
        assert set(own[old].tolist()) == set(loop)
        np.testing.assert_array_equal(own[old], alone[alone < len(vertices)])
        if len(loop) > MAX_FILL_EDGES:
            np.testing.assert_array_equal(
                extra[own[~old] - len(vertices)], center.repeat(len(own), 0)
            )
        else:
            assert old.all()

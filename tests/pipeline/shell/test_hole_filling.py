import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries.rims import rim_edges
from shapegan.pipeline.shell.hole_filling import boundary_loops
from shapegan.pipeline.shell.smallest_fillings import MAX_FILL_EDGES, fill_loops

CLOSED = {
    "box": shapes.box(subdivisions=1),
    "sphere": shapes.icosphere(subdivisions=1),
    "torus": shapes.torus(sections=12),
    "L": shapes.l_shape(),
    "tube": shapes.tube(sections=8),
}


def without(faces, *dropped):
    return np.delete(faces, dropped, axis=0)


def closed_by(vertices, faces):
    """The faces and fillings of all their loops."""
    return np.concatenate([faces, fill_loops(boundary_loops(faces), vertices)[0]])


@pytest.mark.parametrize("name", list(CLOSED))
def test_closed_meshes_have_no_loops(name):
    assert boundary_loops(CLOSED[name][1]) == []


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


def test_a_figure_of_eight_is_two_loops():
    _, faces = shapes.icosphere(subdivisions=1)
    around = np.flatnonzero((faces == 0).any(axis=1))
    first = around[0]
    other = next(f for f in around if len(set(faces[f]) & set(faces[first])) == 1)
    loops = boundary_loops(without(faces, first, other))
    assert sorted(map(sorted, loops)) == sorted([sorted(faces[first]), sorted(faces[other])])
    assert all(len(set(loop)) == len(loop) for loop in loops)


@examples(40)
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


@examples(60)
@given(
    count=st.integers(3, 7),
    numbers=st.lists(st.floats(-1, 1), min_size=21, max_size=21),
)
def test_the_filling_has_the_smallest_area_of_all_triangulations(count, numbers):
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


def test_many_loops_are_filled_each_by_its_own_triangles():
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


def test_no_faces_have_no_loops():
    assert boundary_loops(np.zeros((0, 3), np.int32)) == []

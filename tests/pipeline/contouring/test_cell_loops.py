import itertools

import pytest

from shapegan.pipeline.contouring.cell_loops import (
    EDGE_CORNERS,
    FACE_CORNERS,
    MIDDLE,
    STARTS,
    cell_loops,
    triangulate_loop,
)


def crossed(signs):
    return {e for e, (a, b) in enumerate(EDGE_CORNERS) if (signs >> a & 1) != (signs >> b & 1)}


def alternating(signs):
    """Faces with four crossed edges."""
    inside = [[signs >> corner & 1 for corner in corners] for corners in FACE_CORNERS]
    return [face for face, (a, b, c, d) in enumerate(inside) if a == c != b == d]


def cases():
    """All signs, with all decisions about their ambiguous faces."""
    for signs in range(256):
        for chosen in itertools.product((0, 1), repeat=len(faces := alternating(signs))):
            yield signs, sum(bit << face for bit, face in zip(chosen, faces, strict=True))


def test_each_crossed_edge_is_in_one_loop():
    for signs, joined in cases():
        edges = [edge for loop in cell_loops(signs, joined).loops for edge in loop]
        assert sorted(edges) == sorted(crossed(signs))
        assert all(len(loop) >= 3 for loop in cell_loops(signs, joined).loops)


def test_edges_and_faces_of_the_cell():
    for (start, end), place in zip(EDGE_CORNERS, STARTS, strict=True):
        assert start == place[0] + 2 * place[1] + 4 * place[2]
        assert end - start in (1, 2, 4)
    assert all(len(set(corners)) == 4 for corners in FACE_CORNERS)


def test_a_corner_has_a_triangle_around_it():
    (loop,) = cell_loops(0b1, 0).loops
    assert sorted(loop) == [0, 4, 8]
    assert cell_loops(0, 0).loops == cell_loops(255, 0).loops == ()


def test_opposite_corners_of_a_face_are_joined_or_apart():
    (face,) = alternating(0b1001)
    assert [len(loop) for loop in cell_loops(0b1001, 0).loops] == [3, 3]
    assert [len(loop) for loop in cell_loops(0b1001, 1 << face).loops] == [6]
    assert cell_loops(0b1001, 0).shared_faces == ()
    assert [one[0] for one in cell_loops(0b1001, 1 << face).shared_faces] == [face]


def faces_of(edge):
    return {f for f, corners in enumerate(FACE_CORNERS) if set(EDGE_CORNERS[edge]) <= set(corners)}


def test_diagonals_of_loops_lie_in_no_face():
    for signs, joined in cases():
        for loop in cell_loops(signs, joined).loops:
            around = {frozenset(pair) for pair in itertools.pairwise((*loop, loop[0]))}
            for triangle in triangulate_loop(loop):
                for a, b in itertools.pairwise((*triangle, triangle[0])):
                    is_diagonal = MIDDLE not in (a, b) and frozenset((a, b)) not in around
                    assert not (is_diagonal and faces_of(a) & faces_of(b))


@pytest.mark.parametrize("length", [3, 4])
def test_short_loops_need_no_middle(length):
    loops = {loop for case in cases() for loop in cell_loops(*case).loops if len(loop) == length}
    assert loops
    for loop in loops:
        assert len(triangulate_loop(loop)) == length - 2

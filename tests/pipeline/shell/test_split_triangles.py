import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import shapes

from shapegan.pipeline.shell.split_triangles import halving_sides, split


def sides_of(vertices, triangles, rng):
    """Signed distances of corners from a random line through each triangle's centroid."""
    angle = rng.uniform(0, 2 * np.pi, len(triangles))
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    corners = vertices[triangles][:, :, :2]
    return np.einsum("nkx,nx->nk", corners - corners.mean(axis=1, keepdims=True), normal)


@given(count=st.integers(1, 20), through_corner=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_pieces_cover_their_triangle_and_lie_on_one_side(count, through_corner, seed):
    rng = np.random.default_rng(seed)
    vertices = np.concatenate([rng.uniform(-1, 1, (3 * count, 2)), np.zeros((3 * count, 1))], 1)
    triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    side = sides_of(vertices, triangles, rng)
    if through_corner:
        # The other corners are on opposite sides of a line through the middle one.
        middle = np.argsort(side, axis=1)[:, 1]
        side -= np.take_along_axis(side, middle[:, None], 1)
    grown, pieces, owner = split(vertices, triangles, side)
    np.testing.assert_array_equal(grown[: len(vertices)], vertices)
    assert (np.diff(owner) >= 0).all()
    assert len(pieces) == (2 if through_corner else 3) * count
    areas = np.bincount(owner, shapes.triangle_areas(grown, pieces))
    np.testing.assert_allclose(areas, shapes.triangle_areas(vertices, triangles), atol=1e-9)
    # The corners of a piece are old ones on one side of the line, or new ones on it.
    at = np.concatenate([side.ravel(), np.zeros(len(grown) - len(vertices))])[pieces]
    assert ((at >= 0).all(axis=1) | (at <= 0).all(axis=1)).all()


def test_halving_splits_the_longest_edge_in_the_middle():
    vertices = np.array([[0.0, 0, 0], [4, 0, 0], [1, 1, 0]])
    triangle = np.array([[2, 0, 1]], np.int32)
    corners = vertices[triangle]
    length = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    grown, pieces, owner = split(vertices, triangle, halving_sides(length))
    np.testing.assert_allclose(grown[3:], [[2, 0, 0]])
    assert len(pieces) == 2
    assert owner.tolist() == [0, 0]
    np.testing.assert_allclose(shapes.triangle_areas(grown, pieces), 1)

import numpy as np
import pytest
from support import shapes

from shapegan.pipeline.queries.rims import MAX_FRACTION, open_rim_points, rim_edges

CLOSED = {
    "box": shapes.box(),
    "sphere": shapes.icosphere(0.8, 2),
    "torus": shapes.torus(sections=16),
    "nested": shapes.nested_spheres(),
}


def undirected(edges):
    return sorted(map(tuple, np.sort(edges, axis=1).tolist()))


@pytest.mark.parametrize("name", list(CLOSED))
def test_closed_meshes_have_no_rim(name):
    assert rim_edges(CLOSED[name][1]).shape == (0, 2)


def test_the_rim_of_a_missing_face_is_its_edges():
    faces = shapes.icosphere(subdivisions=1)[1]
    a, b, c = faces[5]
    assert undirected(rim_edges(np.delete(faces, 5, axis=0))) == undirected(
        np.array([(a, b), (b, c), (c, a)])
    )


def test_the_rim_of_a_flipped_face_is_its_edges():
    faces = shapes.icosphere(subdivisions=1)[1].copy()
    a, b, c = faces[5]
    faces[5] = faces[5, ::-1]
    assert undirected(rim_edges(faces)) == undirected(np.array([(a, b), (b, c), (c, a)]))


def test_a_wall_and_its_reverse_have_no_rim():
    _, faces = shapes.plane()
    assert len(rim_edges(np.concatenate([faces, faces[:, ::-1]]))) == 0
    assert len(rim_edges(np.concatenate([faces, faces]))) == len(rim_edges(faces)) == 16


@pytest.mark.parametrize("is_open", [True, False])
def test_open_rims_are_where_winding_numbers_are_not_whole(is_open):
    vertices, faces = shapes.plane()
    rim = vertices[rim_edges(faces)].astype(np.float32)
    fraction = 2 * MAX_FRACTION if is_open else MAX_FRACTION / 2
    points = open_rim_points(rim, 0.05, lambda probes: np.full(len(probes), 1 + fraction))
    assert (len(points) > 0) == is_open
    if is_open:
        # They lie on the rim of the unit square, in all of its cells.
        np.testing.assert_allclose(np.abs(points[:, :2]).max(axis=1), 0.5, atol=1e-6)
        assert len(points) >= 4 * 20
    assert open_rim_points(rim[:0], 0.05, lambda probes: probes[:, 0]).shape == (0, 3)

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import any_primitives, shapes
from support.examples import examples

from shapegan.pipeline.samples.parts import box, disc, rod
from shapegan.pipeline.samples.tessellate import arc_steps, tessellate

tolerances = st.floats(5e-4, 0.05)


def edges(faces):
    return [
        (int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)
    ]


def between(mesh):
    """The middles of faces and of edges."""
    corners = mesh.vertices[mesh.faces]
    middles = (corners + np.roll(corners, 1, axis=1)) / 2
    return np.concatenate([corners.mean(axis=1), middles.reshape(-1, 3)])


@examples(80)
@given(any_primitives.solids, tolerances)
def test_solids_are_closed_and_wound_outwards(primitive, tolerance):
    mesh = tessellate(primitive, tolerance)
    found = edges(mesh.faces)
    assert len(set(found)) == len(found)
    assert {(b, a) for a, b in found} == set(found)
    assert shapes.volume(mesh.vertices, mesh.faces) > 0
    assert len(np.unique(mesh.faces)) == len(mesh.vertices)
    assert mesh.faces.dtype == np.int32


@examples(80)
@given(any_primitives.solids | any_primitives.sheets(), tolerances)
def test_vertices_lie_on_the_primitive_and_faces_near_it(primitive, tolerance):
    mesh = tessellate(primitive, tolerance)
    np.testing.assert_allclose(primitive.distance(mesh.vertices), 0, atol=1e-8)
    assert np.abs(primitive.distance(between(mesh))).max() <= tolerance + 1e-9


@examples(40)
@given(any_primitives.sheets(), tolerances)
def test_sheets_are_open_and_single(primitive, tolerance):
    mesh = tessellate(primitive, tolerance)
    counts = Counter(frozenset(edge) for edge in edges(mesh.faces))
    assert set(counts.values()) <= {1, 2}
    assert 1 in counts.values()
    assert len(set(edges(mesh.faces))) == 3 * len(mesh.faces)


def test_flat_sides_stay_few_triangles():
    assert len(tessellate(box((0, 0, 0), (1, 2, 3)), 1e-4).faces) == 12
    steps = arc_steps(1.0, 2 * np.pi, 1e-3)
    assert len(tessellate(disc((0, 0, 0), 1.0, 0.5), 1e-3).faces) == 4 * steps


def test_a_finer_tolerance_gives_more_triangles():
    ball = rod((0, 0, 0), (0, 1, 0), 0.5)
    counts = [len(tessellate(ball, tolerance).faces) for tolerance in (1e-2, 1e-3, 1e-4)]
    assert 5 * counts[0] < counts[1] < counts[2] / 5


@pytest.mark.parametrize("radius", [1e-3, 0.1, 1.0])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-2])
def test_chords_stay_within_the_tolerance_and_no_more_than_needed(radius, tolerance):
    steps = arc_steps(radius, 2 * np.pi, tolerance)
    assert radius * (1 - np.cos(np.pi / steps)) <= tolerance
    if steps > 6:
        assert radius * (1 - np.cos(np.pi / (steps - 1))) > tolerance

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.meshes.clean import (
    MERGE_TOLERANCE,
    clean,
    drop_degenerate,
    drop_repeated,
    merge_vertices,
)
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh


def surface(mesh):
    """The triangles as sets of corners, whatever their order."""
    corners = np.round(mesh.vertices[mesh.faces], 9) + 0.0
    return sorted(tuple(sorted(map(tuple, triangle))) for triangle in corners.tolist())


def test_seams_are_merged():
    whole = shapes.icosphere(subdivisions=1)
    torn = clean(TriangleMesh(*shapes.soup(whole)))
    assert len(torn.vertices) == len(whole[0])
    assert surface(torn) == surface(TriangleMesh(*whole))
    assert torn.faces.dtype == np.int32
    assert shapes.volume(torn.vertices, torn.faces) == pytest.approx(shapes.volume(*whole))


def test_unused_vertices_are_dropped():
    vertices, faces = shapes.box()
    far = np.concatenate([[[99.0, 99, 99]], vertices, [[-99.0, 0, 0]]])
    mesh = clean(TriangleMesh(far, faces + 1))
    assert len(mesh.vertices) == 8
    assert np.abs(mesh.vertices).max() == 0.5


@pytest.mark.parametrize("face", [(0, 0, 8), (0, 8, 8), (0, 8, 9)])
def test_faces_without_area_do_not_extend_the_mesh(face):
    vertices, faces = shapes.box()
    far = np.concatenate([vertices, [vertices[0] + 1e5, vertices[0] + 2e5]])
    mesh = clean(TriangleMesh(far, np.concatenate([[face], faces]).astype(np.int32)))
    assert surface(mesh) == surface(TriangleMesh(vertices, faces))


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_tolerance_is_relative_to_the_longest_side(size):
    vertices, faces = shapes.soup(shapes.box((1.0, 0.5, 0.25)))
    random = np.random.default_rng(0)
    noise = random.uniform(-1, 1, vertices.shape)
    # Off the planes on which rounding would split, so that the tolerance alone decides.
    inner = vertices * 0.9 + 0.000004
    near = TriangleMesh(size * (inner + 5e-7 * noise), faces)
    assert len(clean(near).vertices) == 8
    apart = TriangleMesh(size * (inner + 1e-3 * noise), faces)
    assert len(clean(apart).vertices) == len(vertices)


def test_kept_positions_are_exact():
    vertices, faces = shapes.soup(shapes.icosphere(subdivisions=1))
    moved = vertices + 1e-9 * np.random.default_rng(0).standard_normal(vertices.shape)
    kept = {tuple(point) for point in clean(TriangleMesh(moved, faces)).vertices.tolist()}
    assert kept <= {tuple(point) for point in moved.tolist()}


@pytest.mark.parametrize(
    "face",
    [(0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 2, 2), (0, 1, 3), (3, 0, 1)],
    ids=["ab", "ac", "bc", "point", "line", "line2"],
)
def test_faces_without_area_are_dropped(face):
    vertices = np.array([[0.0, 0, 0], [2, 0, 0], [0, 1, 0], [1, 0, 0]])
    faces = np.array([(0, 1, 2), face], np.int32)
    assert drop_degenerate(vertices, faces).tolist() == [[0, 1, 2]]


def test_thin_faces_stay():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 1e-4, 0]])
    faces = np.array([(0, 1, 2)], np.int32)
    assert len(drop_degenerate(vertices, faces)) == 1


@pytest.mark.parametrize(
    "again", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (1, 0, 2), (0, 2, 1)]
)
def test_repeated_faces_are_dropped_whatever_their_winding(again):
    faces = np.array([(0, 1, 2), again, (0, 2, 3)], np.int32)
    assert drop_repeated(faces).tolist() == [[0, 1, 2], [0, 2, 3]]


@given(st.integers(0, 60), st.integers(3, 9), st.integers(0, 2**32 - 1))
def test_the_first_of_repeated_faces_is_kept(count, vertices, seed):
    faces = np.random.default_rng(seed).integers(0, vertices, (count, 3)).astype(np.int32)
    first = {tuple(sorted(face)): tuple(face) for face in faces[::-1].tolist()}
    kept = [tuple(face) for face in drop_repeated(faces).tolist()]
    assert sorted(kept) == sorted(first.values())
    places = [faces.tolist().index(list(face)) for face in kept]
    assert places == sorted(places)


def test_repeats_across_a_seam_are_found():
    wall = shapes.plane(cells=2)
    double = shapes.join(wall, shapes.flip(wall, np.ones(8, bool)))
    assert surface(clean(TriangleMesh(*double))) == surface(TriangleMesh(*wall))


def test_a_mesh_of_degenerate_faces_becomes_empty():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    mesh = clean(TriangleMesh(vertices, np.array([(0, 1, 2)], np.int32)))
    assert mesh.faces.shape == (0, 3)


def test_all_vertices_in_one_place():
    mesh = clean(TriangleMesh(np.ones((3, 3)), np.array([(0, 1, 2)], np.int32)))
    assert mesh.faces.shape == (0, 3)


def test_merging_keeps_each_corner_in_place():
    vertices, faces = shapes.soup(shapes.l_shape())
    merged, corners = merge_vertices(vertices, faces)
    np.testing.assert_allclose(merged[corners], vertices[faces], atol=3 * MERGE_TOLERANCE)
    np.testing.assert_array_equal(corners.shape, faces.shape)


meshes = (
    st.integers(3, 12)
    .flatmap(
        lambda count: st.tuples(
            st.lists(
                st.tuples(*[st.integers(0, 3)] * 3),
                min_size=count,
                max_size=count,
            ),
            st.lists(st.tuples(*[st.integers(0, count - 1)] * 3), min_size=1, max_size=20),
        )
    )
    .map(lambda lists: TriangleMesh(np.array(lists[0], float), np.array(lists[1], np.int32)))
)


@examples(60)
@given(mesh=meshes)
def test_cleaning_twice_changes_nothing(mesh):
    once = clean(mesh)
    if len(once.faces) == 0:
        return
    twice = clean(once)
    np.testing.assert_array_equal(twice.vertices[twice.faces], once.vertices[once.faces])


@examples(60)
@given(mesh=meshes)
def test_each_proper_triangle_is_kept_once(mesh):
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    proper = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 0
    expected = set(map(tuple, surface(TriangleMesh(mesh.vertices, mesh.faces[proper]))))
    assert surface(clean(mesh)) == sorted(expected)


@examples(60)
@given(mesh=meshes, seed=st.integers(0, 1000))
def test_order_does_not_matter(mesh, seed):
    random = np.random.default_rng(seed)
    order = random.permutation(len(mesh.vertices))
    back = np.argsort(order).astype(np.int32)
    faces = back[mesh.faces][random.permutation(len(mesh.faces))]
    mixed = TriangleMesh(mesh.vertices[order], np.roll(faces, 1, axis=1))
    assert surface(clean(mixed)) == surface(clean(mesh))


def test_seams_on_a_cell_border_are_merged():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 0.5, 0], [1, 0, 0], [0, 0.5, 0], [1, 1, 0]])
    vertices[[2, 4], 1] += 0.5 * MERGE_TOLERANCE + np.array([-1e-9, 1e-9])
    torn = TriangleMesh(vertices, np.array([[0, 1, 2], [4, 3, 5]], np.int32))
    assert len(clean(torn).vertices) == 4


def test_vertices_of_dropped_faces_are_dropped():
    vertices, faces = shapes.box()
    stray = np.concatenate([vertices, [[50.0, 0, 0], [60.0, 0, 0], [70.0, 0, 0]]])
    line = np.array([[8, 9, 10]], np.int32)
    mesh = clean(TriangleMesh(stray, np.concatenate([faces, line])))
    assert np.abs(mesh.vertices).max() == 0.5

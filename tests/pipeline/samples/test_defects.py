from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.samples import defects
from shapegan.pipeline.samples.defects import DEFECTS

MESHES = {
    "box": shapes.box((1, 2, 3)),
    "ball": shapes.icosphere(0.7, 2, center=(3, 0, 0)),
    "tube": shapes.tube(),
    "torus": shapes.torus(0.7, 0.3, 20),
    "slab": shapes.thin_plate(),
    "corner": shapes.l_shape(),
    "two": shapes.join(shapes.box((2, 0.1, 2), (0, 1, 0)), shapes.box((0.1, 2, 0.1))),
}
shares = st.floats(0, 1)
seeds = st.integers(0, 2**32 - 1)


def mesh_of(name):
    return TriangleMesh(*MESHES[name])


meshes = st.sampled_from(sorted(MESHES)).map(mesh_of)


def rng(seed=0):
    return np.random.default_rng(seed)


def corners(mesh):
    """Faces as tuples of positions, beginning with the smallest: winding kept, order lost."""
    found = []
    for triangle in mesh.vertices[mesh.faces].tolist():
        first = triangle.index(min(triangle))
        found.append(tuple(map(tuple, triangle[first:] + triangle[:first])))
    return Counter(found)


def reversed_corners(mesh):
    return corners(TriangleMesh(mesh.vertices, mesh.faces[:, ::-1]))


def area(mesh):
    return shapes.area(mesh.vertices, mesh.faces)


def volume(mesh):
    return shapes.volume(mesh.vertices, mesh.faces)


def box_of(mesh):
    used = mesh.vertices[mesh.faces].reshape(-1, 3)
    return np.stack([used.min(axis=0), used.max(axis=0)])


@examples(60)
@given(st.sampled_from(sorted(DEFECTS)), meshes, seeds)
def test_every_defect_keeps_the_box_and_is_repeatable(name, mesh, seed):
    before = mesh.vertices.copy(), mesh.faces.copy()
    spoilt, again = (DEFECTS[name](mesh, rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(box_of(spoilt), box_of(mesh))
    np.testing.assert_array_equal(spoilt.vertices, again.vertices)
    np.testing.assert_array_equal(spoilt.faces, again.faces)
    assert spoilt.faces.dtype == np.int32
    assert spoilt.faces.max() < len(spoilt.vertices)
    np.testing.assert_array_equal(mesh.vertices, before[0])
    np.testing.assert_array_equal(mesh.faces, before[1])


@given(meshes, seeds, shares)
def test_flips_a_share_of_the_faces(mesh, seed, share):
    spoilt = defects.flip_faces(mesh, rng(seed), share)
    turned = corners(spoilt) & reversed_corners(mesh)
    assert turned.total() == round(share * len(mesh.faces))
    assert (corners(spoilt) & corners(mesh)).total() == len(mesh.faces) - turned.total()


@given(meshes, seeds, shares)
def test_deletes_area_but_not_too_much(mesh, seed, share):
    spoilt = defects.delete_area(mesh, rng(seed), share)
    assert corners(spoilt) <= corners(mesh)
    assert area(mesh) - area(spoilt) <= share * area(mesh) * (1 + 1e-9)
    np.testing.assert_array_equal(box_of(spoilt), box_of(mesh))


@pytest.mark.parametrize("name", ["ball", "torus", "slab"])
def test_deletes_nearly_the_given_share_of_fine_meshes(name):
    mesh = mesh_of(name)
    for share in (0.03, 0.5):
        gone = 1 - area(defects.delete_area(mesh, rng(), share)) / area(mesh)
        assert share - 0.02 < gone < share + 1e-9


@given(meshes, seeds, shares)
def test_doubles_walls_the_other_way_round(mesh, seed, share):
    spoilt = defects.double_walls(mesh, rng(seed), share)
    added = corners(spoilt) - corners(mesh)
    assert corners(spoilt) - added == corners(mesh)
    assert added <= reversed_corners(mesh)
    assert added.total() == round(share * len(mesh.faces))


@examples(40)
@given(meshes, seeds, st.floats(0.2, 0.8))
@example(mesh_of("torus"), 3476207, 0.201171875)  # sticks out by a few of its 400 faces
def test_inner_copies_are_smaller_and_hidden(mesh, seed, scale):
    spoilt = defects.inner_copy(mesh, rng(seed), scale)
    old, new = mesh.faces, spoilt.faces[len(mesh.faces) :]
    np.testing.assert_array_equal(spoilt.faces[: len(old)], old)
    assert len(new) in (0, len(old))
    middles = spoilt.vertices[new].mean(axis=1)
    inside = shapes.winding_numbers(
        np.concatenate([middles, spoilt.vertices[len(mesh.vertices) :]]), mesh.vertices, old
    )
    assert (inside > 0.5).all()
    copy = TriangleMesh(spoilt.vertices, new)
    assert -1e-12 <= volume(copy) <= scale**3 * volume(mesh) * (1 + 1e-9)


@pytest.mark.parametrize("name", ["box", "ball", "tube", "slab", "corner", "two"])
def test_every_part_gets_an_inner_copy(name):
    mesh = mesh_of(name)
    spoilt = defects.inner_copy(mesh, rng())
    assert len(spoilt.faces) == 2 * len(mesh.faces)
    if name != "corner":
        copy = TriangleMesh(spoilt.vertices, spoilt.faces[len(mesh.faces) :])
        np.testing.assert_allclose(volume(copy), volume(mesh) / 8)


def test_bent_parts_get_a_smaller_inner_copy():
    mesh = mesh_of("torus")
    sizes = []
    for seed in range(5):
        spoilt = defects.inner_copy(mesh, rng(seed), 0.5)
        copy = spoilt.vertices[len(mesh.vertices) :]
        assert len(copy) == len(mesh.vertices)
        sizes.append(np.ptp(copy, axis=0).max() / np.ptp(mesh.vertices, axis=0).max())
    assert all(np.isclose(size, 0.5 ** np.arange(2, 6)).any() for size in sizes)


def test_a_share_of_the_parts_may_get_an_inner_copy():
    mesh = mesh_of("two")
    assert len(defects.inner_copy(mesh, rng(), share=0.5).faces) == 1.5 * len(mesh.faces)


def test_parts_without_an_inside_get_no_inner_copy():
    inwards = TriangleMesh(MESHES["box"][0], MESHES["box"][1][:, ::-1])
    for mesh in (inwards, TriangleMesh(*shapes.plane())):
        assert defects.inner_copy(mesh, rng()) is mesh


@examples(60)
@given(meshes, seeds, st.integers(0, 8), st.floats(0.01, 1))
def test_cuts_small_holes_into_faces(mesh, seed, count, size):
    spoilt = defects.cut_holes(mesh, rng(seed), count, size)
    count = min(count, len(mesh.faces))
    assert len(spoilt.faces) == len(mesh.faces) + 5 * count
    assert (corners(spoilt) & corners(mesh)).total() == len(mesh.faces) - count
    # All of a hole's rim is open, and nothing else; what is missing has the plane's area.
    once = Counter(
        frozenset(edge)
        for face in spoilt.faces
        for edge in zip(face, np.roll(face, -1), strict=True)
    )
    rims = [sorted(edge) for edge, times in once.items() if times == 1]
    assert len(rims) == 3 * count
    sides = [np.linalg.norm(np.subtract(*spoilt.vertices[edge])) for edge in rims]
    longest = np.ptp(mesh.vertices, axis=0).max()
    assert max(sides, default=0) <= size * longest * (1 + 1e-9)
    chosen = corners(mesh) - corners(spoilt)
    longest_edge = max(
        (np.linalg.norm(np.roll(face, 1, axis=0) - face, axis=1).max() for face in chosen),
        default=0,
    )
    assert max(sides, default=0) <= longest_edge / 2 + 1e-9
    gone = area(mesh) - area(spoilt)
    assert -1e-9 <= gone <= count * (size * longest) ** 2 / 2
    assert (gone > 0) == (count > 0)


@examples(40)
@given(meshes, seeds, shares)
def test_tears_a_share_of_the_faces_off(mesh, seed, share):
    spoilt = defects.tear_seams(mesh, rng(seed), share)
    np.testing.assert_array_equal(spoilt.vertices[spoilt.faces], mesh.vertices[mesh.faces])
    torn = (spoilt.faces >= len(mesh.vertices)).all(axis=1)
    assert torn.sum() == round(share * len(mesh.faces))
    assert len(np.unique(spoilt.faces[torn])) == 3 * torn.sum()
    np.testing.assert_array_equal(spoilt.faces[~torn], mesh.faces[~torn])


@given(meshes)
def test_a_soup_shares_no_vertex(mesh):
    soup = defects.polygon_soup(mesh)
    np.testing.assert_array_equal(soup.vertices[soup.faces], mesh.vertices[mesh.faces])
    assert len(np.unique(soup.faces)) == 3 * len(mesh.faces) == len(soup.vertices)


def test_all_defects_are_added_at_once():
    mesh = mesh_of("ball")
    spoilt = defects.add_all_defects(mesh, rng())
    assert len(spoilt.vertices) == 3 * len(spoilt.faces)
    assert len(spoilt.faces) > 2 * len(mesh.faces)
    positions = TriangleMesh(spoilt.vertices, spoilt.faces)
    kept, flipped = corners(positions) & corners(mesh), corners(positions) & reversed_corners(mesh)
    count = len(mesh.faces)
    assert 0.3 * count < kept.total() < 0.9 * count
    assert 0.3 * count < flipped.total() < 0.9 * count
    assert len((kept | reversed_corners(positions) & corners(mesh)).keys()) < count


def test_joins_side_by_side():
    joined = defects.join([mesh_of("box"), mesh_of("ball")])
    assert corners(joined) == corners(mesh_of("box")) + corners(mesh_of("ball"))
    np.testing.assert_array_equal(
        defects.face_components(defects.polygon_soup(joined)),
        [0] * 12 + [1] * (len(joined.faces) - 12),
    )


@examples(30)
@given(meshes, seeds)
def test_winding_numbers_are_those_of_the_slow_twin(mesh, seed):
    points = shapes.points_around(40, seed, 2).astype(np.float64)
    got = defects.winding_numbers(points, mesh.vertices[mesh.faces])
    np.testing.assert_allclose(
        got, shapes.winding_numbers(points, mesh.vertices, mesh.faces), atol=1e-9
    )

"""Surfaces of analytic fields, and manifoldness of surfaces of any field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import formulas
from support.examples import examples
from support.manifolds import check_manifold

from shapegan.pipeline.config import least_half_thickness
from shapegan.pipeline.contouring import dual_contouring
from shapegan.pipeline.contouring.cells import find_cells
from shapegan.pipeline.contouring.contour import contour
from shapegan.pipeline.contouring.lattice import Lattice, pack, sample_near_surface, unpack

METHODS = ("cubes", "dual")


class Field:
    """A field of any function, with gradients by differences."""

    def __init__(self, function, step=1e-3):
        self.function, self.step, self.asked = function, step, 0

    def signed_distances(self, points):
        self.asked += len(points)
        steps = np.float32(self.step) * np.eye(3, dtype=np.float32)
        sdf = np.asarray(self.function(points), np.float32)
        ahead, behind = (
            np.stack([self.function(points + sign * step) for step in steps], axis=1)
            for sign in (1, -1)
        )
        gradient = (ahead - behind) / (2 * self.step)
        return sdf, (points - sdf[:, None] * gradient).astype(np.float32)


def sphere(points):
    return formulas.sphere_distance(points, 0.8)


def turned_box(points):
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
    return formulas.box_distance(points @ turn, (1.2, 1.0, 0.6))


def union(boxes):
    """The distance outside a union of boxes, and a bound of it inside: corners (N, 2, 3)."""
    middle, size = boxes.mean(axis=1), boxes[:, 1] - boxes[:, 0]

    def distance(points):
        each = [formulas.box_distance(points - m, s) for m, s in zip(middle, size, strict=True)]
        return np.min(each, axis=0)

    return distance


@pytest.mark.parametrize("method", METHODS)
def test_a_sphere(method):
    mesh = check_manifold(*contour(Field(sphere), 64, 1.0, method))
    assert mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=2e-3)  # faces look outwards
    assert np.abs(sphere(mesh.vertices)).max() < 0.02 * 2 / 64
    assert (mesh.face_normals * mesh.triangles_center).sum(axis=1).min() > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_box_on_planes_of_the_lattice_is_exact(method):
    """Signs are at random where the field is 0 but for rounding."""
    field = Field(lambda points: formulas.box_distance(points, (2 - 2 / 32, 1, 0.5)))
    mesh = check_manifold(*contour(field, 32, 1.0, method))
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), (2 - 2 / 32, 1, 0.5), atol=0.002)
    assert mesh.volume == pytest.approx((2 - 2 / 32) / 2, rel=0.02)


def test_dual_contouring_keeps_sharp_edges():
    errors = {}
    for method in METHODS:
        mesh = check_manifold(*contour(Field(turned_box), 48, 1.0, method))
        errors[method] = 0.72 - mesh.volume
        assert mesh.euler_number == 2
    assert errors["cubes"] > 0.001  # edges are cut off
    assert abs(errors["dual"]) < 0.2 * errors["cubes"]


def test_few_points_are_evaluated():
    field = Field(sphere)
    contour(field, 256, 1.0, "cubes")
    assert field.asked < 0.1 * 256**3


def test_nothing_inside_gives_nothing():
    for method in METHODS:
        vertices, faces = contour(Field(lambda p: np.ones(len(p))), 16, 1.0, method)
        assert vertices.shape == (0, 3)
        assert faces.shape == (0, 3)


def test_unknown_methods_and_values_are_refused():
    with pytest.raises(ValueError, match="contouring: got 'squares', takes cubes or dual"):
        contour(Field(sphere), 16, 1.0, "squares")
    with pytest.raises(ValueError, match="finite"):
        contour(Field(lambda p: np.full(len(p), np.nan)), 16, 1.0)


def test_a_surface_that_the_bound_misses_is_followed():
    """The field grows three times as fast as a distance, so that its surface seems far."""
    mesh = check_manifold(*contour(Field(lambda p: 3 * sphere(p)), 64, 1.0))
    assert mesh.euler_number == 2
    assert np.abs(sphere(mesh.vertices)).max() < 0.02 * 2 / 64


def test_the_sparse_lattice_has_every_crossed_cell():
    lattice = sample_near_surface(lambda p: turned_box(p).astype(np.float32), 48, 1.0)
    cells = find_cells(lattice, lambda p: pytest.fail("all corners are there"))
    axis = np.arange(-26, 26)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    inside = turned_box((grid.reshape(-1, 3) + 0.5) * 2 / 48).reshape(grid.shape[:3]) < 0
    crossed = sum(np.diff(inside, axis=k).sum() for k in range(3))
    assert len(cells.edge_start) == crossed


def test_keys_are_sorted_as_places_are():
    places = np.array([[-3, 5, 7], [0, -9, 2], [0, -9, 3], [4, 0, 0]])
    keys = pack(places)
    assert (np.diff(keys) > 0).all()
    np.testing.assert_array_equal(unpack(keys), places)
    lattice = Lattice(0.1, keys, np.zeros(4, np.float32))
    np.testing.assert_array_equal(lattice.next_rows(2), [-1, 2, -1, -1])


# --- manifold, whatever the field ---------------------------------------------------------------


def noise(seed, size=6, step=0.4):
    """Random values at the points of a lattice, outside beyond them."""
    values = np.random.default_rng(seed).standard_normal((size + 4,) * 3).astype(np.float32) * step

    def field(points):
        at = np.rint(points * size / 2 - 0.5).astype(int) + (size + 4) // 2
        inside = (at >= 2) & (at < size + 2)
        x, y, z = at.clip(0, size + 3).T
        return np.where(inside.all(axis=1), values[x, y, z], 1.0)

    return field


@examples(60)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(METHODS))
def test_surfaces_of_random_signs_are_manifold(seed, method):
    vertices, faces = contour(Field(noise(seed)), 6, 1.5, method)
    check_manifold(vertices, faces)


def test_random_signs_have_loops_that_meet_twice(monkeypatch):
    """Without a vertex in the middle, these would share a doubled edge."""
    counts = []
    whole = dual_contouring._shared_faces
    monkeypatch.setattr(
        dual_contouring,
        "_shared_faces",
        lambda *args: counts.append(len(found := whole(*args))) or found,
    )
    contour(Field(noise(0, size=16)), 16, 1.5, "dual")
    assert counts[0] > 10
    monkeypatch.setattr(dual_contouring, "_shared_faces", lambda *args: [])
    with pytest.raises(AssertionError):
        check_manifold(*contour(Field(noise(0, size=16)), 16, 1.5, "dual"))


CORNERS = st.lists(
    st.tuples(*[st.integers(-5, 3)] * 3, *[st.integers(1, 6)] * 3), min_size=1, max_size=5
)


@examples(60)
@given(corners=CORNERS, method=st.sampled_from(METHODS), shift=st.sampled_from([0, 0.3, 0.5]))
def test_unions_of_boxes_are_manifold(corners, method, shift):
    """They overlap, and touch in faces, edges and corners; shifted by 1/2, on lattice points."""
    boxes = np.array([[c[:3], np.add(c[:3], c[3:])] for c in corners]) + shift
    vertices, faces = contour(Field(union(boxes / 8)), 16, 1.4, method)
    if len(faces):
        assert check_manifold(vertices, faces).volume > 0


@examples(40)
@given(
    thickness=st.floats(0.02, 0.4),
    place=st.floats(-0.5, 0.5),
    seed=st.integers(0, 2**32 - 1),
    method=st.sampled_from(METHODS),
)
def test_thin_plates_are_manifold(thickness, place, seed, method):
    """Plates are a sixth of a cell to three cells thick, and turned at random."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]

    def plate(points):
        return formulas.box_distance(points @ turn + [0, 0, place], (1.2, 1.0, thickness))

    vertices, faces = contour(Field(plate), 16, 1.2, method)
    if len(faces):
        check_manifold(vertices, faces)


def test_a_plate_that_the_grid_cannot_miss_is_whole_and_as_thick():
    thickness = 2 * least_half_thickness(32)
    for place in np.linspace(0, 2 / 32, 5):

        def plate(points, z=place):
            return formulas.box_distance(points - [0, 0, z], (1.5, 1.2, thickness))

        for method in METHODS:
            mesh = check_manifold(*contour(Field(plate), 32, 1.0, method))
            assert mesh.euler_number == 2
            assert np.ptp(mesh.vertices[:, 2]) == pytest.approx(thickness, abs=0.05 * 2 / 32)

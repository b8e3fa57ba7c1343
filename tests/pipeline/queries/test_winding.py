"""Winding numbers against sums of solid angles."""

import numpy as np
import pytest
import warp as wp
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples
from support.winding_fields import TOLERANCE, field_of

from shapegan.pipeline.queries import crossing_kernels, winding, winding_kernels
from shapegan.pipeline.queries.winding import WindingField

RIM = 0.4
"""Error of continuing a number that is not quite whole, near holes."""

CLOSED = {
    "box": shapes.box((1.6, 1.2, 0.8)),
    "sphere": shapes.icosphere(0.8, 2),
    "torus": shapes.torus(sections=16),
    "L": shapes.l_shape(),
    "overlapping": shapes.overlapping_boxes(),
    "nested": shapes.nested_spheres(),
    "soup of a sphere": shapes.soup(shapes.icosphere(0.8, 2)),
    "shell": shapes.join(
        shapes.icosphere(0.9), shapes.flip(shapes.icosphere(0.5), np.ones(320, bool))
    ),
}
OPEN = {
    "plane": shapes.plane((1.6, 1.2)),
    "open box": shapes.open_box((1.5, 1.5, 1.5)),
    "lampshade": shapes.tube(caps=False),
    "half flipped": shapes.flip_half(shapes.icosphere(0.8)),
    "torn": (lambda v, f: (v, f[np.random.default_rng(1).random(len(f)) < 0.9]))(
        *shapes.icosphere(0.8, 2)
    ),
}
MESHES = CLOSED | OPEN


def query_points(mesh, seed=0):
    """Points around, on a round grid, and very near faces, edges and vertices."""
    axis = np.linspace(-1, 1, 9)[1:-1]
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3).astype(np.float32)
    near = [shapes.points_near(mesh, 45, gap, seed) for gap in (1e-1, 1e-2, 1e-3, 1e-4)]
    points = np.concatenate([shapes.points_around(100, seed, 1.3), grid, *near])
    # On the surface itself there is no winding number to compare.
    return points[shapes.distances(points, *mesh) > 5e-5]


@pytest.mark.parametrize("name", list(MESHES))
def test_the_cuda_kernel_sums_nearly_the_same(name):
    """Run on the CPU. Batches use a multipole only where it holds for all of their points."""
    points = query_points(MESHES[name])
    field = field_of(MESHES[name])
    alone = wp.empty(len(points), dtype=float, device="cpu")
    inputs = [field._data[0], wp.array(points, dtype=wp.vec3, device="cpu"), alone]
    wp.launch(winding_kernels.winding_numbers, dim=len(points), inputs=inputs, device="cpu")
    np.testing.assert_allclose(alone.numpy(), field.numbers(points, exact=True), atol=TOLERANCE)


@pytest.mark.parametrize("name", list(MESHES))
def test_the_cuda_kernel_counts_the_same_crossings(name):
    start = query_points(MESHES[name])
    end = np.roll(start, 1, axis=0)
    end[::7] = start[::7]
    field = field_of(MESHES[name])
    alone = wp.zeros(len(start), dtype=float, device="cpu")
    segments = [wp.array(points, dtype=wp.vec3, device="cpu") for points in (start, end)]
    inputs = [field._data[0].bvh, *segments, alone]
    wp.launch(crossing_kernels.add_crossings, dim=len(start), inputs=inputs, device="cpu")
    np.testing.assert_array_equal(alone.numpy(), field.signed_crossings(start, end))
    assert (alone.numpy() != 0).any()


@pytest.mark.parametrize("name", list(MESHES))
def test_exact_numbers_are_near_the_sum_of_solid_angles(name):
    mesh = MESHES[name]
    points = query_points(mesh)
    got = field_of(mesh).numbers(points, exact=True)
    assert got.dtype == np.float32
    error = np.abs(got - shapes.winding_numbers(points, *mesh))
    assert error.max() <= TOLERANCE
    assert error.mean() <= 0.03


@pytest.mark.parametrize("name", CLOSED)
def test_continued_numbers_are_right_in_closed_meshes(name):
    mesh = CLOSED[name]
    points = query_points(mesh, 1)
    expected = shapes.winding_numbers(points, *mesh)
    got = field_of(mesh).numbers(points)
    np.testing.assert_array_equal(np.rint(got), np.rint(expected))
    np.testing.assert_allclose(got, expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", list(OPEN))
def test_continued_numbers_are_on_the_right_side_in_open_meshes(name):
    mesh = OPEN[name]
    points = query_points(mesh, 1)
    expected = shapes.winding_numbers(points, *mesh)
    got = field_of(mesh).numbers(points)
    clear = np.abs(expected - 0.5) > TOLERANCE
    np.testing.assert_array_equal((got > 0.5)[clear], (expected > 0.5)[clear])
    # Beyond the bounding box, continuation gives 0.
    low, high = mesh[0].min(axis=0), mesh[0].max(axis=0)
    within = ((points > low + 0.05) & (points < high - 0.05)).all(axis=1)
    np.testing.assert_allclose(got[within], expected[within], atol=RIM)


def test_far_points_need_more_than_dipoles():
    """Sums of dipoles alone err by 0.015 here."""
    mesh = OPEN["lampshade"]
    direction = shapes.points_around(300)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    for radius in (2, 3):
        points = np.float32(radius) * direction
        got = field_of(mesh).numbers(points, exact=True)
        np.testing.assert_allclose(got, shapes.winding_numbers(points, *mesh), atol=0.003)


@pytest.mark.parametrize("size", [1e-3, 30.0])
@pytest.mark.parametrize("exact", [True, False])
def test_numbers_do_not_depend_on_size_and_position(size, exact):
    vertices, faces = shapes.icosphere(0.8, 2)
    points = shapes.points_around(200)
    shift = size * np.array([1.0, -2.0, 0.5])
    field = field_of((size * vertices + shift, faces))
    moved = (size * points + shift).astype(np.float32)
    got = field.numbers(moved, exact=exact)
    np.testing.assert_allclose(got, shapes.winding_numbers(points, vertices, faces), atol=TOLERANCE)


def test_flipping_all_faces_flips_the_sign():
    vertices, faces = shapes.torus(sections=16)
    points = shapes.points_around(200)
    out, inward = field_of((vertices, faces)), field_of((vertices, faces[:, ::-1]))
    for exact in (True, False):
        np.testing.assert_allclose(
            out.numbers(points, exact=exact), -inward.numbers(points, exact=exact), atol=1e-3
        )


@pytest.mark.parametrize("exact", [True, False])
def test_numbers_are_0_without_faces(exact):
    field = field_of((np.zeros((4, 3)), np.zeros((0, 3), np.int32)))
    np.testing.assert_array_equal(field.numbers(shapes.points_around(10), exact=exact), 0)


@pytest.mark.parametrize("exact", [True, False])
def test_one_triangle_covers_up_to_half_of_the_sphere(exact):
    mesh = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]], np.int32)
    points = shapes.points_around(200)
    got = field_of(mesh).numbers(points, exact=exact)
    expected = shapes.winding_numbers(points, *mesh)
    if not exact:
        # Beyond the flat bounding box, continuation gives 0.
        assert not (got > 0.5).any()
        return
    np.testing.assert_allclose(got, expected, atol=TOLERANCE)
    # Close behind and close in front of it.
    close = np.array([[0.3, 0.3, -1e-3], [0.3, 0.3, 1e-3]], np.float32)
    got = field_of(mesh).numbers(close, exact=True)
    np.testing.assert_allclose(got, [0.5, -0.5], atol=0.01)


def test_no_points_give_no_numbers():
    field = field_of(shapes.box())
    assert field.numbers(np.zeros((0, 3), np.float32)).shape == (0,)


coordinates = st.floats(-1, 1, width=32)


@examples(40)
@given(
    count=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.floats(0.05, 1)] * 3),
)
def test_exact_numbers_of_any_soup(count, seed, stretch):
    random = np.random.default_rng(seed)
    centers = random.uniform(-1, 1, (count, 1, 3))
    size = random.uniform(0.01, 0.6, (count, 1, 1))
    corners = (centers + size * random.standard_normal((count, 3, 3))) * stretch
    vertices = corners.reshape(-1, 3).astype(np.float32)
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    points = shapes.points_around(60, seed % 1000, 1.5)
    points = points[shapes.distances(points, vertices, faces) > 1e-4]
    got = WindingField(vertices, faces).numbers(points, exact=True)
    np.testing.assert_allclose(got, shapes.winding_numbers(points, vertices, faces), atol=TOLERANCE)


@examples(30)
@given(
    seed=st.integers(0, 2**32 - 1),
    gap=st.sampled_from([1e-4, 1e-3, 1e-2]),
    name=st.sampled_from(list(CLOSED)),
)
def test_points_near_faces_are_on_the_right_side(seed, gap, name):
    vertices, faces = CLOSED[name]
    points = shapes.points_near((vertices, faces), 60, gap, seed)
    points = points[shapes.distances(points, vertices, faces) > gap / 10]
    expected = shapes.winding_numbers(points, vertices, faces)
    np.testing.assert_array_equal(field_of((vertices, faces)).numbers(points) > 0.5, expected > 0.5)


@pytest.mark.parametrize("name", list(MESHES))
def test_signs_of_few_faces_do_not_depend_on_the_grid_that_they_continue_from(name, monkeypatch):
    vertices, faces = MESHES[name]
    points = query_points((vertices, faces), 3)
    points = points[shapes.distances(points, vertices, faces) > 1e-4]
    queries = [wp.array(points, dtype=wp.vec3), wp.zeros(len(points), dtype=float)]
    found = []
    for limit in (0, 10**9):
        monkeypatch.setattr(winding, "FEW_FACES", limit)
        field = field_of((vertices, faces))
        found.append(field.continued(*queries).numpy())
        assert len(field._data) == (4, 3)[len(found) - 1]
    clear = np.abs(shapes.winding_numbers(points, vertices, faces) - 0.5) > 0.02
    np.testing.assert_array_equal((found[0] > 0.5)[clear], (found[1] > 0.5)[clear])


def test_numbers_do_not_depend_on_the_grids_built_before():
    points = query_points(OPEN["torn"], 2)
    once, twice = field_of(OPEN["torn"]), field_of(OPEN["torn"])
    twice.numbers(points)
    for grids in (1, 2, 3):
        np.testing.assert_array_equal(
            once.numbers(points, grids=grids), twice.numbers(points, grids=grids)
        )

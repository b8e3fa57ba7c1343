import numpy as np
import pytest
from scipy.stats import chisquare
from support import shapes

from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.sharp_edges import NO_EDGES, find_sharp_edges
from shapegan.pipeline.sdf.surface_sets import (
    FACING,
    ON_SURFACE,
    STEP,
    salient_samples,
    surface_samples,
)

SIZE = np.array([2.0, 1.2, 0.7])

MESHES = {
    "box": shapes.box(SIZE),
    "sphere": shapes.icosphere(subdivisions=3),
    "inside out": shapes.inside_out(shapes.l_shape()),
    "one within another": shapes.overlapping_boxes(),
    "a bare sheet": shapes.plane((2.0, 1.0)),
    "a thin plate": shapes.thin_plate(0.004),
    "half flipped": shapes.flip_half(shapes.torus()),
}


@pytest.fixture(scope="module")
def field_of():
    made = {}

    def get(name):
        if name not in made:
            made[name] = make_field(TriangleMesh(*MESHES[name]), 0.016).oriented
        return made[name]

    return get


def check(field, points, normals, facing):
    sdf, _ = field.signed_distances(points)
    assert np.abs(sdf).max() < ON_SURFACE
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    ahead, _ = field.signed_distances(points + STEP * normals)
    assert (ahead > facing * STEP).all()


@pytest.mark.parametrize("name", MESHES)
def test_points_lie_on_the_surface_and_normals_lead_outside(field_of, name):
    points, normals = surface_samples(field_of(name), 1500, np.random.default_rng(0))
    assert points.shape == normals.shape == (1500, 3)
    assert points.dtype == normals.dtype == np.float32
    check(field_of(name), points, normals, FACING)


def test_points_are_uniform_by_area(field_of):
    """Each side of a box, and each quarter of a side, has its share of the points."""
    points, normals = surface_samples(field_of("box"), 12_000, np.random.default_rng(1))
    size = 2 * SIZE / SIZE.max()
    axis = np.abs(normals).argmax(axis=1)
    side = 2 * axis + (normals[np.arange(len(axis)), axis] > 0)
    across = np.stack([np.delete(point, k) for point, k in zip(points, axis, strict=True)])
    quarter = 2 * (across[:, 0] > 0) + (across[:, 1] > 0)
    found = np.bincount(4 * side + quarter, minlength=24)
    area = np.repeat([size[1] * size[2], size[0] * size[2], size[0] * size[1]], 8)
    assert chisquare(found, len(points) * area / area.sum()).pvalue > 0.01


def test_faces_within_a_solid_have_no_points(field_of):
    """Overlapping boxes: only the surface of their union has points, by its area."""
    points, _ = surface_samples(field_of("one within another"), 3000, np.random.default_rng(2))
    sdf, _ = field_of("one within another").signed_distances(points)
    assert np.abs(sdf).max() < ON_SURFACE


def test_both_sides_of_a_sheet_have_points(field_of):
    points, normals = surface_samples(field_of("a bare sheet"), 1000, np.random.default_rng(3))
    np.testing.assert_allclose(np.abs(points[:, 2]), 0.016, atol=ON_SURFACE)
    assert (points[:, 2] > 0).mean() == pytest.approx(0.5, abs=0.06)
    np.testing.assert_array_equal(np.sign(points[:, 2]), np.sign(normals[:, 2]))


def test_salient_points_lie_on_the_edges_of_a_box(field_of):
    points, normals = salient_samples(field_of("box"), 4000, 15, np.random.default_rng(4))
    assert points.shape == normals.shape == (4000, 3)
    check(field_of("box"), points, normals, 0.5)
    half = SIZE / SIZE.max()
    at_side = np.abs(np.abs(points) - half) < 1e-5
    assert (at_side.sum(axis=1) >= 2).all()
    # Uniform by length: each of the 12 edges has its share.
    along = at_side.argmin(axis=1)
    signs = np.stack([np.delete(row, k) > 0 for row, k in zip(points, along, strict=True)])
    found = np.bincount(4 * along + 2 * signs[:, 0] + signs[:, 1], minlength=12)
    expected = np.repeat(half, 4) / np.repeat(half, 4).sum() * len(points)
    assert chisquare(found, expected).pvalue > 0.01
    # Half-way between the normals of the two sides.
    np.testing.assert_allclose(
        np.sort(np.abs(normals)), [[0, 0.5**0.5, 0.5**0.5]] * 4000, atol=1e-5
    )


@pytest.mark.parametrize("name", ["sphere", "a bare sheet", "a thin plate"])
def test_what_is_round_has_no_salient_points(field_of, name):
    points, normals = salient_samples(field_of(name), 500, 25, np.random.default_rng(5))
    assert points.shape == normals.shape == (0, 3)


def test_creases_are_salient_too(field_of):
    points, normals = salient_samples(field_of("inside out"), 4000, 15, np.random.default_rng(6))
    assert len(points) == 4000
    check(field_of("inside out"), points, normals, 0.05)
    ahead, _ = field_of("inside out").signed_distances(points + 0.02 * normals)
    crease = ahead < 0.017  # before an edge the step is the distance, in a crease less
    assert 0.01 < crease.mean() < 0.3


def test_the_angle_decides_what_is_sharp():
    vertices, faces = shapes.tube(sections=12)
    vertices = vertices.astype(np.float32)
    sharp = {angle: len(find_sharp_edges(vertices, faces, angle).start) for angle in (20, 40, 100)}
    assert sharp == {20: 36, 40: 24, 100: 0}


def test_edges_are_found_whatever_the_numbers_of_vertices():
    vertices, faces = shapes.box()
    whole = find_sharp_edges(vertices.astype(np.float32), faces, 15)
    corners, soup = shapes.soup((vertices, faces))
    apart = find_sharp_edges(corners.astype(np.float32), soup, 15)
    assert len(whole.start) == len(apart.start) == 12
    assert len(find_sharp_edges(vertices.astype(np.float32), faces[:0], 15).start) == 0
    assert len(NO_EDGES.start) == 0


def test_the_same_generator_gives_the_same_points(field_of):
    for sample in (
        lambda rng: surface_samples(field_of("box"), 200, rng),
        lambda rng: salient_samples(field_of("box"), 200, 15, rng),
    ):
        one, two = (sample(np.random.default_rng(9)) for _ in range(2))
        np.testing.assert_array_equal(one, two)


def test_a_flooded_field_has_points_on_its_surface():
    from shapegan.pipeline.sdf.flood_fill import FloodedDistance

    vertices, faces = shapes.box((1.0, 1.0, 1.0))
    field = FloodedDistance(vertices, faces, 0.016)
    points, normals = surface_samples(field, 800, np.random.default_rng(0))
    assert len(points) == 800
    check(field, points, normals, FACING)
    assert np.abs(points).max() == pytest.approx(0.516, abs=1e-4)
    assert len(salient_samples(field, 100, 15, np.random.default_rng(0))[0]) == 0

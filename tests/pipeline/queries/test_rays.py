import numpy as np
import pytest
import warp as wp
from hypothesis import given
from hypothesis import strategies as st
from support import shapes
from support.examples import examples

from shapegan.pipeline.queries import ray_kernels as kernels
from shapegan.pipeline.queries.nearest import TriangleQueries
from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.shell.surface_samples import RAY_OFFSET, sample_faces

MAX_DISTANCE = 3.0


def rays(count, seed):
    random = np.random.default_rng(seed)
    start = random.uniform(-1.5, 1.5, (count, 3)).astype(np.float32)
    direction = random.standard_normal((count, 3))
    direction[random.random((count, 3)) < 0.2] = 0  # some are parallel to axes and planes
    direction[(direction == 0).all(axis=1)] = (0, 0, 1)
    return start, (direction / np.linalg.norm(direction, axis=1, keepdims=True)).astype(np.float32)


def brute_force(mesh, start, direction):
    """Distances (N,), and whether each (N,) depends on rounding, close to an edge."""
    a, b, c = (mesh[0].astype(float)[mesh[1][:, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.einsum("fx,nfx->nf", n, a - start[:, None].astype(float)) / (
            direction.astype(float) @ n.T
        )
        at = start[:, None] + t[..., None] * direction[:, None]
        weights = [
            np.einsum("nfx,fx->nf", np.cross(q - p, at - p), n) / (n**2).sum(axis=1)
            for p, q in ((a, b), (b, c), (c, a))
        ]
        # The hit's smallest barycentric weight or, if smaller, its distance along the ray.
        least = np.minimum(np.min(weights, axis=0), t)
        close = np.where(np.isnan(least), np.inf, np.abs(least)).min(axis=1) < 1e-4
    met = np.where((least >= 0) & np.isfinite(t), t, np.inf)
    return np.minimum(met.min(axis=1), MAX_DISTANCE), close


@examples(80)
@given(
    count=st.one_of(st.integers(1, 40), st.integers(41, 700)),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.sampled_from([1.0, 0.1, 1e-2])] * 3),
)
def test_distances_agree_with_brute_force(count, seed, stretch):
    """For a BVH of one leaf, and for roots of two, four and eight children."""
    mesh = shapes.random_soup(count, seed, stretch)
    start, direction = rays(200, seed)
    got = RayScene(*mesh).distances(start, direction, MAX_DISTANCE)
    expected, close = brute_force(mesh, start, direction)
    np.testing.assert_allclose(got[~close], expected[~close], rtol=1e-4, atol=1e-5)
    assert close.mean() < 0.8


@pytest.mark.parametrize("name", ["box", "torus", "icosphere", "open_box"])
def test_the_cuda_kernels_find_the_same(name):
    """Run on the CPU, with Warp's BVH."""
    vertices, faces = getattr(shapes, name)()
    mesh = wp.Mesh(
        wp.array(vertices.astype(np.float32), dtype=wp.vec3, device="cpu"),
        wp.array(faces.ravel(), dtype=int, device="cpu"),
    )
    scene = RayScene(vertices, faces)
    start, direction = rays(2000, 3)
    distance = wp.empty(len(start), dtype=float, device="cpu")
    vectors = [wp.array(rows, dtype=wp.vec3, device="cpu") for rows in (start, direction)]
    inputs = [wp.uint64(mesh.id), *vectors, MAX_DISTANCE, distance]
    wp.launch(kernels.ray_distances, dim=len(start), inputs=inputs, device="cpu")
    got = scene.distances(start, direction, MAX_DISTANCE)
    assert (np.abs(got - distance.numpy()) > 1e-4).mean() < 0.002
    assert 0.02 < (got < MAX_DISTANCE).mean() < 0.98

    samples = sample_faces(vertices, faces)
    sky = wp.empty((len(samples.face), 2), dtype=float, device="cpu")
    vectors = [
        wp.array(rows, dtype=wp.vec3, device="cpu") for rows in (samples.position, samples.normal)
    ]
    inputs = [wp.uint64(mesh.id), *vectors, 8, RAY_OFFSET, sky]
    wp.launch(kernels.sky_fractions, dim=sky.shape, inputs=inputs, device="cpu")
    got = scene.sky_fractions(samples.position, samples.normal, 8, RAY_OFFSET)
    assert (got != sky.numpy()).mean() < 0.001


def test_nothing_is_hit_beyond_the_maximum_distance():
    plane = np.array([[-9.0, -9, 0], [9, -9, 0], [0, 9, 0]]), np.array([[0, 1, 2]], np.int32)
    start = np.array([[0, 0, 1.0], [0, 0, 1], [0, 0, -1]], np.float32)
    direction = np.array([[0, 0, -1.0], [0, 0, 1], [0, 0, 1]], np.float32)
    np.testing.assert_array_equal(RayScene(*plane).distances(start, direction, 2.0), [1, 2, 1])
    np.testing.assert_array_equal(RayScene(*plane).distances(start, direction, 0.5), [0.5] * 3)


def test_parallel_and_degenerate_triangles_are_never_hit():
    """Both divide by zero."""
    parallel = np.array([[0.0, -1, 0], [1, 1, 0], [-1, 1, 0]])
    degenerate = np.array([[0.2, 0.0, 0.0], [0.4, 0, 0], [0.6, 0, 0]])
    vertices = np.concatenate([parallel, degenerate])
    scene = RayScene(vertices, np.arange(6, dtype=np.int32).reshape(2, 3))
    start = np.array([[0, -3, 0], [-3, 0, 0], [0.2, 0, 0], [0.3, 0, 1]], np.float32)
    direction = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)
    np.testing.assert_array_equal(
        scene.distances(start, direction, MAX_DISTANCE),
        [MAX_DISTANCE, MAX_DISTANCE, MAX_DISTANCE, 1],
    )


def sky(vertices, faces, samples):
    return RayScene(vertices, faces).sky_fractions(samples.position, samples.normal, 8, RAY_OFFSET)


def test_a_plane_and_the_outside_of_a_box_see_all_of_the_sky():
    plane = shapes.plane()
    np.testing.assert_array_equal(sky(*plane, sample_faces(*plane)), 1)
    box = shapes.box()
    seen = sky(*box, sample_faces(*box))
    np.testing.assert_array_equal(seen[:, 0], 1)
    assert seen[:, 1].mean() < 0.005


def test_the_floor_of_an_open_box_sees_its_form_factor():
    """The form factor from a side of a cube to the opposite one is 0.2."""
    vertices, faces = shapes.open_box()
    samples = sample_faces(vertices, faces)
    bottom = samples.position[:, 2] < -0.499
    seen = sky(vertices, faces, samples)[bottom, 1]
    assert np.average(seen, weights=samples.area[bottom]) == pytest.approx(0.2, abs=0.015)


@pytest.mark.parametrize("faces", [1, 4, 5, 8, 9, 700])
def test_the_tree_of_nearest_point_queries_serves_rays(faces):
    mesh = shapes.random_soup(faces, 0)
    start, direction = rays(500, 1)
    own, shared = (
        RayScene(*mesh, searched=searched) for searched in (None, TriangleQueries(*mesh))
    )
    for ask in (
        lambda scene: scene.distances(start, direction, MAX_DISTANCE),
        lambda scene: scene.sky_fractions(start, direction, 8, RAY_OFFSET),
    ):
        np.testing.assert_array_equal(ask(shared), ask(own))
    assert (shared.distances(start, direction, MAX_DISTANCE) < MAX_DISTANCE).any()

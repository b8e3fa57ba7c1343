import numpy as np
import pytest
import warp as wp
from hypothesis import given, settings
from hypothesis import strategies as st
from support import shapes

from shapegan.pipeline.queries import ray_kernels as kernels
from shapegan.pipeline.queries.rays import RayScene
from shapegan.pipeline.shell.surface_samples import OFFSET, sample_faces

MOST = 3.0


def rays(count, seed):
    random = np.random.default_rng(seed)
    start = random.uniform(-1.5, 1.5, (count, 3)).astype(np.float32)
    way = random.standard_normal((count, 3))
    way[random.random((count, 3)) < 0.2] = 0  # some run along axes and planes
    way[(way == 0).all(axis=1)] = (0, 0, 1)
    return start, (way / np.linalg.norm(way, axis=1, keepdims=True)).astype(np.float32)


def looked_at(mesh, start, way):
    """Lengths by every triangle (N,), and whether (N,) a rim is too near to be sure."""
    a, b, c = (mesh[0].astype(float)[mesh[1][:, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.einsum("fx,nfx->nf", n, a - start[:, None].astype(float)) / (way.astype(float) @ n.T)
        at = start[:, None] + t[..., None] * way[:, None]
        weights = [
            np.einsum("nfx,fx->nf", np.cross(q - p, at - p), n) / (n**2).sum(axis=1)
            for p, q in ((a, b), (b, c), (c, a))
        ]
        # How far inwards the ray passes, in units of the triangle's heights; and how far ahead.
        least = np.minimum(np.min(weights, axis=0), t)
        close = np.where(np.isnan(least), np.inf, np.abs(least)).min(axis=1) < 1e-4
    met = np.where((least >= 0) & np.isfinite(t), t, np.inf)
    return np.minimum(met.min(axis=1), MOST), close


@settings(max_examples=80, deadline=None)
@given(
    count=st.one_of(st.integers(1, 40), st.integers(41, 700)),
    seed=st.integers(0, 2**32 - 1),
    stretch=st.tuples(*[st.sampled_from([1.0, 0.1, 1e-2])] * 3),
)
def test_lengths_are_what_a_look_at_every_triangle_finds(count, seed, stretch):
    """Trees of one leaf and of several levels, whose root has two, four or eight children."""
    mesh = shapes.random_soup(count, seed, stretch)
    start, way = rays(200, seed)
    got = RayScene(*mesh).lengths(start, way, MOST)
    expected, close = looked_at(mesh, start, way)
    np.testing.assert_allclose(got[~close], expected[~close], rtol=1e-4, atol=1e-5)
    assert close.mean() < 0.8


@pytest.mark.parametrize("name", ["box", "torus", "icosphere", "open_box"])
def test_other_devices_find_the_same(name):
    """They leave it to Warp."""
    vertices, faces = getattr(shapes, name)()
    mesh = wp.Mesh(
        wp.array(vertices.astype(np.float32), dtype=wp.vec3, device="cpu"),
        wp.array(faces.ravel(), dtype=int, device="cpu"),
    )
    scene = RayScene(vertices, faces)
    start, way = rays(2000, 3)
    length = wp.empty(len(start), dtype=float, device="cpu")
    vectors = [wp.array(rows, dtype=wp.vec3, device="cpu") for rows in (start, way)]
    inputs = [wp.uint64(mesh.id), *vectors, MOST, length]
    wp.launch(kernels.ray_lengths, dim=len(start), inputs=inputs, device="cpu")
    got = scene.lengths(start, way, MOST)
    assert (np.abs(got - length.numpy()) > 1e-4).mean() < 0.002
    assert 0.02 < (got < MOST).mean() < 0.98

    samples = sample_faces(vertices, faces)
    sky = wp.empty((len(samples.face), 2), dtype=float, device="cpu")
    vectors = [
        wp.array(rows, dtype=wp.vec3, device="cpu") for rows in (samples.position, samples.normal)
    ]
    inputs = [wp.uint64(mesh.id), *vectors, 8, OFFSET, sky]
    wp.launch(kernels.see_sky, dim=sky.shape, inputs=inputs, device="cpu")
    got = scene.sky(samples.position, samples.normal, 8, OFFSET)
    assert (got != sky.numpy()).mean() < 0.001


def test_nothing_is_met_from_most_on():
    plane = np.array([[-9.0, -9, 0], [9, -9, 0], [0, 9, 0]]), np.array([[0, 1, 2]], np.int32)
    start = np.array([[0, 0, 1.0], [0, 0, 1], [0, 0, -1]], np.float32)
    way = np.array([[0, 0, -1.0], [0, 0, 1], [0, 0, 1]], np.float32)
    np.testing.assert_array_equal(RayScene(*plane).lengths(start, way, 2.0), [1, 2, 1])
    np.testing.assert_array_equal(RayScene(*plane).lengths(start, way, 0.5), [0.5] * 3)


def test_what_rays_run_along_does_not_stop_them():
    """Nor does what has no area: both divide by zero."""
    along = np.array([[0.0, -1, 0], [1, 1, 0], [-1, 1, 0]])
    nothing = np.array([[0.2, 0.0, 0.0], [0.4, 0, 0], [0.6, 0, 0]])
    vertices = np.concatenate([along, nothing])
    scene = RayScene(vertices, np.arange(6, dtype=np.int32).reshape(2, 3))
    start = np.array([[0, -3, 0], [-3, 0, 0], [0.2, 0, 0], [0.3, 0, 1]], np.float32)
    way = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)
    np.testing.assert_array_equal(scene.lengths(start, way, MOST), [MOST, MOST, MOST, 1])


def sky(vertices, faces, samples):
    return RayScene(vertices, faces).sky(samples.position, samples.normal, 8, OFFSET)


def test_sky_of_a_plane_and_of_a_box():
    plane = shapes.plane()
    np.testing.assert_array_equal(sky(*plane, sample_faces(*plane)), 1)
    box = shapes.box()
    seen = sky(*box, sample_faces(*box))
    np.testing.assert_array_equal(seen[:, 0], 1)
    assert seen[:, 1].mean() < 0.005


def test_sky_above_a_floor_between_walls():
    """The bottom of a cube without a lid sees the form factor of the opening, 0.2."""
    vertices, faces = shapes.open_box()
    samples = sample_faces(vertices, faces)
    bottom = samples.position[:, 2] < -0.499
    seen = sky(vertices, faces, samples)[bottom, 1]
    assert np.average(seen, weights=samples.area[bottom]) == pytest.approx(0.2, abs=0.015)

import numpy as np
import pytest

from shapegan.pipeline.meshes.triangle_mesh import Frame
from shapegan.pipeline.schema import POSITION_STEPS, decode_positions, encode_positions
from shapegan.pipeline.sdf.sampling import (
    FINE_SIGMA,
    SIGMA,
    points_in_ball,
    random_generator,
    sample_points,
)

RADIUS = 0.6
"""Of the ball that is asked about, cube frame."""


class Ball:
    """An analytic field, which writes down what it is asked."""

    def __init__(self, radius=RADIUS):
        self.radius = radius
        self.asked = []

    def signed_distances(self, points):
        self.asked.append(points.copy())
        length = np.linalg.norm(points, axis=1, keepdims=True)
        return (length[:, 0] - self.radius).astype(np.float32), self.radius * points / length

    def surface_points(self, count, rng):
        points = rng.standard_normal((count, 3))
        return (self.radius * points / np.linalg.norm(points, axis=1, keepdims=True)).astype("f4")


FRAME = Frame(np.array([1.0, 2.0, 3.0]), scale_cube=2.0, scale_sphere=3.0)
"""Here a unit of the sphere frame is 1.5 of the cube frame."""


def sampled(count=4000, cloud=False, seed=0, mesh_id="a", frame=FRAME, field=None):
    return sample_points(
        field or Ball(), frame, count, count * cloud, random_generator(seed, mesh_id)
    )


def test_points_in_the_ball_are_uniform():
    points = points_in_ball(40_000, np.random.default_rng(0))
    assert points.shape == (40_000, 3)
    assert points.dtype == np.float32
    radius = np.linalg.norm(points, axis=1)
    assert radius.max() <= 1 + 1e-6
    # The cube of the radius is uniform, so are the directions' heights.
    for uniform in (radius**3, *(0.5 + points.T / radius / 2)):
        shares = np.histogram(uniform, 10, (0, 1))[0] / len(uniform)
        np.testing.assert_allclose(shares, 0.1, atol=0.01)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(np.cov(points.T), np.eye(3) / 5, atol=0.005)


@pytest.mark.parametrize("name", ["uniform", "surface", "cloud"])
def test_distances_are_those_of_the_rounded_positions(name):
    points = sampled(cloud=True)[name]
    assert points.position.dtype == np.int16
    assert points.position.shape == (4000, 3)
    assert points.sdf.dtype == np.float16
    exact = points.position.astype(np.float64) / POSITION_STEPS
    expected = np.linalg.norm(exact, axis=1) - RADIUS / 1.5
    # Half a step of float16 and no more.
    np.testing.assert_allclose(points.sdf, expected, rtol=2**-11, atol=2e-7)


def test_the_field_is_evaluated_in_the_cube_frame_at_stored_positions():
    field = Ball()
    stored = sampled(field=field)["uniform"].position
    expected = decode_positions(stored) * np.float32(1.5)
    asked = field.asked[0]
    assert asked.dtype == np.float32
    np.testing.assert_array_equal(asked[np.lexsort(asked.T)], expected[np.lexsort(expected.T)])


def test_surface_points_are_the_nearest_to_uniform_points_plus_noise():
    sets = sampled(20_000)
    uniform, surface = (decode_positions(sets[name].position) for name in ("uniform", "surface"))
    nearest = uniform / np.linalg.norm(uniform, axis=1, keepdims=True) * RADIUS / 1.5
    noise = surface - nearest
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(noise.std(axis=0), SIGMA, rtol=0.03)
    assert np.abs(noise).max() < 6 * SIGMA
    # Normal: 68 % within one deviation.
    assert (np.abs(noise) < SIGMA).mean() == pytest.approx(0.683, abs=0.01)


def test_cloud_is_deepsdfs_mix():
    sdf = sampled(20_000, cloud=True)["cloud"].sdf.astype(np.float64)
    assert (np.abs(sdf) < 6 * SIGMA).mean() == pytest.approx(0.94, abs=0.01)
    near = np.abs(sdf[np.abs(sdf) < 6 * SIGMA])
    # Half at each deviation: erf(1 / sqrt 2) of one half and nearly none of the other.
    nearest = 0.5 * 0.683 + 0.5 * 0.0797
    assert (near < FINE_SIGMA).mean() == pytest.approx(nearest, abs=0.015)
    # Shuffled: every stretch has its share of far ones.
    shares = (np.abs(sdf) > 6 * SIGMA).reshape(10, -1).mean(axis=1)
    np.testing.assert_allclose(shares, 0.06, atol=0.03)


def test_the_cloud_is_optional():
    assert list(sampled(10)) == ["uniform", "surface"]
    assert list(sampled(10, cloud=True)) == ["uniform", "surface", "cloud"]


def same(one, other):
    return all(
        np.array_equal(one[name].position, other[name].position)
        and np.array_equal(one[name].sdf, other[name].sdf)
        for name in one
    )


def test_points_depend_on_seed_and_id_alone():
    first = sampled(300, cloud=True)
    sampled(77, mesh_id="between")
    assert same(first, sampled(300, cloud=True))
    assert not same(first, sampled(300, cloud=True, seed=1))
    assert not same(first, sampled(300, cloud=True, mesh_id="b"))


def test_the_cloud_does_not_change_the_other_sets():
    with_cloud = sampled(300, cloud=True)
    assert same(sampled(300), {name: with_cloud[name] for name in ("uniform", "surface")})


def test_random_numbers_are_the_same_on_every_machine():
    """The bytes of published datasets hang on these numbers."""
    random = random_generator(7, "1006be65e7bc937e9141f9b58470d646")
    assert random.integers(0, 1000, 3).tolist() == [197, 911, 296]


def test_points_that_leave_the_ball_are_clipped():
    sets = sampled(2000, field=Ball(radius=1.6))
    position = sets["surface"].position
    assert np.abs(position.astype(int)).max() == POSITION_STEPS
    np.testing.assert_array_equal(encode_positions(decode_positions(position)), position)

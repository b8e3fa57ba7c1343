import tracemalloc

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.analytic_fields import AnalyticField, ball, clipped, rod, union
from support.examples import examples
from support.folders import SHARED, needs_shared

from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.networks.published import load_published
from shapegan.model.shapes.surface import extract, extract_levels, sample
from shapegan.pipeline.schema import grid_points

FILES = sorted((SHARED / "weights").glob("*")) if (SHARED / "weights").is_dir() else []
LATENT = torch.zeros(1)


THIN = union(
    rod([-0.8, -0.7, 0.3], [0.7, 0.6, -0.6], 0.012),
    rod([0.9, 0.9, -0.9], [0.9, 0.9, 0.9], 0.02),
    ball([-0.5, 0.5, -0.6], 0.3),
    ball([0.61, -0.62, 0.63], 0.03),
)
"""Two rods far thinner than a cell of the first grid, a ball and a crumb."""


def assert_same_as_dense(distance, resolution, level=0.0, frame="cube"):
    sparse, dense = AnalyticField(distance, frame), AnalyticField(distance, frame)
    surface = extract(sparse, LATENT, resolution, level)
    twin = extract(dense, LATENT, resolution, level, dense=True)
    assert_array_equal(surface.faces, twin.faces)
    assert_array_equal(surface.vertices, twin.vertices)
    assert dense.evaluated == resolution**3
    return surface, sparse.evaluated


def parts_of(surface):
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False).body_count


@pytest.mark.parametrize("resolution", [2, 3, 48, 49, 64, 71, 97])
def test_the_mesh_is_that_of_the_dense_grid(resolution):
    surface, evaluated = assert_same_as_dense(THIN, resolution)
    assert evaluated <= resolution**3
    if resolution >= 64:
        assert evaluated < resolution**3 / 4
        assert parts_of(surface) >= 3


@pytest.mark.parametrize("slope", [1.0, 2.0])
@pytest.mark.parametrize("level", [-0.005, 0.0, 0.04])
def test_a_clipped_field_gives_the_mesh_of_the_dense_grid(slope, level):
    surface, evaluated = assert_same_as_dense(clipped(THIN, 0.1, slope), 96, level)
    assert evaluated < 96**3 / 5
    assert parts_of(surface) >= 3


@pytest.mark.parametrize("slope", [1.0, 3.0])
def test_several_levels_equal_one_each_and_share_their_points(slope):
    levels = (-0.02, 0.0, 0.02, 0.04, 0.06)
    together, alone = (AnalyticField(clipped(THIN, 0.1, slope)) for _ in range(2))
    found = extract_levels(together, LATENT, 96, levels)
    for level, surface in zip(levels, found, strict=True):
        twin = extract(alone, LATENT, 96, level, dense=True)
        assert_array_equal(surface.faces, twin.faces)
        assert_array_equal(surface.vertices, twin.vertices)
    one = AnalyticField(together.distance)
    extract(one, LATENT, 96, 0.0)
    assert together.evaluated < len(levels) / 2 * one.evaluated


def test_a_fine_grid_is_evaluated_only_near_the_surface():
    field = AnalyticField(THIN)
    assert parts_of(extract(field, LATENT, 256)) == 4
    assert field.evaluated < 256**3 / 50


places = st.tuples(*[st.floats(-0.9, 0.9)] * 3).map(list)


@examples(15)
@given(
    balls=st.lists(st.tuples(places, st.floats(0.01, 0.5)), min_size=1, max_size=3),
    rods=st.lists(st.tuples(places, places, st.floats(0.005, 0.1)), max_size=3),
    clip=st.sampled_from([0.1, 10.0]),
    level=st.sampled_from([0.0, 0.03]),
)
def test_any_scene_of_distances_is_the_same_as_dense(balls, rods, clip, level):
    rods = [(a, [b[0], b[1], b[2] + 0.01], radius) for a, b, radius in rods]
    scene = union(*(ball(*each) for each in balls), *(rod(*each) for each in rods))
    assert_same_as_dense(clipped(scene, clip), 56, level)


def test_a_small_part_in_a_flat_field_is_found():
    """Where nothing is to be measured, the slope is taken for a distance's."""
    middle = np.linspace(-1, 1, 96)[[35, 55, 71]].astype(np.float32).tolist()
    surface, _ = assert_same_as_dense(clipped(ball(middle, 0.012), 0.02), 96)
    assert parts_of(surface) == 1


def test_a_surface_that_the_first_grid_saw_only_in_part_is_followed():
    """Six times steeper than a distance, and so thin that it passes between corners."""
    scene = rod([0.84, 0.11, -0.43], [-0.46, 0.7, -0.49], 0.015)
    surface, _ = assert_same_as_dense(clipped(scene, 0.1, 6.0), 64)
    assert not surface.empty


@pytest.mark.parametrize("frame", ["cube", "sphere"])
def test_a_network_gives_the_mesh_of_the_dense_grid(frame):
    torch.manual_seed(1)
    generator = Generator(GeneratorConfig(latent=8, width=48, frequencies=3, frame=frame))
    latent = torch.randn(8)
    level = float(np.median(sample(generator, latent, 16, 0.0, dense=True)))
    surface = extract(generator, latent, 64, level)
    twin = extract(generator, latent, 64, level, dense=True)
    assert len(surface.faces) > 5000
    assert_array_equal(surface.faces, twin.faces)
    # A product of other rows may round otherwise.
    assert_allclose(surface.vertices, twin.vertices, atol=1e-3)


def test_the_mesh_lies_in_the_generators_frame_and_is_wound_outwards():
    middle = np.array([0.2, -0.1, 0.3])
    surface = extract(AnalyticField(ball(middle.astype(np.float32), 0.5)), LATENT, 96)
    assert_allclose(np.linalg.norm(surface.vertices - middle, axis=1), 0.5, atol=1e-3)
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.125, rel=5e-3)
    assert surface.vertices.dtype == np.float32
    assert surface.faces.dtype == np.int32
    assert not surface.empty


def test_a_level_moves_the_surface():
    surface = extract(AnalyticField(ball([0.0, 0.0, 0.0], 0.5)), LATENT, 64, level=0.04)
    assert_allclose(np.linalg.norm(surface.vertices, axis=1), 0.54, atol=1e-3)


def test_shapes_that_fill_the_cube_are_closed_at_its_border():
    surface, _ = assert_same_as_dense(lambda points: points[:, 0].abs() - 0.3, 64)
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(0.6 * 4, rel=0.05)


def test_all_points_beyond_the_ball_of_the_sphere_frame_are_outside():
    scene = union(ball([0.0, 0.0, 0.0], 0.4), ball([0.9, 0.9, 0.9], 0.3))
    assert parts_of(extract(AnalyticField(scene, "cube"), LATENT, 64)) == 2
    surface, _ = assert_same_as_dense(scene, 64, frame="sphere")
    assert parts_of(surface) == 1
    assert_allclose(np.linalg.norm(surface.vertices, axis=1), 0.4, atol=1e-3)


def test_shapes_that_leave_the_ball_are_closed_at_its_border():
    surface, _ = assert_same_as_dense(lambda points: points[:, 0].abs() - 0.3, 64, frame="sphere")
    assert trimesh.Trimesh(surface.vertices, surface.faces, process=False).is_watertight
    assert np.linalg.norm(surface.vertices, axis=1).max() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("dense", [True, False])
def test_an_empty_field_gives_a_mesh_without_faces(dense):
    surface = extract(AnalyticField(lambda points: points[:, 0] * 0 + 0.1), LATENT, 64, dense=dense)
    assert surface.empty
    assert surface.vertices.shape == surface.faces.shape == (0, 3)


def test_a_field_that_is_all_inside_gives_the_cube():
    surface = extract(AnalyticField(lambda points: points[:, 0] * 0 - 0.1), LATENT, 64)
    assert trimesh.Trimesh(surface.vertices, surface.faces, process=False).is_watertight


def test_no_call_has_more_points_than_a_chunk():
    field = AnalyticField(THIN)
    surface = extract(field, LATENT, 64, chunk=1000)
    assert field.largest_call == 1000
    assert_array_equal(surface.vertices, extract(AnalyticField(THIN), LATENT, 64).vertices)


def test_a_clipped_field_is_evaluated_at_few_points_of_a_coarse_grid():
    field = AnalyticField(clipped(THIN, 0.1))
    extract(field, LATENT, 64, 0.04)
    assert field.evaluated < 64**3 / 3


def test_refuses_a_grid_of_one_point():
    with pytest.raises(ValueError, match="resolution: expected at least 2, got 1"):
        extract(AnalyticField(THIN), LATENT, 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_numbers_that_are_not_finite(value):
    with pytest.raises(ValueError, match="expected finite distances"):
        extract(AnalyticField(lambda points: points[:, 0] + value), LATENT, 8)


def test_no_gradients_are_kept():
    generator = Generator(GeneratorConfig(latent=2, width=16))
    latent = torch.zeros(2, requires_grad=True)
    extract(generator, latent, 8)
    assert latent.grad is None


@pytest.mark.slow
def test_half_a_thousand_points_along_each_axis_fit_in_memory():
    tracemalloc.start()
    surface = extract(AnalyticField(clipped(THIN, 0.1)), LATENT, 512)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(surface.faces) > 200_000
    assert peak < 3e9


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_published_generators_give_the_mesh_of_the_dense_grid(path):
    generator = load_published(path)
    level = 0.04 if generator.config.frame == "cube" else 0.0
    latent = torch.randn(128, generator=torch.Generator().manual_seed(7))
    surface = extract(generator, latent, 64, level)
    twin = extract(generator, latent, 64, level, dense=True)
    assert len(surface.faces) > 1000
    assert_array_equal(surface.faces, twin.faces)
    assert_allclose(surface.vertices, twin.vertices, atol=1e-3)


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan_generator_voxels_chairs.to", "point_generator_sofas.pt"])
def test_published_generators_are_evaluated_at_a_tenth_of_a_fine_grid(name):
    generator = load_published(SHARED / "weights" / name)
    field = AnalyticField(None, config=generator.config)
    latent = torch.randn(128, generator=torch.Generator().manual_seed(0))
    field.distance = lambda points: generator(points, latent[None])[0]
    extract(field, latent, 256, 0.04)
    assert field.evaluated < 256**3 / 10


def test_a_prior_makes_its_code_once_for_all_points(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(
        latent=3, width=16, depth=4, initialisation="sphere", prior_spread=0.5, prior_shapes=7
    )
    generator = Generator(config)
    assert generator.prior is not None
    generator.prior.centres.normal_()
    latent, calls, made = torch.randn(3), [], generator.prior.sample
    expected = generator(torch.from_numpy(grid_points(16)), latent[None]).detach()

    def counted(noise: torch.Tensor) -> torch.Tensor:
        calls.append(noise)
        return made(noise)

    monkeypatch.setattr(generator.prior, "sample", counted)
    found = sample(generator, latent, 16, 0.0, chunk=100, dense=True)
    assert len(calls) == 1
    assert_allclose(found.flatten(), expected[0], atol=1e-6)

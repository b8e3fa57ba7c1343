import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from shapegan.model.networks.any_generator import build_generator
from shapegan.model.networks.flow_prior import FlowPrior
from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.networks.kernel_prior import KernelPrior
from shapegan.model.networks.latent_generator import LatentGenerator, LatentGeneratorConfig
from shapegan.model.shapes.sphere_tracing import sphere_trace
from shapegan.model.shapes.surface import extract
from shapegan.pipeline.pictures.camera import Camera

SMALL = LatentGeneratorConfig(
    code=3, channels=4, hidden=8, prior_width=8, prior_depth=1, prior_steps=4, categories=()
)
KERNELS = replace(SMALL, prior_spread=0.2, prior_shapes=5, prior_stretches=1)
TWO = replace(SMALL, categories=("02691156", "03001627"))


def made(config: LatentGeneratorConfig = SMALL) -> LatentGenerator:
    """A generator whose distances differ from place to place and from latent to latent."""
    torch.manual_seed(0)
    generator = LatentGenerator(config)
    if isinstance(generator.prior, FlowPrior):
        torch.nn.init.normal_(generator.prior.leave.weight, std=0.3)
    else:
        generator.prior.centres.normal_()
    last = generator.decoder.point_layers[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.normal_(last.weight, std=0.1)
    torch.nn.init.constant_(last.bias, 0.0)
    return generator.requires_grad_(False)


def inputs(config: LatentGeneratorConfig, shapes: int = 3, points: int = 50) -> tuple:
    torch.manual_seed(1)
    return 2 * torch.rand(shapes, points, 3) - 1, torch.randn(shapes, config.latent)


def test_settings_choose_the_network() -> None:
    assert isinstance(build_generator(SMALL), LatentGenerator)
    assert isinstance(build_generator(GeneratorConfig(latent=2, width=4, depth=4)), Generator)


def test_shared_points_are_points_of_each_shape() -> None:
    generator, (points, latents) = made(), inputs(SMALL)
    expected = generator(points[:1].expand(3, -1, -1), latents)
    assert expected.shape == (3, 50)
    assert expected.std() > 0.01
    torch.testing.assert_close(generator(points[0], latents), expected)


@pytest.mark.parametrize("chunk", [1, 20, 75, 10_000])
def test_chunks_give_the_same_distances_and_gradients(chunk: int) -> None:
    generator, (points, latents) = made(), inputs(SMALL)
    latents.requires_grad_()
    found, expected = generator(points, latents, chunk), generator(points, latents)
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(d.square().sum(), latents)[0] for d in (found, expected))
    torch.testing.assert_close(ours, theirs)


def test_gradients_of_points_are_those_of_small_steps() -> None:
    generator, (points, latents) = made().double(), inputs(SMALL, 1)
    points, latents, step = points.double(), latents.double(), 1e-6
    points.requires_grad_()
    (gradient,) = torch.autograd.grad(generator(points, latents).sum(), points)
    for axis in range(3):
        shift = step * torch.eye(3, dtype=torch.float64)[axis]
        ends = [generator(points.detach() + side * shift, latents) for side in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        # Interpolation has kinks, which a small step may cross.
        assert ((slope - gradient[..., axis]).abs() < 1e-3).double().mean() > 0.95


def test_mirrored_shapes_are_their_own_mirror_images() -> None:
    config = replace(SMALL, symmetry="x")
    generator, (points, latents) = made(config), inputs(config)
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.equal(generator(mirrored, latents), generator(points, latents))


def test_beyond_the_grid_distances_grow_with_the_distance_to_it() -> None:
    generator = made()
    latent = torch.zeros(1, 3)
    half = 1.1 * generator.decoder.boxes(generator.codes(latent))[0, 0]
    far = torch.tensor([[float(half) + 0.5, 0.0, 0.0]])
    at_grid = float(generator(torch.tensor([[float(half), 0.0, 0.0]]), latent).clamp(min=0))
    assert float(generator(far, latent)) == pytest.approx(math.hypot(at_grid, 0.5), abs=1e-3)


def test_has_no_jump_at_the_end_of_the_grid() -> None:
    generator, latent = made(), torch.zeros(1, 3)
    x = torch.linspace(0.0, 2.0, 4001)
    points = torch.stack([x, 0.1 + 0 * x, 0.2 + 0 * x], dim=1)
    values = generator(points, latent)[0].clamp(min=0)
    assert values.diff().abs().max() < 0.02


def test_a_copy_and_half_precision_give_float32() -> None:
    generator, (points, latents) = copy.deepcopy(made()), inputs(SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = generator(points, latents)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, generator(points, latents), atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("points", "latents", "chunk"),
    [
        ((5, 2), (2, 3), None),
        ((3, 5, 3), (2, 3), None),
        ((5, 3), (2, 4), None),
        ((5, 3), (3,), None),
        ((5, 3), (2, 3), 0),
    ],
)
def test_other_shapes_are_refused(points: tuple, latents: tuple, chunk: int | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        made()(torch.zeros(points), torch.zeros(latents), chunk)


@pytest.mark.parametrize("values", [{"symmetry": "auto"}, {"categories": None}])
def test_what_the_data_decide_must_be_decided(values: dict) -> None:
    with pytest.raises(ValueError, match="data_settings"):
        LatentGenerator(replace(SMALL, **values))


def test_settings_below_1_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        replace(SMALL, prior_steps=0)


@pytest.mark.parametrize(
    "values", [{"prior_spread": -0.1}, {"prior_stretches": -1}, {"prior_shapes": 0}]
)
def test_kernels_that_cannot_be_are_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="prior_spread and prior_stretches of at least 0"):
        replace(SMALL, **values)


def test_a_kernel_density_keeps_shapes_and_their_copies() -> None:
    generator = made(KERNELS)
    assert isinstance(generator.prior, KernelPrior)
    assert len(generator.prior.centres) == 5 * 2
    with pytest.raises(ValueError, match="data_settings"):
        LatentGenerator(replace(KERNELS, prior_shapes=None))


@pytest.mark.parametrize("categories", [(), TWO.categories])
def test_latents_of_codes_give_the_codes(categories: tuple[str, ...]) -> None:
    generator = made(replace(KERNELS, categories=categories))
    labels = torch.zeros(5, len(categories))
    if categories:
        generator.prior.numbers.copy_(torch.arange(10) % 2)
        chosen = [generator.chosen_labels(categories[number % 2]) for number in range(5)]
        labels = torch.stack(chosen)
    codes = generator.prior.centres[:5]
    latents = generator.latents_of(codes, labels)
    assert latents.shape == (5, 3 + len(categories))
    torch.testing.assert_close(generator.codes(latents), codes, atol=0.02, rtol=0)


def test_categories_come_out_as_often_as_in_training() -> None:
    generator = made(TWO)
    generator.shares.copy_(torch.tensor([0.2, 0.8]))
    weights = generator.category_weights(torch.randn(4000, 2))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4000))
    assert float((weights[:, 1] > 0.5).float().mean()) == pytest.approx(0.8, abs=0.03)


def test_a_chosen_category_has_all_the_weight() -> None:
    generator = made(TWO)
    for number, name in enumerate(("02691156", "03001627")):
        weights = generator.category_weights(generator.chosen_labels(name)[None])
        assert float(weights[0, number]) > 0.999
    with pytest.raises(ValueError, match="expected a category out of"):
        generator.chosen_labels("chairs")


def test_a_category_changes_the_shape() -> None:
    generator, latent = made(TWO), torch.zeros(2, 5)
    latent[0, 3:], latent[1, 3:] = (generator.chosen_labels(name) for name in TWO.categories or ())
    values = generator(torch.rand(20, 3), latent)
    assert (values[0] - values[1]).abs().max() > 1e-3


@pytest.mark.parametrize("config", [SMALL, KERNELS])
def test_weights_of_latents_are_small_changes_of_the_code(config: LatentGeneratorConfig) -> None:
    generator = made(config)
    weights = generator.latent_weights()
    step = 1e-3
    ends = (generator.codes(side * torch.eye(3)) for side in (step, -step))
    moved = [generator.decoder.code_to_hidden(codes) for codes in ends]
    torch.testing.assert_close(weights.T, (moved[0] - moved[1]) / (2 * step), atol=1e-3, rtol=1e-2)


def test_surfaces_and_pictures_are_made_as_of_the_other_generator() -> None:
    generator, latent = made(), torch.randn(3)
    level = float(generator(2 * torch.rand(500, 3) - 1, latent[None]).quantile(0.3))
    sparse = extract(generator, latent, 32, level)
    dense = extract(generator, latent, 32, level, dense=True)
    assert not sparse.empty
    np.testing.assert_allclose(sparse.vertices, dense.vertices, atol=1e-5)
    picture = sphere_trace(generator, latent, level, Camera(azimuth=215), 16)
    assert picture.shape == (16, 16, 3)
    assert picture.min() < 250

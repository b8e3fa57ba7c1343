import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import twins
from support.examples import examples
from support.small_generators import CONFIGS, each_config, inputs, made
from torch import Tensor

from shapegan.model.networks import products
from shapegan.model.networks.generator import Generator, GeneratorConfig


def derivatives(distances: Tensor, generator: Generator, *inputs: Tensor) -> list[Tensor]:
    """Of a sum that weighs each distance differently, by the inputs and all parameters."""
    weights = torch.linspace(-1, 2, distances.numel(), dtype=distances.dtype)
    loss = (weights * distances.flatten()).sum() + distances.square().sum()
    return list(torch.autograd.grad(loss, [*inputs, *generator.parameters()]))


@each_config
@pytest.mark.parametrize("fused", [False, True])
def test_gives_what_a_plain_network_gives_and_its_gradients(config, fused, monkeypatch):
    monkeypatch.setattr(products, "_fuses", lambda _: fused)
    generator = made(config).double()
    points, latents = inputs(3, 7)
    points.requires_grad_()
    latents.requires_grad_()
    ours = generator(points, latents)
    twin = twins.plain_generator(generator, points, latents)
    assert ours.shape == (3, 7)
    torch.testing.assert_close(ours, twin, rtol=1e-12, atol=1e-12)
    for got, expected in zip(
        derivatives(ours, generator, points, latents),
        derivatives(twin, generator, points, latents),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@each_config
def test_points_that_shapes_share_are_the_same_points_for_each(config):
    generator = made(config).double()
    points, latents = inputs(3, 7)
    shared = points[0].requires_grad_()
    ours = generator(shared, latents)
    twin = twins.plain_generator(generator, shared.expand(3, -1, -1), latents)
    torch.testing.assert_close(ours, twin, rtol=1e-12, atol=1e-12)
    for got, expected in zip(
        derivatives(ours, generator, shared), derivatives(twin, generator, shared), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@examples(20)
@given(
    shapes=st.integers(1, 4),
    count=st.integers(1, 20),
    chunk=st.integers(1, 90),
    shared=st.booleans(),
    learning=st.booleans(),
)
def test_chunks_change_nothing(shapes, count, chunk, shared, learning):
    generator = made(CONFIGS["voxel"]).double()
    points, latents = inputs(shapes, count)
    points = points[0] if shared else points
    with torch.set_grad_enabled(learning):
        whole, parts = generator(points, latents), generator(points, latents, chunk=chunk)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    assert parts.requires_grad == learning
    if learning:
        for got, expected in zip(
            derivatives(parts, generator), derivatives(whole, generator), strict=True
        ):
            torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shared", [False, True])
def test_blocks_change_nothing(monkeypatch, shared):
    generator = made(CONFIGS["point"]).double()
    points, latents = inputs(3, 50)
    points = points[0] if shared else points
    whole = generator(points, latents)
    monkeypatch.setattr("shapegan.model.networks.generator._BLOCK_FEATURES", 16 * 3 * 7)
    parts = generator(points, latents)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    for got, expected in zip(
        derivatives(parts, generator), derivatives(whole, generator), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@each_config
def test_no_layer_changes_a_view_in_place_because_its_gradient_would_be_copied(config):
    generator = made(config)
    points, latents = inputs(3, 7, dtype=torch.float32)
    waiting, nodes = [generator(points, latents).grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            waiting += [before for before, _ in node.next_functions]
    names = {node.name() for node in nodes}
    assert "ReluBackward0" in names
    assert not any("CopySlices" in name for name in names)


def test_chunks_bound_what_is_kept_for_the_backward_pass():
    generator = made(CONFIGS["voxel"])
    points, latents = inputs(4, 256, dtype=torch.float32)

    def kept(chunk: int | None) -> int:
        held: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            held[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            generator(points, latents, chunk=chunk)
        return sum(held.values())

    assert kept(64) < kept(None) / 5


@pytest.mark.parametrize("chunk", [None, 8])
@pytest.mark.parametrize("norm", [False, True])
def test_can_be_differentiated_twice_by_points(chunk, norm, monkeypatch):
    monkeypatch.setattr(products, "_fuses", lambda _: True)
    generator = made(dataclasses.replace(CONFIGS["point"], norm=norm)).double()
    points, latents = inputs(2, 6)
    points.requires_grad_()

    def eikonal(distances: Tensor) -> list[Tensor]:
        (slope,) = torch.autograd.grad(distances.sum(), points, create_graph=True)
        loss = (slope.norm(dim=-1) - 1).square().mean()
        parameters = [*generator.parameters()]
        return list(
            torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        )

    ours = eikonal(generator(points, latents, chunk=chunk))
    twin = eikonal(twins.plain_generator(generator, points, latents))
    assert sum(bool(grad.any()) for grad in ours) > (20 if norm else 8)
    for got, expected in zip(ours, twin, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
# torch.compile looks at the .grad of all that goes in, also of what is no leaf.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_compiled_gives_the_same():
    generator = made(CONFIGS["voxel"])
    points, latents = inputs(2, 9, dtype=torch.float32)
    plain = generator(points[0], latents)
    generator.compile(backend="aot_eager")
    ours = generator(points[0], latents)
    assert copy.deepcopy(generator)(points[0], latents).grad_fn is not None
    torch.testing.assert_close(ours, plain)
    for got, expected in zip(
        derivatives(ours, generator), derivatives(plain, generator), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


def test_scale_is_the_distance_of_one_unit():
    config = CONFIGS["voxel"]
    one, tenth = made(config), made(GeneratorConfig(latent=5, width=16, scale=0.1))
    points, latents = inputs(2, 9, dtype=torch.float32)
    torch.testing.assert_close(tenth(points, latents), 0.1 * one(points, latents))


def test_published_initialisation_counts_the_inputs_of_joined_layers():
    torch.manual_seed(0)
    joined, apart = Generator(GeneratorConfig()), Generator(GeneratorConfig(norm=True))
    bounds = {
        joined.layers[0].weight: 131,
        joined.latent_first.weight: 131,
        joined.layers[4].weight: 387,
        joined.latent_again.weight: 387,
        joined.points_again.weight: 387,
        joined.layers[4].bias: 387,
        joined.layers[2].weight: 256,
        apart.layers[0].weight: 3,
        apart.latent_first.weight: 128,
        apart.points_again.weight: 259,
    }
    for parameter, count in bounds.items():
        assert 0.97 / math.sqrt(count) < parameter.abs().max() <= 1 / math.sqrt(count)


@pytest.mark.parametrize("frequencies", [0, 4])
def test_he_initialisation_keeps_points_and_latents_alive(frequencies):
    torch.manual_seed(0)
    config = GeneratorConfig(bounded=False, frequencies=frequencies, initialisation="he")
    generator = Generator(config)
    points, latents = inputs(32, 64, 128, torch.float32)
    distances = generator(points[0], latents)
    entering = generator.encode(points.flatten(0, 1)) @ generator.layers[0].weight.T
    assert entering.square().mean().item() == pytest.approx(1, rel=0.1)
    assert 0.1 < distances.std(0).mean() < 3
    assert 0.1 < distances.std(1).mean() < 3


@pytest.mark.parametrize("frequencies", [0, 4])
def test_sphere_initialisation_begins_near_a_sphere(frequencies):
    torch.manual_seed(0)
    config = GeneratorConfig(
        bounded=False, scale=0.1, frequencies=frequencies, initialisation="sphere"
    )
    points, latents = inputs(8, 200, 128, torch.float32)
    distances = Generator(config)(points[0], latents)
    radii = points[0].norm(dim=1).expand(8, -1)
    assert torch.corrcoef(torch.stack([distances.flatten(), radii.flatten()]))[0, 1] > 0.9
    assert distances[radii < 0.2].max() < 0 < distances[radii > 1].min()
    assert distances.std(0).mean() > 1e-3


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"depth": 5}, "even depth of at least 4, got 5"),
        ({"depth": 2}, "even depth of at least 4, got 2"),
        ({"width": 0}, "at least 1"),
        ({"scale": 0.0}, "above 0"),
        ({"initialisation": "sphere", "norm": True}, "no norm"),
    ],
)
def test_refuses_a_config_that_cannot_be(wrong, expected):
    with pytest.raises(ValueError, match=expected):
        GeneratorConfig(**wrong)


@pytest.mark.parametrize(
    ("points", "latents", "chunk", "expected"),
    [
        ((4, 2), (2, 5), None, r"points \(N, 3\) or \(2, N, 3\), got \(4, 2\)"),
        ((3, 4, 3), (2, 5), None, r"points \(N, 3\) or \(2, N, 3\), got \(3, 4, 3\)"),
        ((4, 3), (2, 6), None, r"latents \(B, 5\), got \(2, 6\)"),
        ((4, 3), (5,), None, r"latents \(B, 5\), got \(5,\)"),
        ((4, 3), (2, 5), 0, "chunk of at least 1 row, got 0"),
    ],
)
def test_refuses_shapes_that_do_not_fit(points, latents, chunk, expected):
    generator = made(CONFIGS["voxel"])
    with pytest.raises(ValueError, match=expected):
        generator(torch.zeros(points), torch.zeros(latents), chunk=chunk)

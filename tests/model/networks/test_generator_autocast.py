"""The generator under autocast."""

from typing import Any

import pytest
import torch
from support.small_generators import CONFIGS, each_config, inputs, made
from torch import Tensor

from shapegan.model.networks import products
from shapegan.model.networks.generator import GeneratorConfig


@each_config
@pytest.mark.parametrize("fused", [False, True])
def test_autocast_gives_float32_near_the_exact_distances(config, fused, monkeypatch):
    monkeypatch.setattr(products, "_fuses", lambda _: fused)
    generator = made(config)
    points, latents = inputs(3, 50, dtype=torch.float32)
    exact = generator(points, latents)
    with torch.autocast("cpu", torch.bfloat16):
        rough = generator(points, latents)
        generator(points, latents, chunk=40).sum().backward()
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.05 * config.scale * max(1, exact.std().item())
    assert all(parameter.grad.dtype == torch.float32 for parameter in generator.parameters())


def test_autocast_normalises_in_its_own_type(monkeypatch):
    types = []

    def noted(features: Tensor, *arguments: Any) -> Tensor:
        types.append(features.dtype)
        result = layer_norm(features, *arguments)
        types.append(result.dtype)
        return result

    layer_norm = torch.nn.functional.layer_norm
    monkeypatch.setattr(torch.nn.functional, "layer_norm", noted)
    points, latents = inputs(1, 20, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        made(CONFIGS["point"])(points, latents)
    assert types == [torch.bfloat16] * len(types)
    assert len(types) == 14


def test_autocast_does_not_round_the_points():
    generator = made(GeneratorConfig(latent=5, width=64, initialisation="sphere"))
    points, latents = inputs(1, 200, dtype=torch.float32)
    points = points[0]
    rounded = points.to(torch.bfloat16).float()
    with torch.autocast("cpu", torch.bfloat16):
        differs = generator(points, latents) != generator(rounded, latents)
    assert differs.float().mean() > 0.5


def test_autocast_gives_distances_that_differ():
    """The loss of loose parts takes equal distances for one place."""
    generator = made(GeneratorConfig(latent=5, width=64, initialisation="sphere"))
    points, latents = inputs(1, 4096, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        distances = generator(points, latents)
    assert len(distances.unique()) > 0.95 * distances.numel()

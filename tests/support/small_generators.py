"""Small generators of each kind, and inputs for them."""

import pytest
import torch
from torch import Tensor

from shapegan.model.networks.generator import Generator, GeneratorConfig

CONFIGS = {
    "voxel": GeneratorConfig(latent=5, width=16),
    "point": GeneratorConfig(latent=5, width=16, norm=True, bounded=False, frame="sphere"),
    "encoded": GeneratorConfig(latent=5, width=16, depth=4, frequencies=3, scale=0.1),
}
each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def made(config: GeneratorConfig, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    generator = Generator(config)
    for norm in generator.norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    return generator


def inputs(shapes: int, count: int, latent: int = 5, dtype=torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(shapes, count, 3, dtype=dtype) * 2 - 1, torch.randn(
        shapes, latent, dtype=dtype
    )

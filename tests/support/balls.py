"""A small generator of round shapes, and its latents."""

import torch

from shapegan.model.networks.generator import Generator, GeneratorConfig


class Balls:
    """Stands in for a `Source` in tests of the viewer."""

    name = "balls"
    warp_device = "cpu"

    def __init__(self):
        torch.manual_seed(0)
        config = GeneratorConfig(latent=8, width=32, depth=4, initialisation="sphere")
        self.generator = Generator(config).requires_grad_(False)

    def latent(self, seed, truncation=1.0):
        return truncation * torch.randn(8, generator=torch.Generator().manual_seed(seed))

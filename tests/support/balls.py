"""A small generator of round shapes, and its latents."""

import torch

from shapegan.model.generation.learned import LearnedShape
from shapegan.model.networks.generator import Generator, GeneratorConfig

CATEGORIES = ("03001627", "lamps")


class Balls:
    """Stands in for a `Source` in tests of the viewer."""

    warp_device = "cpu"

    def __init__(self, name="balls"):
        self.name = name
        torch.manual_seed(0)
        config = GeneratorConfig(latent=8, width=32, depth=4, initialisation="sphere")
        self.generator = Generator(config).requires_grad_(False)

    def latent(self, seed, truncation=1.0):
        return truncation * torch.randn(8, generator=torch.Generator().manual_seed(seed))


def learned_balls(count, first=0):
    """Learned shapes of `Balls`, with ids 03001627/ball0, lamps/ball1, ..."""
    return [
        LearnedShape(
            f"{CATEGORIES[number % 2]}/ball{number}",
            CATEGORIES[number % 2],
            torch.randn(8, generator=torch.Generator().manual_seed(100 + number)),
        )
        for number in range(first, first + count)
    ]

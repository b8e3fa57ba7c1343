"""The generators of all recipes, and their settings."""

from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.networks.latent_generator import LatentGenerator, LatentGeneratorConfig

AnyGenerator = Generator | LatentGenerator
AnyGeneratorConfig = GeneratorConfig | LatentGeneratorConfig


def build_generator(config: AnyGeneratorConfig) -> AnyGenerator:
    """Build the network that settings describe, with new weights."""
    if isinstance(config, LatentGeneratorConfig):
        return LatentGenerator(config)
    return Generator(config)

"""Initial weights of a generator, drawn from torch's global random generator."""

import math
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from shapegan.model.networks.generator import Generator

_SPHERE_RADIUS = 0.5
_LATENT_SHARE = 0.1
"""Size of the latents' part of a layer, relative to the points' part, in `sphere`."""


def published(generator: "Generator") -> None:
    """U(-1 / sqrt(n), 1 / sqrt(n)) for n inputs of a layer: torch's default for `nn.Linear`.

    The published voxel generator concatenates points and latents, so n counts both. The published
    generator with layer norm adds up separate layers, so each has its own n.
    """
    config = generator.config
    first = config.encoded if config.norm else config.encoded + config.latent
    middle = config.width + first
    for index, layer in enumerate(generator.linears):
        inputs = {0: first, config.depth // 2: middle}.get(index, layer.in_features)
        _uniform(layer, inputs)
    _uniform(generator.points_again, middle)
    _uniform(generator.latent_first, config.latent if config.norm else first)
    _uniform(generator.latent_again, config.latent if config.norm else middle)


def _uniform(layer: nn.Linear, inputs: int) -> None:
    bound = 1 / math.sqrt(inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound)


def he(generator: "Generator") -> None:
    """N(0, 2 / n): features keep their variance from layer to layer (He et al. 2015, equation 10).

    Points and latent each contribute half of the variance in the first layer; points, latent and
    features a third each in the middle one, whatever their lengths.
    """
    config = generator.config
    points = 1.0 + 3.0 * config.frequencies  # mean squared length of an encoding in the cube
    linears = generator.linears
    for layer in linears:
        nn.init.normal_(layer.weight, std=math.sqrt(2 / config.width))
        nn.init.zeros_(layer.bias)
    nn.init.normal_(linears[0].weight, std=math.sqrt(1 / points))
    nn.init.normal_(generator.latent_first.weight, std=math.sqrt(1 / config.latent))
    nn.init.normal_(linears[config.depth // 2].weight, std=math.sqrt(2 / (3 * config.width)))
    nn.init.normal_(generator.points_again.weight, std=math.sqrt(2 / (3 * points)))
    nn.init.normal_(generator.latent_again.weight, std=math.sqrt(2 / (3 * config.latent)))
    nn.init.normal_(linears[-1].weight, std=math.sqrt(1 / config.width))


def sphere(generator: "Generator") -> None:
    """About |x| - radius, from the coordinates alone; latents perturb it a little.

    Hidden layers and their ReLUs preserve lengths, and the last layer sums up the features (Atzmon
    and Lipman 2020, SAL, theorem 1). Orthogonal weights preserve lengths better than SAL's normal
    ones.
    """
    config = generator.config
    for layer in generator.linears[:-1]:
        nn.init.orthogonal_(layer.weight, gain=math.sqrt(2))
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(generator.points_again.weight)
    nn.init.zeros_(generator.linears[0].weight[:, 3:])
    deviation = _LATENT_SHARE * math.sqrt(2 / (config.latent * config.width))
    nn.init.normal_(generator.latent_first.weight, std=deviation)
    nn.init.normal_(generator.latent_again.weight, std=deviation)
    last = generator.linears[-1]
    mean = math.sqrt(math.pi / config.width) / config.scale
    nn.init.normal_(last.weight, mean=mean, std=1e-4 * mean)
    nn.init.constant_(last.bias, -_SPHERE_RADIUS / config.scale)


INITIALISATIONS = {"published": published, "he": he, "sphere": sphere}

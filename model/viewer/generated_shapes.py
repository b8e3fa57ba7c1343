"""Shapes of a generator, by the positions of the page's controls: sliders -> latent -> surface."""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from shapegan.model.generation.paths import slerp
from shapegan.model.networks.any_generator import AnyGenerator
from shapegan.model.shapes.surface import Surface, extract


class LatentSource(Protocol):
    """A generator and the latents of seeds, such as a `Source`."""

    @property
    def generator(self) -> AnyGenerator:
        """On its device, without gradients."""

    def latent(self, seed: int, truncation: float = 1.0) -> Tensor:
        """Latent (Z,) of a seed, the same on each call."""


@dataclass(frozen=True)
class Controls:
    """Positions of all controls."""

    seed: int = 0
    other: int = 1
    """Seeds of the two shapes between which `blend` interpolates."""
    blend: float = 0.0
    """0: the shape of `seed`, 1: that of `other`."""
    truncation: float = 1.0
    """Factor that shrinks latents towards their mean."""
    offsets: tuple[float, ...] = ()
    """Offsets along the principal directions, units of the latent."""
    level: float = 0.0
    """Value of the field at the surface, frame units."""
    resolution: int = 64
    """Grid points along each axis."""

    def walked(self, distance: float) -> "Controls":
        """Controls after a walk from shape to shape; after `other` comes the seed that follows it.

        Args:
            distance: 1 is the distance from one shape to the next; not negative.
        """
        done, blend = divmod(self.blend + distance, 1.0)
        if done < 1:
            return dataclasses.replace(self, blend=blend)
        seed = self.other + int(done) - 1
        return dataclasses.replace(self, seed=seed, other=seed + 1, blend=blend)


def principal_directions(generator: AnyGenerator, count: int) -> Tensor:
    """Directions of latents that change the network's features most.

    The right singular vectors of the weights through which a latent enters both layers: SeFa, Shen
    and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs", equation 3. The sign is
    chosen so that the entry of largest magnitude is positive.

    Args:
        generator: Of latents (Z,).
        count: Number of directions, at most Z.

    Returns:
        (count, Z), orthonormal rows, the most influential one first.
    """
    weights = generator.latent_weights().detach()
    directions = torch.linalg.svd(weights, full_matrices=False).Vh[:count]
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    oriented: Tensor = directions * largest.sign()
    return oriented


class GeneratedShapes:
    """Shapes of a generator as functions of the controls.

    Args:
        source: Of the generator.
        count: Number of principal directions.
    """

    def __init__(self, source: LatentSource, count: int = 6) -> None:
        self._source = source
        self.directions = principal_directions(source.generator, count)

    def latent(self, controls: Controls) -> Tensor:
        """Latent (Z,) of the controls."""
        first, second = (
            self._source.latent(seed, controls.truncation)
            for seed in (controls.seed, controls.other)
        )
        latent = slerp(first, second, controls.blend)
        for offset, direction in zip(controls.offsets, self.directions, strict=False):
            latent = latent + offset * direction
        return latent

    def surface(self, controls: Controls) -> Surface:
        """Surface of the controls, in the generator's frame; it may be empty."""
        latent = self.latent(controls)
        return extract(self._source.generator, latent, controls.resolution, controls.level)

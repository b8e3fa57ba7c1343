"""What is seen of a generator: sliders -> a latent -> a surface."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Protocol

import torch
import trimesh
from torch import Tensor

from shapegan.model.networks.generator import Generator
from shapegan.model.shapes.surface import Surface, extract

FORMATS = ("glb", "obj", "ply", "stl")
"""Files that a mesh is given as."""


class Latents(Protocol):
    """A generator, and the latents of seeds."""

    @property
    def generator(self) -> Generator:
        """On its device, without gradients."""

    def latent(self, seed: int, truncation: float = 1.0) -> Tensor:
        """(Z,), the same for a seed always."""


@dataclass(frozen=True)
class Controls:
    """Where all sliders stand."""

    seed: int = 0
    other: int = 1
    """Seeds of the two shapes that are mixed."""
    blend: float = 0.0
    """0: the first shape, 1: the other."""
    truncation: float = 1.0
    """Shrinks latents towards their mean."""
    offsets: tuple[float, ...] = ()
    """How far to go along each principal direction."""
    level: float = 0.0
    """Value of the field at the surface, frame units."""
    resolution: int = 64
    """Points of the grid along each axis."""

    def walked(self, distance: float) -> "Controls":
        """So much farther on the way from shape to shape: after the other one comes the next seed.

        Args:
            distance: 1 is from one shape to the next; not negative.
        """
        done, blend = divmod(self.blend + distance, 1.0)
        if done < 1:
            return dataclasses.replace(self, blend=blend)
        seed = self.other + int(done) - 1
        return dataclasses.replace(self, seed=seed, other=seed + 1, blend=blend)


def blended(first: Tensor, second: Tensor, blend: float) -> Tensor:
    """A latent between two (Z,), on the arc whose length changes evenly (slerp, Shoemake 1985).

    Of normal latents nearly all have the same length, so a straight line would pass through ones
    that no generator has seen. Opposite or zero latents have no arc, and are joined by a line.
    """
    lengths = first.norm(), second.norm()
    if min(lengths) == 0:
        return torch.lerp(first, second, blend)
    cosine = float((first / lengths[0]) @ (second / lengths[1]))
    angle = math.acos(min(max(cosine, -1.0), 1.0))
    if min(angle, math.pi - angle) < 1e-4:
        return torch.lerp(first, second, blend)
    shares = math.sin((1 - blend) * angle), math.sin(blend * angle)
    direction = (shares[0] * first / lengths[0] + shares[1] * second / lengths[1]) / math.sin(angle)
    arc: Tensor = direction * torch.lerp(*lengths, blend)
    return arc


def principal_directions(generator: Generator, count: int) -> Tensor:
    """Directions of latents that change the network's features most: (count, Z), orthonormal.

    The right singular vectors of the weights through which a latent enters both layers (Shen and
    Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs", equation 3). Each points so
    that its largest number is positive.
    """
    weights = torch.cat([generator.latent_first.weight, generator.latent_again.weight])
    directions = torch.linalg.svd(weights.detach(), full_matrices=False).Vh[:count]
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    turned: Tensor = directions * largest.sign()
    return turned


class Shapes:
    """The shapes of a generator, by controls.

    Args:
        latents: Whose shapes.
        count: Principal directions.
    """

    def __init__(self, latents: Latents, count: int = 6) -> None:
        self._latents = latents
        self.directions = principal_directions(latents.generator, count)

    def latent(self, controls: Controls) -> Tensor:
        """The latent (Z,) that controls stand for."""
        ends = [
            self._latents.latent(s, controls.truncation) for s in (controls.seed, controls.other)
        ]
        latent = blended(ends[0], ends[1], controls.blend)
        for offset, direction in zip(controls.offsets, self.directions, strict=False):
            latent = latent + offset * direction
        return latent

    def surface(self, controls: Controls) -> Surface:
        """The surface that controls stand for, in the generator's frame; it may be empty."""
        latent = self.latent(controls)
        generator = self._latents.generator
        return extract(generator, latent, controls.resolution, controls.level)


def encoded(surface: Surface, suffix: str) -> bytes:
    """A mesh as the content of a file.

    Args:
        surface: Not empty.
        suffix: One of `FORMATS`.
    """
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    content = mesh.export(file_type=suffix)
    return content.encode() if isinstance(content, str) else bytes(content)

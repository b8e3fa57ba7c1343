"""Shapes of a generator, by the positions of the page's controls: sliders -> latent -> surface."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from shapegan.model.generation.learned import LearnedShape
from shapegan.model.generation.meshes import seed_name
from shapegan.model.generation.paths import slerp
from shapegan.model.networks.any_generator import AnyGenerator
from shapegan.model.shapes.surface import Surface, extract

Choice = int | str
"""A shape: a seed, or the id of a learned shape."""


class LatentSource(Protocol):
    """A generator and the latents of seeds, such as a `Source`."""

    @property
    def name(self) -> str:
        """Name of the run or the file."""

    @property
    def generator(self) -> AnyGenerator:
        """On its device, without gradients."""

    @property
    def warp_device(self) -> str:
        """Name of that device in Warp, which draws the pictures."""

    def latent(self, seed: int, truncation: float = 1.0) -> Tensor:
        """Latent (Z,) of a seed, the same on each call."""


@dataclass(frozen=True)
class Controls:
    """Positions of all controls."""

    first: Choice = 0
    second: Choice = 1
    """The two shapes between which `blend` interpolates."""
    blend: float = 0.0
    """0: the shape `first`, 1: `second`."""
    truncation: float = 1.0
    """Factor that shrinks the latents of seeds towards their mean."""
    offsets: tuple[float, ...] = ()
    """Offsets along the principal directions, units of the latent."""
    level: float = 0.0
    """Value of the field at the surface, frame units."""
    resolution: int = 64
    """Grid points along each axis."""

    @property
    def choices(self) -> tuple[Choice, Choice]:
        """Both shapes."""
        return self.first, self.second

    @property
    def file_name(self) -> str:
        """Name of a file of the shape, without suffix."""
        first, second = (_file_name(choice) for choice in self.choices)
        if not self.blend:
            return first
        return f"{first}-{second.removeprefix('seed-')}-{round(100 * self.blend):03d}"

    def walked(self, distance: float, learned: Sequence[str] = ()) -> "Controls":
        """Controls after a walk from shape to shape; see `following` for what comes next.

        Args:
            distance: 1 is the distance from one shape to the next; not negative.
            learned: Ids of the learned shapes, in their order.
        """
        done, blend = divmod(self.blend + distance, 1.0)
        first, second = self.choices
        for _ in range(int(done)):
            first, second = second, following(second, learned)
        return dataclasses.replace(self, first=first, second=second, blend=blend)


def following(choice: Choice, learned: Sequence[str]) -> Choice:
    """The next seed, or the next learned shape; the first one comes after the last one."""
    if isinstance(choice, int):
        return choice + 1
    return learned[(learned.index(choice) + 1) % len(learned)]


def _file_name(choice: Choice) -> str:
    return seed_name(choice) if isinstance(choice, int) else choice.replace("/", "-")


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
        learned: Learned shapes of an autodecoder; none for other generators.
        directions: (count, Z), in place of the generator's own principal directions.
    """

    def __init__(
        self,
        source: LatentSource,
        count: int = 6,
        learned: Sequence[LearnedShape] = (),
        directions: Tensor | None = None,
    ) -> None:
        self._source = source
        self.learned = {shape.id: shape for shape in learned}
        if directions is None:
            directions = principal_directions(source.generator, count)
        self.directions = directions

    @property
    def name(self) -> str:
        """Name of the generator."""
        return self._source.name

    @property
    def warp_device(self) -> str:
        """Device that draws pictures of the shapes."""
        return self._source.warp_device

    def missing(self, controls: Controls) -> str | None:
        """The first id among the controls that the generator has not learned, or None."""
        for choice in controls.choices:
            if isinstance(choice, str) and choice not in self.learned:
                return choice
        return None

    def latent(self, controls: Controls) -> Tensor:
        """Latent (Z,) of the controls.

        Raises:
            KeyError: the generator has not learned a shape; see `missing`.
        """
        first, second = (self._latent(choice, controls) for choice in controls.choices)
        latent = slerp(first, second, controls.blend)
        for offset, direction in zip(controls.offsets, self.directions, strict=False):
            latent = latent + offset * direction
        return latent

    def _latent(self, choice: Choice, controls: Controls) -> Tensor:
        if isinstance(choice, str):
            return self.learned[choice].latent
        return self._source.latent(choice, controls.truncation)

    def surface(self, controls: Controls) -> Surface:
        """Surface of the controls, in the generator's frame; it may be empty.

        Raises:
            KeyError: see `latent`.
        """
        latent = self.latent(controls)
        return extract(self._source.generator, latent, controls.resolution, controls.level)

"""Generator -> mesh: marching cubes (Lorensen and Cline 1987) on a sparsely evaluated grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shapegan.model.networks.generator import Frame, Generator
from shapegan.model.networks.latent_generator import LatentGenerator
from shapegan.model.shapes.sparse_grid import Grid, Points, evaluate_near_levels
from shapegan.pipeline.isosurface import extract_surface

Field = Callable[[Tensor], Tensor]

CHUNK = 16_384
"""Points of one call of the network on a CPU, which is fastest with this number."""
GPU_CHUNK = 2**18
"""Points of one call on a GPU: with fewer, its kernels are too short. A layer of width 256 takes
0.3 GB."""


class _Config(Protocol):
    @property
    def frame(self) -> Frame: ...


class DistanceField(Protocol):
    """Field of signed distances: a `Generator`, or anything with the same signature."""

    @property
    def config(self) -> _Config:
        """Settings; only `frame` is used here."""

    def __call__(self, points: Tensor, latents: Tensor) -> Tensor:
        """Signed distances (1, N) at points (N, 3) for one latent (1, Z)."""


def points_at_once(device: torch.device) -> int:
    """Number of points that a network is called with, unless a caller chooses it."""
    return GPU_CHUNK if device.type == "cuda" else CHUNK


@dataclass(frozen=True)
class Surface:
    """Closed triangle mesh with outward faces, in the frame of its generator."""

    vertices: NDArray[np.float32]
    """(V, 3), frame units; no rows if the surface is empty."""
    faces: NDArray[np.int32]
    """(F, 3), rows of `vertices`, counter-clockwise as seen from outside."""

    @property
    def empty(self) -> bool:
        """True if there are no faces."""
        return len(self.faces) == 0

    @classmethod
    def of_voxels(cls, voxels: NDArray[np.floating], level: float = 0.0) -> "Surface":
        """Surface of a grid of signed distances, by marching cubes.

        Args:
            voxels: (R, R, R) at the points `linspace(-1, 1, R)` of each axis, index order x, y, z.
            level: Value of the field at the surface.

        Raises:
            ValueError: if the grid is not a cube of finite numbers.
        """
        vertices, faces = extract_surface(voxels, level)
        return cls(vertices.astype(np.float32), faces)


def extract(
    generator: DistanceField,
    latent: Tensor,
    resolution: int = 128,
    level: float = 0.0,
    chunk: int | None = None,
    *,
    dense: bool = False,
) -> Surface:
    """Extract the surface where a generated field equals `level`.

    The grid is that of the dataset's voxels, `linspace(-1, 1, R)` along each axis. Everything
    beyond the grid counts as outside, and in the sphere frame everything beyond the unit ball, so
    the surface is closed there.

    Args:
        generator: Runs on the device of the latent.
        latent: (Z,).
        resolution: R, grid points along each axis.
        level: Value of the field at the surface, frame units; 0.04 in Kleineberg et al. 2020.
        chunk: Points of one call of the generator; bounds the memory. None: `points_at_once`.
        dense: Evaluate all R^3 points. Slow; the reference that tests compare with.

    Returns:
        The mesh; it has no faces if the whole grid is outside.

    Raises:
        ValueError: if the resolution is below 2, or the generator returns NaN or infinity.
    """
    return Surface.of_voxels(
        sample(generator, latent, resolution, level, chunk, dense=dense), level
    )


def extract_levels(
    generator: DistanceField,
    latent: Tensor,
    resolution: int,
    levels: Sequence[float],
    chunk: int | None = None,
) -> list[Surface]:
    """Extract the surfaces of several levels from one evaluation of the field.

    The surfaces equal those of `extract`. Levels a few voxels apart share most of the points near
    them, so this is faster than one call per level.

    Args:
        generator: See `extract`, as for `latent`, `resolution` and `chunk`.
        latent: (Z,).
        resolution: R.
        levels: L values of the field.
        chunk: Points of one call of the generator.

    Returns:
        L surfaces, in the order of `levels`.

    Raises:
        ValueError: see `extract`.
    """
    values = _sample(generator, latent, resolution, levels, chunk, dense=False)
    return [Surface.of_voxels(values, level) for level in levels]


def sample(
    generator: DistanceField,
    latent: Tensor,
    resolution: int,
    level: float,
    chunk: int | None = None,
    *,
    dense: bool = False,
) -> Grid:
    """Evaluate a generated field on a grid, near `level` only.

    Args:
        generator: See `extract`, as for the others.
        latent: (Z,).
        resolution: R.
        level: Value of the field near which the grid has to be exact.
        chunk: Points of one call of the generator.
        dense: Evaluate all points.

    Returns:
        (R, R, R) float32, frame units, index order x, y, z: exact at the corners of each cell that
        `level` passes through. Elsewhere, unless `dense`, a value comes from a coarser grid, and
        only its side of the level is right.

    Raises:
        ValueError: see `extract`.
    """
    return _sample(generator, latent, resolution, (level,), chunk, dense=dense)


def _sample(
    generator: DistanceField,
    latent: Tensor,
    resolution: int,
    levels: Sequence[float],
    chunk: int | None,
    *,
    dense: bool,
) -> Grid:
    if resolution < 2:
        raise ValueError(f"resolution: expected at least 2, got {resolution}")

    field = field_of(generator, latent[None])
    chunk = chunk or points_at_once(latent.device)

    def evaluate(points: Points) -> NDArray[np.float32]:
        return _evaluate(field, points, chunk, latent.device, generator.config.frame)

    return evaluate_near_levels(evaluate, resolution, levels, dense=dense)


def field_of(generator: DistanceField, latents: Tensor) -> Field:
    """Field of fixed latents (B, Z): points (N, 3) -> distances (B, N).

    A prior makes their codes once, rather than in each call of the field.
    """
    if not isinstance(generator, Generator | LatentGenerator):
        return lambda points: generator(points, latents)
    with torch.no_grad():
        codes = generator.codes(latents)
    return lambda points: generator.decode(points, codes)


@torch.no_grad()
def _evaluate(
    field: Field, points: Points, chunk: int, device: torch.device, frame: Frame
) -> NDArray[np.float32]:
    """Values (N,) of the field at points (N, 3), in float32."""
    values = np.empty(len(points), np.float32)
    for start in range(0, len(points), chunk):
        piece = torch.from_numpy(points[start : start + chunk]).to(device)
        values[start : start + chunk] = field(piece)[0].float().cpu().numpy()
    if not np.isfinite(values).all():
        raise ValueError("expected finite distances from the generator, got NaN or infinity")
    if frame == "sphere":
        # A point generator is trained inside the unit ball only; its values beyond are arbitrary.
        np.maximum(values, np.linalg.norm(points, axis=1) - 1, out=values)
    return values

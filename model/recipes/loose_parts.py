"""Loose parts of generated shapes, and a loss that joins them to the rest or takes them away.

A critic sees that shapes are torn, but hardly where. Persistent homology of dimension 0 tells: when
the level of a field rises, parts appear at their lowest places and join at saddles. A part is loose
if it is there at level 0 but joins the rest above it. The loss lowers the distance at the saddle or
raises the one at the part's lowest place, if that is far nearer to 0: it joins legs and takes
crumbs away (Clough et al. 2020; Gabrielsson et al. 2020, "A Topology Layer for Machine Learning";
for GANs Wang et al. 2020, TopoGAN).

Neighbours share a face of their voxels. Letters in shapes: B shapes, X, Y and Z sides of a grid, P
parts.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import generate_binary_structure, label
from skimage.morphology import reconstruction
from torch import Tensor
from torch.nn.functional import max_pool3d

from shapegan.model.streaming.stream import Stream
from shapegan.model.streaming.thin_parts import THIN_RESOLUTION, thickened, thin_part_distances

PARTS = 4
"""Loose parts of a shape that count, the deepest ones first."""
_REACH = 4.0
"""A part is joined across a saddle of up to so many times its depth."""
_LONGEST_PATH = 3
"""Length of the paths that are followed on a GPU, in sides of the grid."""
_FACES, _CORNERS = generate_binary_structure(3, 1), generate_binary_structure(3, 3)
"""Neighbourhoods of a voxel: those that share a face, or a corner, with it."""
_LEAST_SHARE = 1e-6
"""Instead of 0, to divide by; smaller than one shape's share of any batch."""
_MEASURED_SHAPES = 32
"""Training shapes that are looked at."""
_ALONG_AXES = ((3, 1, 1), (1, 3, 1), (1, 1, 3))
"""Kernels of a voxel and its two neighbours along an axis."""


@dataclass(frozen=True)
class LooseParts:
    """Distances at the places where the loose parts of B shapes are joined or taken away."""

    sdf: Tensor
    """(B, P) distances at the deciding places, with gradients."""
    signs: Tensor
    """(B, P) float32: 1 where a distance should fall, at a saddle; -1 where it should rise, at the
    lowest place of a part; 0: there is no such part."""

    @property
    def torn_share(self) -> Tensor:
        """Share of the shapes that have loose parts, a scalar."""
        return (self.signs != 0).any(dim=1).float().mean()

    def loss(self, torn: Tensor, allowed: float) -> Tensor:
        """Mean over shapes of the distances from 0, summed over parts: a scalar.

        Args:
            torn: Mean of `torn_share` over all processes.
            allowed: Share of torn shapes that costs nothing: as many are torn among the real ones.
        """
        excess = (torn - allowed).clamp(min=0) / torn.clamp(min=_LEAST_SHARE)
        return excess * (self.signs * self.sdf).sum(dim=1).mean()


def loose_parts(sdf: Tensor) -> LooseParts:
    """Loose parts of grids of distances (B, X, Y, Z), true or clipped."""
    places, signs = deciding_places(sdf.detach())
    return LooseParts(sdf.flatten(1).gather(1, places), signs)


@torch.no_grad()
def deciding_places(sdf: Tensor, parts: int = PARTS) -> tuple[Tensor, Tensor]:
    """The places of `LooseParts`, as positions in the flattened grids, and its signs: (B, P) each.

    Args:
        sdf: (B, X, Y, Z) distances.
        parts: P.
    """
    values, levels = sdf.flatten(1), joining_levels(sdf).flatten(1)
    left = (values < 0) & (levels > 0) & levels.isfinite()
    places, signs = [], []
    for _ in range(parts):
        lowest = torch.where(left, values, torch.inf).argmin(dim=1, keepdim=True)
        level, depth = levels.gather(1, lowest), values.gather(1, lowest)
        # Distances of a network do not tie, but where a clip saturates; there gradients are 0.
        saddle = (values == level).byte().argmax(dim=1, keepdim=True)
        join = level < -_REACH * depth
        places.append(torch.where(join, saddle, lowest))
        signs.append(torch.where(join, 1.0, -1.0) * left.any(dim=1, keepdim=True))
        left = left & (levels != level)
    return torch.cat(places, dim=1), torch.cat(signs, dim=1)


def joining_levels(sdf: Tensor) -> Tensor:
    """Levels at which voxels join the lowest one of their shape: (B, X, Y, Z).

    It is the least level of which a path leads there: the smallest maximum of distances along it.
    On a CPU, shapes without loose parts get their own distances. On a GPU, the level is infinite
    where paths are longer than three sides of the grid.

    Args:
        sdf: (B, X, Y, Z) distances.
    """
    if sdf.is_cuda:
        return pooled_levels(sdf, _LONGEST_PATH * max(sdf.shape[1:]))
    found = [_flooded_levels(grid) for grid in sdf.float().numpy()]
    return torch.from_numpy(np.stack(found)).to(sdf.dtype)


def pooled_levels(sdf: Tensor, longest: int) -> Tensor:
    """`joining_levels` by pooling, with no wait for a GPU; infinite where paths are longer.

    Args:
        sdf: (B, X, Y, Z) distances.
        longest: Steps of a path at most.
    """
    heights = -sdf
    flat = heights.flatten(1)
    lowest = flat.argmax(dim=1, keepdim=True)
    start = torch.full_like(flat, -torch.inf).scatter(1, lowest, flat.gather(1, lowest))
    reached = start.view_as(sdf)
    for _ in range(longest):
        along = [
            max_pool3d(reached, kernel, 1, [one // 2 for one in kernel]) for kernel in _ALONG_AXES
        ]
        reached = torch.minimum(heights, torch.stack(along).amax(dim=0))
    return -reached


def torn_share(stream: Stream, offset: float, half: bool) -> float:
    """Share of a stream's shapes, at most 32, that have several parts, 0 to 1.

    They are looked at on the finest stored grid, and parts that touch at a corner are one, so that
    shapes do not count whose thin parts a coarser grid tears.

    Args:
        stream: The training shapes.
        offset: Offset by which thin parts of grids of 64^3 are thickened, cube frame.
        half: Look at the half x > 0 only.

    Raises:
        StreamError: a shard is missing or damaged.
        DatasetError: the dataset has no voxels.
    """
    torn = []
    for grid in stream.whole_voxels(stream.finest, _MEASURED_SHAPES):
        sdf = grid
        if offset and len(grid) == THIN_RESOLUTION:
            thin = torch.from_numpy(thin_part_distances(grid.numpy())).float()
            sdf = thickened(grid, thin, torch.tensor(offset))
        torn.append(is_torn(sdf[len(grid) // 2 if half else 0 :].numpy(), _CORNERS))
    return sum(torn) / max(1, len(torn))


def is_torn(sdf: NDArray[np.floating], neighbours: NDArray[np.bool_] = _FACES) -> bool:
    """True if a grid's inside (X, Y, Z) is more than one component of neighbouring voxels."""
    return bool(label(sdf < 0, neighbours)[1] > 1)


def _flooded_levels(sdf: NDArray[np.float32]) -> NDArray[np.float32]:
    """`joining_levels` of one grid (X, Y, Z), by grey-scale reconstruction of its heights."""
    if not is_torn(sdf):
        return sdf
    heights = -sdf
    seeds = np.full_like(heights, heights.min())
    lowest = np.unravel_index(heights.argmax(), heights.shape)
    seeds[lowest] = heights[lowest]
    flooded = reconstruction(seeds, heights, footprint=_FACES)
    levels: NDArray[np.float32] = -flooded.astype(np.float32)
    return levels

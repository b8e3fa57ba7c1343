"""Points at which recipe `latent` compares a decoder with training shapes, and stretched shapes.

Letters in shapes: B shapes, R resolution, M voxels of a grid or of its half, n points.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from shapegan.model.recipes.step_random import STRETCH, RandomNumbers
from shapegan.pipeline.schema import voxel_spacing

NEAR_DISTANCE = 0.07
"""Distance from the surface, cube frame, below which a voxel counts as near."""
_LEAST_SLOPE = 0.5
"""Slope of a field below which its direction is uncertain, as halfway between two surfaces."""


def choose_places(sdf: Tensor, draws: Tensor, near_count: int) -> Tensor:
    """Choose voxels at random, most of them near the surface.

    Args:
        sdf: (B, M) signed distances.
        draws: (B, n) uniform numbers in [0, 1), one for each voxel to choose.
        near_count: Of the n, the first that are nearer to the surface than `NEAR_DISTANCE`; those
            of a shape that has none there are chosen from all.

    Returns:
        (B, n) int64, positions in M.
    """
    ranks = (sdf.abs() < NEAR_DISTANCE).cumsum(dim=1, dtype=torch.int32)
    total = ranks[:, -1:]
    wanted = (draws[:, :near_count] * total).floor().to(torch.int32) + 1
    near = torch.searchsorted(ranks, wanted.minimum(total))
    anywhere = (draws * sdf.shape[1]).long().clamp(max=sdf.shape[1] - 1)
    near = torch.where(total > 0, near, anywhere[:, :near_count])
    return torch.cat([near, anywhere[:, near_count:]], dim=1)


def moved_points(field: Tensor, rows: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Random points in the cells around voxels, and the field there, interpolated trilinearly.

    A decoder that sees voxels alone leaves specks and ripples between them.

    Args:
        field: (B, R, R, R) signed distances.
        rows: (B, n) positions in the R^3 voxels.
        draws: (B, n, 3) uniform numbers in [0, 1).

    Returns:
        Points (B, n, 3), cube frame, and distances (B, n).
    """
    size, steps = field.shape[1], []
    for axis, stride in enumerate((size * size, size, 1)):
        places = (rows // stride % size + draws[..., axis] - 0.5).clamp(0, size - 1)
        steps.append(places * voxel_spacing(size) - 1)
    points = torch.stack(steps, dim=-1)
    # torch's order: the last axis comes first
    at = points.flip(-1)[:, :, None, None]
    sdf = F.grid_sample(field[:, None], at, align_corners=True)
    return points, sdf[:, 0, :, 0, 0]


def stretch_factors(draws: Tensor, boxes: Tensor, spread: float) -> Tensor:
    """Factors (B, 3) that stretch shapes along the axes and keep their longest sides.

    Args:
        draws: (B, 3) standard normal numbers.
        boxes: (B, 3) half sizes of the shapes' bounding boxes.
        spread: Standard deviation of the logarithm of the factors, before the longest side is
            brought back to its length.
    """
    factors = (spread * draws).exp()
    longest = boxes.amax(dim=1, keepdim=True) / (factors * boxes).amax(dim=1, keepdim=True)
    return factors * longest


def drawn_factors(boxes: Tensor, random: RandomNumbers, copies: int, spread: float) -> Tensor:
    """Factors (B, C, 3) for C copies of each shape of boxes (B, 3); see `stretch_factors`."""
    draws = random.normal(STRETCH, len(boxes), copies, 3).flatten(0, 1)
    factors = stretch_factors(draws, boxes.repeat_interleave(copies, dim=0), spread)
    return factors.view(len(boxes), copies, 3)


def stretched_distances(voxels: Tensor, rows: Tensor, sdf: Tensor, factors: Tensor) -> Tensor:
    """Signed distances of stretched shapes at stretched points, exact to first order.

    The field f of a shape, at places moved back, is 0 on the stretched surface, but its slope
    there is |n / s|, where n is the direction of grad f and s are the factors. So f is divided by
    that. Where the direction is uncertain, f stays as it is.

    Args:
        voxels: (B, R, R, R) signed distances.
        rows: (B, n) positions in the R^3 voxels, of those nearest to the points.
        sdf: (B, n) distances at the points, which may have thicker thin parts.
        factors: (B, 3).
    """
    size = voxels.shape[1]
    flat, last = voxels.flatten(1), size - 1
    steps = []
    for stride in (size * size, size, 1):
        row = rows // stride % size
        after = flat.gather(1, rows + stride * (row < last))
        before = flat.gather(1, rows - stride * (row > 0))
        count = (row < last).int() + (row > 0).int()
        steps.append((after - before) / (count * voxel_spacing(size)))
    gradient = torch.stack(steps, dim=2)
    slope = gradient.norm(dim=2)
    ratio = (gradient / factors[:, None]).norm(dim=2) / slope.clamp(min=_LEAST_SLOPE)
    return torch.where(slope > _LEAST_SLOPE, sdf / ratio, sdf)

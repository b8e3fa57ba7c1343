"""Inputs of generators: their checks, mirrored points, and points in parts that fit into memory.

Letters in shapes: B shapes, N points, Z latent.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def check_inputs(points: Tensor, latents: Tensor, size: int, chunk: int | None) -> None:
    """Check the inputs of a generator.

    Args:
        points: (N, 3) shared by all shapes, or (B, N, 3).
        latents: (B, Z).
        size: Z.
        chunk: Rows to evaluate at once; None: all.

    Raises:
        ValueError: a tensor has the wrong shape, or the chunk is empty.
    """
    if latents.dim() != 2 or latents.shape[1] != size:
        raise ValueError(f"expected latents (B, {size}), got {tuple(latents.shape)}")
    own = points.dim() == 3 and len(points) == len(latents)
    if points.shape[-1] != 3 or not (points.dim() == 2 or own):
        raise ValueError(
            f"expected points (N, 3) or ({len(latents)}, N, 3), got {tuple(points.shape)}"
        )
    if chunk is not None and chunk < 1:
        raise ValueError(f"expected a chunk of at least 1 row, got {chunk}")


def on_one_side(points: Tensor) -> Tensor:
    """Points (..., 3) moved to x >= 0, where a shape that is its own mirror image is the same."""
    return torch.cat([points[..., :1].abs(), points[..., 1:]], dim=-1)


def split_points(points: Tensor, shapes: int, rows: int | None) -> Sequence[Tensor]:
    """Split points (..., N, 3) into about equal parts of at most `rows` points times shapes."""
    count = points.shape[-2]
    if rows is None or count == 0:
        return [points]
    parts = math.ceil(count / max(1, rows // shapes))
    return torch.split(points, math.ceil(count / parts), dim=-2)

"""Paths through latents, open or closed."""

import math
from typing import Literal

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

PathKind = Literal["spline", "spherical"]


def path_through(
    latents: Tensor, steps: int, kind: PathKind = "spline", *, closed: bool = False
) -> Tensor:
    """Latents on a path through given ones, evenly spaced in time.

    `spline`: cubic, smooth everywhere. `spherical`: along great circles (`slerp`), so each latent
    is about as long as its neighbours, as normal latents are; the direction changes abruptly at the
    given latents.

    Args:
        latents: (K, Z), K > 1, which the path passes in this order.
        steps: S, at least 2, number of latents to return.
        kind: Of the path.
        closed: Return to the first latent, which is not repeated at the end.

    Returns:
        (S, Z) float32 on the device of `latents`. The first row is latents[0]; the last row of an
        open path is latents[-1].

    Raises:
        ValueError: for fewer than 2 latents or steps.
    """
    if len(latents) < 2 or steps < 2:
        raise ValueError(f"expected 2 latents and 2 steps or more, got {len(latents)} and {steps}")
    knots = latents.detach().cpu().double()
    if closed:
        knots = torch.cat([knots, knots[:1]])
    times = np.linspace(0, len(knots) - 1, steps, endpoint=not closed)
    if kind == "spline":
        ends = "periodic" if closed else "natural"
        spline = CubicSpline(np.arange(len(knots)), knots.numpy(), bc_type=ends)
        path = torch.from_numpy(spline(times))
    else:
        before = np.minimum(times.astype(int), len(knots) - 2)
        places = zip(before.tolist(), (times - before).tolist(), strict=True)
        path = torch.stack([slerp(knots[k], knots[k + 1], t) for k, t in places])
    return path.float().to(latents.device)


def slerp(first: Tensor, second: Tensor, t: float) -> Tensor:
    """Spherical linear interpolation of two latents (Z,) (Shoemake 1985); t = 0 gives the first.

    The direction moves along the great circle and the length changes linearly. Normal latents of
    many dimensions all have nearly the same length, so a straight line between two of them would
    pass through latents that a generator was never trained on. Parallel, opposite and zero latents
    define no great circle, and are interpolated linearly.
    """
    start, end = first.double(), second.double()
    lengths = float(start.norm()), float(end.norm())
    angle = 0.0
    if min(lengths) > 0:
        angle = math.acos(min(max(float(start @ end) / (lengths[0] * lengths[1]), -1.0), 1.0))
    if math.sin(angle) < 1e-6:
        return ((1 - t) * start + t * end).to(first.dtype)
    length = (1 - t) * lengths[0] + t * lengths[1]
    weights = math.sin((1 - t) * angle), math.sin(t * angle)
    direction = weights[0] * start / lengths[0] + weights[1] * end / lengths[1]
    return (length * direction / math.sin(angle)).to(first.dtype)

"""Paths through latents: from shape to shape, and back to the first one."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor

PathKind = Literal["spline", "spherical"]
_Latent = NDArray[np.float64]


def path_through(
    latents: Tensor, steps: int, kind: PathKind = "spline", *, closed: bool = False
) -> Tensor:
    """Latents along a path, at even distances in time.

    `spline`: cubic and smooth everywhere, at the latents too. `spherical`: along great circles
    (Shoemake 1985), so that each latent is as long as those it lies between, as normal ones are;
    it turns abruptly at the latents.

    Args:
        latents: (K, Z), at least 2, that the path goes through in this order.
        steps: How many to give, S, at least 2.
        kind: Of the path.
        closed: Back to the first latent, which is not given twice.

    Returns:
        (S, Z) on the latents' device; the first is latents[0], the last latents[-1] of an open one.

    Raises:
        ValueError: for less than 2 latents or steps.
    """
    if len(latents) < 2 or steps < 2:
        raise ValueError(f"expected 2 latents and 2 steps or more, got {len(latents)} and {steps}")
    knots = latents.detach().cpu().double().numpy()
    if closed:
        knots = np.concatenate([knots, knots[:1]])
    times = np.linspace(0, len(knots) - 1, steps, endpoint=not closed)
    if kind == "spline":
        ends = "periodic" if closed else "natural"
        found = CubicSpline(np.arange(len(knots)), knots, bc_type=ends)(times)
    else:
        before = np.minimum(times.astype(int), len(knots) - 2)
        places = zip(before, times - before, strict=True)
        found = np.stack([_along_circle(knots[k], knots[k + 1], part) for k, part in places])
    return torch.from_numpy(found.astype(np.float32)).to(latents.device)


def _along_circle(start: _Latent, end: _Latent, part: float) -> _Latent:
    """From one latent (Z,) to another: direction on a great circle, length evenly."""
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) == 0:
        return (1 - part) * start + part * end
    cosine = start @ end / (lengths[0] * lengths[1])
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:
        return (1 - part) * start + part * end
    length = (1 - part) * lengths[0] + part * lengths[1]
    first, second = np.sin((1 - part) * angle), np.sin(part * angle)
    direction = first * start / lengths[0] + second * end / lengths[1]
    return np.asarray(length * direction / np.sin(angle))

"""Flows from noise to codes: their velocity followed by Heun's method, and the way back.

Letters in shapes: B shapes, Z code.
"""

from collections.abc import Callable

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""(B, Z) codes and a time in [0, 1] -> their velocity (B, Z)."""

_ITERATIONS = 20
"""Iterations that undo a step."""


def follow(velocity: Velocity, noise: Tensor, steps: int) -> Tensor:
    """Codes (B, Z) at time 1 of noise (B, Z) at time 0."""
    codes, size = noise, 1 / steps
    for step in range(steps):
        start = step * size
        before = velocity(codes, start)
        after = velocity(codes + size * before, start + size)
        codes = codes + size / 2 * (before + after)
    return codes


def undo(velocity: Velocity, codes: Tensor, steps: int) -> Tensor:
    """Noise (B, Z) that `follow` turns into some codes (B, Z).

    Each step is undone by fixed-point iteration, which converges where the velocity changes little
    over a step; `follow` shows how near the result came.
    """
    size = 1 / steps
    for step in reversed(range(steps)):
        start, before = step * size, codes
        for _ in range(_ITERATIONS):
            at_start = velocity(before, start)
            at_end = velocity(before + size * at_start, start + size)
            before = codes - size / 2 * (at_start + at_end)
        codes = before
    return codes


def shortened(vectors: Tensor, longest: Tensor) -> Tensor:
    """Vectors (B, Z), those shortened that are longer than `longest`, a scalar or (B, 1)."""
    # Without gradients, which would be NaN where nothing bounds the length.
    lengths = vectors.detach().norm(dim=1, keepdim=True).clamp(min=1e-12)
    result: Tensor = vectors * (longest / lengths).clamp(max=1.0)
    return result

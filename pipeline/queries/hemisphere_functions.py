"""Device functions: directions spread over the hemisphere above a surface.

`shapegan.pipeline.queries` explains how such files are written.
"""

# mypy: ignore-errors
# ruff: noqa: D103

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

start_warp()

GOLDEN_RATIO = wp.constant(0.61803398875)
"""The golden ratio minus 1: multiples of it, modulo 1, spread evenly."""


@wp.func
def perpendicular(normal: wp.vec3) -> wp.vec3:
    # Some unit vector at a right angle to a unit vector.
    axis = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(normal[0]) > 0.7:
        axis = wp.vec3(0.0, 1.0, 0.0)
    return wp.normalize(wp.cross(normal, axis))


@wp.func
def hemisphere_direction(normal: wp.vec3, square: float, turn: float) -> wp.vec3:
    # The direction above a point of the unit disc round the normal: `square` is the point's squared
    # radius, `turn` its angle in turns. Uniform points give cosine-weighted directions (Malley's
    # method).
    u = perpendicular(normal)
    v = wp.cross(normal, u)
    radius = wp.sqrt(square)
    angle = 2.0 * wp.pi * turn
    return radius * (wp.cos(angle) * u + wp.sin(angle) * v) + wp.sqrt(1.0 - square) * normal


@wp.func
def fibonacci_direction(normal: wp.vec3, i: int, k: int, rays: int) -> wp.vec3:
    # Ray k of `rays` of sample i: a Fibonacci spiral on the disc, turned by the golden ratio from
    # sample to sample. The directions are cosine-weighted and need no random numbers.
    turn = GOLDEN_RATIO * float(i)
    turn = turn - wp.floor(turn)
    return hemisphere_direction(
        normal, (float(k) + 0.5) / float(rays), turn + (1.0 - GOLDEN_RATIO) * float(k)
    )

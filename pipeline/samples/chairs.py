"""Designs of chairs: a base, a seat, a back and sometimes arms, each of several kinds."""

from collections.abc import Callable

import numpy as np

from shapegan.pipeline.samples.chair_backs import BACKS
from shapegan.pipeline.samples.chair_seat import Seat
from shapegan.pipeline.samples.parts import (
    Parts,
    Point,
    beam,
    both_sides,
    box,
    disc,
    lathe,
    oval,
    plate,
    post,
    rod,
    rounded_path,
    tube,
)


def chair(rng: np.random.Generator, number: int) -> tuple[Parts, Parts]:
    """Solid parts and bare sheets of a chair; 40 numbers cover all pairs of base and back."""
    seat = Seat(
        width=rng.uniform(0.42, 0.58),
        depth=rng.uniform(0.42, 0.54),
        top=rng.uniform(0.42, 0.5),
        thickness=rng.choice([rng.uniform(0.03, 0.05), rng.uniform(0.06, 0.11)]),
        back=rng.uniform(0.34, 0.6),
        lean=rng.uniform(2, 16),
    )
    parts = _BASES[number % len(_BASES)](seat, rng) + _seat(seat, rng)
    back, sheets = BACKS[number % len(BACKS)](seat, rng)
    if rng.random() < 0.45:
        back += _ARMS[rng.integers(len(_ARMS))](seat, rng)
    return parts + back, sheets


def _seat(seat: Seat, rng: np.random.Generator) -> Parts:
    center = (0.0, seat.top - seat.thickness / 2, 0.0)
    size = (seat.width, seat.thickness, seat.depth)
    style = rng.integers(4)
    if style == 0:
        return [box(center, size)]
    if style == 1:
        rounded = oval(seat.width - 0.02, seat.depth - 0.02, power=rng.uniform(3.0, 6.0))
        return [plate(rounded, seat.thickness - 0.02, center, 0.01)]
    if style == 2:
        front, side = seat.depth / 2 - 0.012, seat.width / 2 - 0.012
        narrow = side * rng.uniform(0.75, 0.95)
        outline = [[-side, -front], [side, -front], [narrow, front], [-narrow, front]]
        return [plate(outline, seat.thickness - 0.024, center, 0.012)]
    cushion = np.subtract(size, (0.02, seat.thickness - 0.06, 0.02))
    frame = box((0, seat.bottom + 0.015, 0), (seat.width, 0.03, seat.depth))
    return [frame, box((0, seat.top - 0.03, 0), cushion, rng.uniform(0.015, 0.029))]


def _square_legs(seat: Seat, rng: np.random.Generator) -> Parts:
    thick = rng.uniform(0.028, 0.05)
    x, z = seat.width / 2 - thick / 2, seat.depth / 2 - thick / 2
    top = seat.bottom + rng.choice([0.0, 0.02])
    parts: Parts = [
        beam((i * x, 0, j * z), (i * x, top, j * z), thick) for i in (-1, 1) for j in (-1, 1)
    ]
    if rng.random() < 0.6:
        low = rng.uniform(0.25, 0.6) * seat.bottom
        parts += [beam((i * x, low, -z), (i * x, low, z), 0.6 * thick) for i in (-1, 1)]
        parts.append(beam((-x, low, 0), (x, low, 0), 0.6 * thick))
    if rng.random() < 0.5:
        rail = (2 * x, 0.05, 0.022)
        parts += [box((0, seat.bottom - 0.02, j * z), rail) for j in (-1, 1)]
    return parts


def _splayed_legs(seat: Seat, rng: np.random.Generator) -> Parts:
    thick, splay = rng.uniform(0.016, 0.024), rng.uniform(0.02, 0.08)
    make = post if rng.random() < 0.5 else rod
    parts: Parts = []
    for i in (-1, 1):
        for j in (-1, 1):
            top = (0.34 * i * seat.width, seat.bottom + 0.015, 0.34 * j * seat.depth)
            foot = (top[0] + i * splay, thick, top[2] + j * splay)
            parts.append(make(foot, top, 0.7 * thick, 1.2 * thick))
    if rng.random() < 0.5:
        low, wide = 0.5 * seat.bottom, 0.34 * seat.width + splay / 2
        deep = 0.34 * seat.depth + splay / 2
        parts += [rod((i * wide, low, -deep), (i * wide, low, deep), 0.011) for i in (-1, 1)]
    return parts


def _pedestal(seat: Seat, rng: np.random.Generator) -> Parts:
    column = rng.uniform(0.022, 0.035)
    foot = rng.uniform(0.25, 0.32)
    hub = 0.08
    parts: Parts = [
        post((0, 0.03, 0), (0, 0.55 * seat.bottom, 0), 1.5 * column),
        post((0, 0.1, 0), (0, seat.bottom + 0.01, 0), column),
        disc((0, seat.bottom - 0.01, 0), 0.11, 0.03),
    ]
    if rng.random() < 0.4:
        high = [0, 0, 0.018, 0.04, 0.09, 0.09]
        profile = np.stack([[0, foot, foot, 0.35 * foot, 0.06, 0], high], axis=1)
        return [*parts, lathe(profile, (0, 0, 0))]
    count = int(rng.choice([4, 5, 5, 6]))
    for angle in np.arange(count) * 2 * np.pi / count:
        x, z = foot * np.sin(angle), foot * np.cos(angle)
        parts.append(rod((0, hub, 0), (x, 0.06, z), 0.028, 0.016))
        wheel = (-0.014 * np.cos(angle), 0.0, 0.014 * np.sin(angle))
        center = np.array([x, 0.03, z])
        parts.append(post(center - wheel, center + wheel, 0.03))
    return parts


def _sled(seat: Seat, rng: np.random.Generator) -> Parts:
    thick = rng.uniform(0.011, 0.016)
    x, z, top = seat.width / 2 - 0.03, seat.depth / 2 - 0.04, seat.bottom
    path = [(x, top, -z), (x, thick, -z - 0.02), (x, thick, z + 0.04), (x, top, z)]
    sides = [rounded_path(side, 0.06) for side in both_sides(path)]
    parts = [part for side in sides for part in tube(side, thick)]
    cross: list[float] = [-z, z] if rng.random() < 0.5 else [0.0]
    low = thick if len(cross) == 1 else top - thick / 2
    return parts + [rod((-x, low, at), (x, low, at), thick) for at in cross]


def _cantilever(seat: Seat, rng: np.random.Generator) -> Parts:
    thick = rng.uniform(0.012, 0.017)
    x, z, top = seat.width / 2 - 0.02, seat.depth / 2, seat.bottom
    path = [(x, thick, z + 0.05), (x, thick, -z - 0.01), (x, top, -z + 0.02), (x, top, z - 0.05)]
    parts = [part for side in both_sides(path) for part in tube(rounded_path(side, 0.09, 4), thick)]
    back = z + 0.05 if rng.random() < 0.7 else -z + 0.08
    return [*parts, rod((-x, thick, back), (x, thick, back), thick)]


def _block_arms(seat: Seat, rng: np.random.Generator) -> Parts:
    high, thick = rng.uniform(0.18, 0.25), rng.uniform(0.03, 0.05)
    x, z = seat.width / 2 + thick / 4, seat.depth / 2
    parts: Parts = []
    for i in (-1, 1):
        top = seat.top + high
        parts.append(box((i * x, top, 0.01), (thick, 0.03, 2 * z - 0.02)))
        parts.append(beam((i * x, seat.bottom, -z + 0.06), (i * x, top, -z + 0.06), 0.8 * thick))
    return parts


def _loop_arms(seat: Seat, rng: np.random.Generator) -> Parts:
    high, x, z = rng.uniform(0.18, 0.24), seat.width / 2, seat.depth / 2
    low = seat.top - seat.thickness / 2
    path: list[Point] = [(x - 0.02, low, -z + 0.08), (x + 0.03, seat.top + high, -z + 0.05)]
    path += [(x + 0.03, seat.top + high, z - 0.06), (x - 0.02, low, z - 0.08)]
    return [part for side in both_sides(path) for part in tube(rounded_path(side, 0.06), 0.014)]


def _side_panels(seat: Seat, rng: np.random.Generator) -> Parts:
    high, thick = rng.uniform(0.16, 0.25), rng.uniform(0.04, 0.08)
    low = seat.bottom - rng.uniform(0, 0.05)
    size = (thick, seat.top + high - low, seat.depth)
    x, y = (seat.width + thick) / 2 - 0.03, (seat.top + high + low) / 2
    return [box((i * x, y, 0), size, rng.choice([0.0, 0.018])) for i in (-1, 1)]


_BASES: tuple[Callable[[Seat, np.random.Generator], Parts], ...] = (
    _square_legs,
    _splayed_legs,
    _pedestal,
    _sled,
    _cantilever,
)
_ARMS = (_block_arms, _loop_arms, _side_panels)

"""Designs of sofas: straight, corner, with rolled arms, tub, tubular frame, curved, day bed."""

from dataclasses import dataclass

import numpy as np

from shapegan.pipeline.samples.parts import (
    Parts,
    arc,
    both_sides,
    box,
    lathe,
    post,
    rod,
    rotation,
    rounded_path,
    tube,
)


@dataclass(frozen=True)
class Frame:
    """Dimensions shared by the parts of one sofa, in metres."""

    width: float
    """Distance between the arms."""
    depth: float
    seat: float
    """Height of the seat cushions' upper side."""
    arm: float
    """Thickness of the arms."""
    arm_top: float
    back_top: float
    foot: float
    """Height of the legs."""
    rounding: float

    @property
    def side(self) -> float:
        """Distance of the arms' outer sides from the middle."""
        return self.width / 2 + self.arm


def sofa(rng: np.random.Generator, number: int) -> tuple[Parts, Parts]:
    """Solid parts of a sofa; the list of bare sheets is always empty."""
    seats = int(rng.integers(1, 4))
    frame = Frame(
        width=seats * rng.uniform(0.55, 0.68),
        depth=rng.uniform(0.8, 0.95),
        seat=rng.uniform(0.4, 0.47),
        arm=rng.uniform(0.09, 0.22),
        arm_top=rng.uniform(0.54, 0.66),
        back_top=rng.uniform(0.7, 0.9),
        foot=rng.uniform(0.05, 0.16),
        rounding=rng.uniform(0.015, 0.04),
    )
    parts = _DESIGNS[number % len(_DESIGNS)](frame, seats, rng)
    return parts, []


def _straight(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    parts = _base(frame) + _cushions(frame, seats) + _feet(frame, rng) + _back(frame, seats, rng)
    high = frame.arm_top - frame.foot
    size = (frame.arm, high, frame.depth)
    for i in (-1, 1):
        center = (i * (frame.width + frame.arm) / 2, frame.foot + high / 2, 0)
        parts.append(box(center, size, rng.choice([0.0, 0.9]) * frame.rounding))
    return parts


def _rolled(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    """Sofa whose arms, and sometimes its back, end in rolls."""
    roll = rng.uniform(0.08, 0.11)
    parts = _base(frame) + _cushions(frame, seats) + _feet(frame, rng)
    x, z, y = frame.width / 2 + frame.arm / 2, frame.depth / 2, frame.arm_top - roll
    for i in (-1, 1):
        wall = (frame.arm, y - frame.foot, frame.depth - 0.02)
        parts.append(box((i * x, (y + frame.foot) / 2, 0), wall))
        parts.append(post((i * x * 1.03, y, -z), (i * x * 1.03, y, z), roll))
    if rng.random() < 0.5:
        thick = 0.18
        wall = (frame.width + 0.04, y - frame.foot, thick)
        parts.append(box((0, (y + frame.foot) / 2, z - thick / 2), wall))
        side = frame.width / 2 + 0.05
        parts.append(post((-side, y, z - 0.1), (side, y, z - 0.1), roll))
        return parts
    return parts + _back(frame, seats, rng)


def _corner(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    """L-shaped sofa: a chaise longue extends forward on one side."""
    parts = _straight(frame, max(seats, 2), rng)
    hand = rng.choice([-1, 1])
    wide, long = rng.uniform(0.6, 0.72), rng.uniform(0.5, 0.8)
    x, z = hand * (frame.width / 2 - wide / 2 + frame.arm), -frame.depth / 2 - long / 2
    low, high = frame.foot, frame.seat - 0.14
    parts.append(box((x, (low + high) / 2, z + 0.02), (wide, high - low, long + 0.04)))
    cushion = (wide, 0.16, long + 0.1)
    parts.append(box((x, frame.seat - 0.08, z + 0.03), cushion, frame.rounding))
    for i in (-1, 1):
        foot = x + i * (wide / 2 - 0.07)
        parts.append(
            post((foot, 0, z - long / 2 + 0.07), (foot, low + 0.02, z - long / 2 + 0.07), 0.03)
        )
    return parts


def _metal(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    """Cushions in a frame of steel tubes."""
    thick, x, z = rng.uniform(0.018, 0.026), frame.width / 2 + 0.04, frame.depth / 2
    path = [(x, thick, -z), (x, frame.arm_top, -z), (x, frame.arm_top, z), (x, thick, z)]
    parts = [part for side in both_sides(path) for part in tube(rounded_path(side, 0.08), thick)]
    low = frame.seat - 0.2
    parts += [rod((-x, low, j), (x, low, j), thick) for j in (-z, 0.0, z)]
    parts += [rod((i * x, low, -z), (i * x, low, z), thick) for i in (-1, 1)]
    return parts + _cushions(frame, seats) + _back(frame, seats, rng)


def _curved(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    """Sector of a ring: seat and back follow an arc."""
    inner = rng.uniform(0.4, 0.6) + 0.1 * seats
    outer, angle = inner + 0.6, rng.uniform(90, 170)
    low = frame.foot
    center = (0.0, 0.0, 0.0)

    def bow(first: float, last: float, bottom: float, top: float, share: float = 1.0) -> Parts:
        profile = [[first, bottom], [last, bottom], [last, top], [first, top]]
        return [arc(center, profile, share * angle)]

    parts = bow(inner + 0.03, outer, low, frame.seat - 0.12)
    parts += bow(inner, outer - 0.05, frame.seat - 0.14, frame.seat)
    parts += bow(outer - 0.16, outer + 0.02, low + 0.02, frame.back_top - 0.1, 1.02)
    for at in np.radians(np.linspace(-0.45 * angle, 0.45 * angle, 4)):
        way = np.array([np.sin(at), 0, np.cos(at)])
        for radius in (inner + 0.1, outer - 0.1):
            parts.append(post(radius * way, radius * way + [0, low + 0.02, 0], 0.03))
    return parts


def _tub(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    """Single seat in a round shell."""
    radius = rng.uniform(0.36, 0.42) + 0.02 * seats
    thick = rng.uniform(0.07, 0.11)
    angle, top = rng.uniform(200, 250), frame.back_top - 0.12
    profile = [[radius - thick, frame.foot], [radius, frame.foot]]
    profile += [[radius + 0.05, top], [radius + 0.05 - thick, top]]
    seat = [[0, frame.foot + 0.02], [radius - 0.03, frame.foot + 0.02]]
    seat += [[radius - 0.03, frame.seat - 0.05], [radius - 0.08, frame.seat], [0, frame.seat]]
    parts: Parts = [arc((0, 0, 0), profile, angle), lathe(seat, (0, 0, 0))]
    for at in np.radians([45, 135, 225, 315]):
        foot = 0.75 * radius * np.array([np.sin(at), 0, np.cos(at)])
        parts.append(post(foot, foot + np.array([0, frame.foot + 0.04, 0]), 0.025, 0.035))
    return parts


def _day_bed(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    """Long seat with bolsters, and sometimes a back along a part of it."""
    long, deep = 1.4 + 0.2 * seats + rng.uniform(-0.1, 0.1), 0.7 * frame.depth
    x, y = long / 2, frame.seat - 0.15
    parts: Parts = [
        box((0, y, 0), (long, 0.06, deep)),
        box((0, frame.seat - 0.07, 0), (long - 0.04, 0.14, deep - 0.04), 0.035),
    ]
    for i in [-1, 1] if rng.random() < 0.5 else [1]:
        at, rise = i * (x - 0.12), frame.seat + 0.08
        parts.append(rod((at, rise, -deep / 2 + 0.12), (at, rise, deep / 2 - 0.12), 0.1))
    for i in (-1, 1):
        for j in (-deep / 2 + 0.05, deep / 2 - 0.05):
            parts.append(post((i * (x - 0.08), 0, j), (i * (x - 0.1), y, j), 0.022, 0.034))
    if rng.random() < 0.6:
        turn = rotation(x=12)
        center = (-0.15 * long, frame.seat + 0.18, deep / 2 - 0.06)
        parts.append(box(center, (0.66 * long, 0.42, 0.1), 0.03, turn))
    return parts


def _base(frame: Frame) -> Parts:
    high = frame.seat - 0.13 - frame.foot
    return [box((0, frame.foot + high / 2, 0), (frame.width + 0.02, high, frame.depth - 0.04))]


def _cushions(frame: Frame, seats: int) -> Parts:
    wide = frame.width / seats
    middles = wide * (np.arange(seats) + 0.5) - frame.width / 2
    size = (wide - 0.006, 0.16, frame.depth - 0.16)
    return [box((x, frame.seat - 0.08, -0.09), size, frame.rounding) for x in middles]


def _back(frame: Frame, seats: int, rng: np.random.Generator) -> Parts:
    """Wall with one or two cushions per seat that lean on it."""
    z, low = frame.depth / 2, frame.seat - 0.14
    wall = (frame.width + 0.02, frame.back_top - 0.08 - low, 0.12)
    parts: Parts = [box((0, low + wall[1] / 2, z - 0.06), wall)]
    count = seats if rng.random() < 0.7 else 2 * seats
    wide, high = frame.width / count, frame.back_top - frame.seat + 0.02
    turn = rotation(x=rng.uniform(6, 14))
    for x in wide * (np.arange(count) + 0.5) - frame.width / 2:
        center = (x, frame.seat + high / 2 - 0.01, z - 0.17)
        parts.append(box(center, (wide - 0.01, high, 0.15), 1.4 * frame.rounding, turn))
    return parts


def _feet(frame: Frame, rng: np.random.Generator) -> Parts:
    x, z, top = frame.side - 0.1, frame.depth / 2 - 0.09, frame.foot + 0.02
    style = rng.integers(3)
    if style == 0:
        return [box((0, top / 2, 0), (2 * x, top, 2 * z))]
    corners = [(i * x, j * z) for i in (-1, 1) for j in (-1, 1)]
    if style == 1:
        return [box((i, top / 2, j), (0.07, top, 0.07)) for i, j in corners]
    return [post((1.03 * i, 0, 1.05 * j), (i, top, j), 0.02, 0.034) for i, j in corners]


_DESIGNS = (_straight, _corner, _rolled, _tub, _metal, _curved, _day_bed)

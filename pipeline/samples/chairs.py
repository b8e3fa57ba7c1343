"""Designs of chairs: a base, a seat, a back and perhaps arms, each of several kinds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shapegan.pipeline.samples.bricks import (
    Parts,
    Point,
    arc,
    beam,
    bent,
    both,
    box,
    disc,
    lathe,
    oval,
    pad,
    plate,
    post,
    rod,
    rotation,
    tube,
)
from shapegan.pipeline.samples.primitives import Array


@dataclass(frozen=True)
class Seat:
    """Measures that the parts of one chair share, in metres."""

    width: float
    depth: float
    top: float
    """Height of the seat's upper side."""
    thickness: float
    back: float
    """How far the back rises above the seat."""
    lean: float
    """Of the back, in degrees."""

    @property
    def bottom(self) -> float:
        """Height of the seat's underside."""
        return self.top - self.thickness

    def on_back(self, x: float, rise: float, ahead: float = 0.0) -> Array:
        """A point of the back's middle plane: `rise` along it, `ahead` of it to the front."""
        lean = np.radians(self.lean)
        z = self.depth / 2 - 0.03 + rise * np.sin(lean) - ahead * np.cos(lean)
        return np.array([x, self.top + rise * np.cos(lean) + ahead * np.sin(lean), z])


def chair(rng: np.random.Generator, number: int) -> tuple[Parts, Parts]:
    """A chair's solid parts and its bare sheets; 40 numbers go through all bases and backs."""
    seat = Seat(
        width=rng.uniform(0.42, 0.58),
        depth=rng.uniform(0.42, 0.54),
        top=rng.uniform(0.42, 0.5),
        thickness=rng.choice([rng.uniform(0.03, 0.05), rng.uniform(0.06, 0.11)]),
        back=rng.uniform(0.34, 0.6),
        lean=rng.uniform(2, 16),
    )
    parts = _BASES[number % len(_BASES)](seat, rng) + _seat(seat, rng)
    back, sheets = _BACKS[number % len(_BACKS)](seat, rng)
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
    sides = [bent(side, 0.06) for side in both(path)]
    parts = [part for side in sides for part in tube(side, thick)]
    cross: list[float] = [-z, z] if rng.random() < 0.5 else [0.0]
    low = thick if len(cross) == 1 else top - thick / 2
    return parts + [rod((-x, low, at), (x, low, at), thick) for at in cross]


def _cantilever(seat: Seat, rng: np.random.Generator) -> Parts:
    thick = rng.uniform(0.012, 0.017)
    x, z, top = seat.width / 2 - 0.02, seat.depth / 2, seat.bottom
    path = [(x, thick, z + 0.05), (x, thick, -z - 0.01), (x, top, -z + 0.02), (x, top, z - 0.05)]
    parts = [part for side in both(path) for part in tube(bent(side, 0.09, 4), thick)]
    back = z + 0.05 if rng.random() < 0.7 else -z + 0.08
    return [*parts, rod((-x, thick, back), (x, thick, back), thick)]


def _vertical(seat: Seat, thick: float) -> Parts:
    """The two posts of a back."""
    x = seat.width / 2 - thick
    return [
        beam(seat.on_back(i * x, -0.05), seat.on_back(i * x, seat.back), thick) for i in (-1, 1)
    ]


def _panel(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    thick = rng.uniform(0.03, 0.07)
    size = (seat.width, seat.back + 0.04, thick)
    rounding = rng.choice([0.0, 0.4 * thick])
    return [box(seat.on_back(0, seat.back / 2), size, rounding, rotation(x=seat.lean))], []


def _slats(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    thick = rng.uniform(0.028, 0.042)
    wide = seat.width - 2 * thick
    turn = rotation(x=seat.lean)
    parts = _vertical(seat, thick)
    for rise in (0.07, seat.back - 0.04):
        parts.append(box(seat.on_back(0, rise), (wide + thick, 0.07, 0.026), 0.0, turn))
    count = int(rng.integers(3, 7))
    for x in wide * ((np.arange(count) + 0.5) / count - 0.5):
        start, end = seat.on_back(x, 0.06), seat.on_back(x, seat.back - 0.04)
        parts.append(beam(start, end, 0.45 * wide / count, 0.02))
    return parts, []


def _ladder(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    thick = rng.uniform(0.028, 0.042)
    count = int(rng.integers(2, 6))
    high = rng.uniform(0.45, 0.7) * seat.back / count
    parts = _vertical(seat, thick)
    for rise in seat.back * (np.arange(count) + 0.7) / count - 0.02:
        size = (seat.width - thick, high, 0.024)
        center = seat.on_back(0, min(rise, seat.back - high / 2))
        parts.append(box(center, size, 0.0, rotation(x=seat.lean)))
    return parts, []


def _wrapped(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """A curved shell around the sitter, held by spindles or down to the seat."""
    radius, thick = seat.width / 2, rng.uniform(0.026, 0.045)
    angle = rng.uniform(130, 230)
    center = np.array([0, seat.top, seat.depth / 2 - radius + 0.01])
    low = rng.choice([-0.02, 0.5 * seat.back])
    profile = [[radius - thick, low], [radius, low]]
    lean = 0.15 * seat.back
    profile += [[radius + lean, 0.8 * seat.back], [radius + lean - thick, 0.8 * seat.back]]
    parts: Parts = [arc(center, profile, angle)]
    if low > 0:
        middle = radius - thick / 2
        for at in np.radians(np.linspace(-0.42 * angle, 0.42 * angle, 5)):
            foot = center + np.array([0.9 * middle * np.sin(at), -0.02, 0.9 * middle * np.cos(at)])
            top = center + np.array([middle * np.sin(at), low + 0.03, middle * np.cos(at)])
            parts.append(rod(foot, top, 0.012))
    return parts, []


def _hoop(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """A Windsor back: a bow and the spindles below it."""
    half, rise = seat.width / 2 - 0.03, seat.back
    corner = rng.uniform(2.0, 3.5)
    angle = np.linspace(0, np.pi, 19)
    xs = half * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / corner)
    ys = -0.03 + (rise + 0.03) * np.sin(angle) ** (2 / corner)
    parts = tube([seat.on_back(x, y) for x, y in zip(xs, ys, strict=True)], 0.015)
    count = int(rng.integers(4, 8))
    for x in half * (2 * (np.arange(count) + 1) / (count + 1) - 1):
        top = rise * (1 - abs(x / half) ** corner) ** (1 / corner)
        parts.append(rod(seat.on_back(0.85 * x, -0.02), seat.on_back(x, top), 0.011, 0.009))
    return parts, []


def _medallion(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """A round or oval back on two stiles."""
    radius = min(seat.width, seat.back) * rng.uniform(0.42, 0.5)
    center = seat.on_back(0, seat.back - radius + 0.05)
    normal = seat.on_back(0, 0, 1) - seat.on_back(0, 0)
    parts: Parts = [pad(center, radius, rng.uniform(0.035, 0.06), normal)]
    for i in (-1, 1):
        x = 0.55 * i * radius
        parts.append(rod(seat.on_back(x, -0.03), center + np.array([x, -0.3 * radius, 0]), 0.015))
    return parts, []


def _padded(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """An upholstered back with a head rest, or a low one on a bar."""
    turn = rotation(x=seat.lean)
    thick = rng.uniform(0.06, 0.1)
    if rng.random() < 0.5:
        tall = 0.45 * seat.back
        center = seat.on_back(0, seat.back - tall / 2)
        bar = tube([seat.on_back(0, -0.02, -0.05), seat.on_back(0, seat.back - tall, -0.04)], 0.02)
        return [*bar, box(center, (0.9 * seat.width, tall + 0.06, thick), 0.03, turn)], []
    head = seat.on_back(0, seat.back + 0.1)
    return [
        box(seat.on_back(0, seat.back / 2), (seat.width, seat.back, thick), 0.03, turn),
        box(head, (0.6 * seat.width, 0.16, 0.8 * thick), 0.024, turn),
        *tube([seat.on_back(0, seat.back - 0.05), head], 0.016),
    ], []


def _sling(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """Cloth between two posts: a bare sheet."""
    thick = rng.uniform(0.03, 0.04)
    low, high = 0.3 * seat.back, seat.back - 0.02
    x = seat.width / 2 - 1.5 * thick
    middle = (high - low) / 2
    cloth = plate(
        [[-x, -middle], [x, -middle], [x, middle], [-x, middle]],
        0.0,
        seat.on_back(0, low + middle),
        turn=rotation(x=seat.lean + 90),
    )
    return _vertical(seat, thick), [cloth]


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
    return [part for side in both(path) for part in tube(bent(side, 0.06), 0.014)]


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
_BACKS: tuple[Callable[[Seat, np.random.Generator], tuple[Parts, Parts]], ...] = (
    _slats,
    _wrapped,
    _panel,
    _ladder,
    _padded,
    _hoop,
    _medallion,
    _sling,
)
_ARMS = (_block_arms, _loop_arms, _side_panels)

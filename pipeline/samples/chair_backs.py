"""Designs of chair backs."""

from collections.abc import Callable

import numpy as np

from shapegan.pipeline.samples.chair_seat import Seat
from shapegan.pipeline.samples.parts import (
    Parts,
    arc,
    beam,
    box,
    pad,
    plate,
    rod,
    rotation,
    tube,
)


def _vertical(seat: Seat, thick: float) -> Parts:
    """Two posts of a back."""
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
    """Curved shell around the sitter, on spindles or down to the seat."""
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
    """Windsor back: a bow with spindles below it."""
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
    """Round back on two stiles."""
    radius = min(seat.width, seat.back) * rng.uniform(0.42, 0.5)
    center = seat.on_back(0, seat.back - radius + 0.05)
    normal = seat.on_back(0, 0, 1) - seat.on_back(0, 0)
    parts: Parts = [pad(center, radius, rng.uniform(0.035, 0.06), normal)]
    for i in (-1, 1):
        x = 0.55 * i * radius
        parts.append(rod(seat.on_back(x, -0.03), center + np.array([x, -0.3 * radius, 0]), 0.015))
    return parts, []


def _padded(seat: Seat, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """Upholstered back: a low one on a bar, or a high one with a head rest."""
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


BACKS: tuple[Callable[[Seat, np.random.Generator], tuple[Parts, Parts]], ...] = (
    _slats,
    _wrapped,
    _panel,
    _ladder,
    _padded,
    _hoop,
    _medallion,
    _sling,
)
"""Functions that give the solid parts and the bare sheets of a back."""

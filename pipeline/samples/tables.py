"""Designs of tables: tops, supports under them, and sometimes objects on them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shapegan.pipeline.samples.parts import (
    Parts,
    beam,
    both_sides,
    box,
    disc,
    lathe,
    oval,
    pad,
    plate,
    post,
    rod,
    rounded_path,
    tube,
)
from shapegan.pipeline.samples.primitives import Primitive


@dataclass(frozen=True)
class Top:
    """Dimensions shared by the parts of one table, in metres."""

    width: float
    depth: float
    height: float
    """Height of the upper side."""
    thickness: float
    corner_share: float
    """Largest distance of legs from the middle, as a share of half the width and depth."""

    @property
    def bottom(self) -> float:
        """Height of the underside."""
        return self.height - self.thickness

    def corners(self, inset: float) -> list[tuple[float, float]]:
        """Positions (x, z) of four legs."""
        x = self.corner_share * self.width / 2 - inset
        z = self.corner_share * self.depth / 2 - inset
        return [(i * x, j * z) for i in (-1, 1) for j in (-1, 1)]


def table(rng: np.random.Generator, number: int) -> tuple[Parts, Parts]:
    """Solid parts and bare sheets of a table; 35 numbers cover all pairs of top and support."""
    low = rng.random() < 0.3
    make, share = _TOPS[number % len(_TOPS)]
    width = rng.uniform(0.8, 1.6)
    top = Top(
        width=width,
        depth=width if make in (_disc, _octagon) else width * rng.uniform(0.45, 0.75),
        height=rng.uniform(0.36, 0.48) if low else rng.uniform(0.68, 0.78),
        thickness=rng.uniform(0.032, 0.06),
        corner_share=share,
    )
    parts = [make(top, rng), *_SUPPORTS[number % len(_SUPPORTS)](top, rng)]
    if rng.random() < 0.35:
        more, sheets = _LOADS[rng.integers(len(_LOADS))](top, rng)
        return parts + more, sheets
    return parts, []


def _middle(top: Top) -> tuple[float, float, float]:
    return (0.0, top.height - top.thickness / 2, 0.0)


def _rectangle(top: Top, rng: np.random.Generator) -> Primitive:
    rounding = rng.choice([0.0, 0.3 * top.thickness])
    return box(_middle(top), (top.width, top.thickness, top.depth), rounding)


def _disc(top: Top, rng: np.random.Generator) -> Primitive:
    make = disc if rng.random() < 0.5 else pad
    return make(_middle(top), top.width / 2, top.thickness)


def _soft_rectangle(top: Top, rng: np.random.Generator) -> Primitive:
    outline = oval(top.width, top.depth, power=rng.uniform(3.5, 7))
    return plate(outline, top.thickness, _middle(top))


def _octagon(top: Top, rng: np.random.Generator) -> Primitive:
    count = int(rng.choice([6, 8]))
    return plate(oval(top.width, top.depth, count), top.thickness, _middle(top))


def _ellipse(top: Top, rng: np.random.Generator) -> Primitive:
    rounding = rng.uniform(0.1, 0.4) * top.thickness
    outline = oval(top.width - 2 * rounding, top.depth - 2 * rounding, 64)
    return plate(outline, top.thickness - 2 * rounding, _middle(top), rounding)


def _square_legs(top: Top, rng: np.random.Generator) -> Parts:
    thick = rng.uniform(0.045, 0.08)
    parts: Parts = [
        beam((x, 0, z), (x, top.bottom, z), thick) for x, z in top.corners(0.5 * thick + 0.01)
    ]
    x, z = top.corners(0.5 * thick + 0.01)[-1]
    if rng.random() < 0.7:
        y = top.bottom - 0.04
        parts += [box((0, y, j * z), (2 * x, 0.08, 0.03)) for j in (-1, 1)]
        parts += [box((i * x, y, 0), (0.03, 0.08, 2 * z)) for i in (-1, 1)]
    if rng.random() < 0.4:
        parts.append(box((0, 0.35 * top.height, 0), (2 * x, 0.035, 2 * z)))
    return parts


def _splayed_legs(top: Top, rng: np.random.Generator) -> Parts:
    thick, splay = rng.uniform(0.017, 0.025), rng.uniform(0.02, 0.09)
    parts: Parts = []
    for x, z in top.corners(0.15):
        foot = (x + np.sign(x) * splay, 0, z + np.sign(z) * splay)
        parts.append(post(foot, (x, top.bottom + 0.01, z), thick, 1.6 * thick))
    return parts


def _baluster(top: Top, rng: np.random.Generator) -> Parts:
    """Turned column on a round foot, or on three or four bowed legs."""
    high, thick = top.bottom + 0.01, rng.uniform(0.04, 0.06)
    wide = rng.uniform(1.3, 1.9) * thick
    rises = np.array([0.0, 0.12, 0.2, 0.3, 0.42, 0.55, 0.7, 0.85, 0.9, 1.0]) * (high - 0.06) + 0.06
    radii = [wide, wide, thick, 1.1 * thick, wide, 1.5 * thick, thick, 0.9 * thick, wide, wide]
    column = np.stack([[0, *radii, 0], [rises[0], *rises, rises[-1]]], axis=1)
    foot = rng.uniform(0.27, 0.35) * min(top.width, top.depth)
    if rng.random() < 0.5:
        base = np.stack([[0, foot, foot, wide, 0], [0, 0, 0.03, 0.07, 0.07]], axis=1)
        return [lathe(column, (0, 0, 0)), lathe(base, (0, 0, 0))]
    parts: Parts = [lathe(column, (0, 0, 0))]
    count = int(rng.choice([3, 4]))
    for angle in np.arange(count) * 2 * np.pi / count + 0.5:
        way = np.array([np.sin(angle), 0, np.cos(angle)])
        rise = np.array([[0, 0.18, 0], [0, 0.16, 0], [0, 0.025, 0]])
        path = list(rise + np.outer([0, 0.6 * foot, 1.3 * foot], way))
        parts += tube(rounded_path(path, 0.1), 0.025)
    return parts


def _trestle(top: Top, rng: np.random.Generator) -> Parts:
    x, z = 0.36 * top.width, 0.42 * top.corner_share * top.depth
    thick = rng.uniform(0.045, 0.07)
    parts: Parts = [beam((-x, 0.3 * top.height, 0), (x, 0.3 * top.height, 0), thick, 0.8 * thick)]
    crossed = rng.random() < 0.5
    for i in (-x, x):
        for j in (-1, 1):
            start = (i, 0, j * z) if crossed else (i, 0, 0.75 * j * z)
            end = (i, top.bottom, -j * z if crossed else 0.2 * j * z)
            parts.append(beam(start, end, thick, 0.7 * thick))
        parts.append(box((i, top.bottom - 0.02, 0), (0.7 * thick, 0.05, 2 * z)))
    return parts


def _panels(top: Top, rng: np.random.Generator) -> Parts:
    thick = rng.uniform(0.03, 0.05)
    share = top.corner_share
    x, deep = share * top.width / 2 - thick / 2, share * top.depth * 0.95
    size = (thick, top.bottom, deep)
    parts: Parts = [box((i * x, top.bottom / 2, 0), size) for i in (-1, 1)]
    high = rng.uniform(0.3, 0.7) * top.bottom
    parts.append(box((0, top.bottom - high / 2, deep / 2 - 0.06), (2 * x, high, 0.03)))
    return parts


def _pedestal_desk(top: Top, rng: np.random.Generator) -> Parts:
    """Drawers on one side or both, legs on the other."""
    share = top.corner_share
    wide, deep = 0.27 * share * top.width, 0.9 * share * top.depth
    low = rng.choice([0.0, 0.05])
    x = share * top.width / 2 - wide / 2 - 0.01
    sides = [1, -1] if rng.random() < 0.5 else [1]
    parts: Parts = []
    for i in sides:
        parts.append(box((i * x, (low + top.bottom) / 2, 0), (wide, top.bottom - low, deep)))
        for row in range(count := int(rng.integers(2, 5))):
            high = (top.bottom - low) / count
            y = low + (row + 0.5) * high
            parts.append(box((i * x, y, -deep / 2), (0.9 * wide, 0.88 * high, 0.04), 0.008))
            parts.append(rod((i * x, y, -deep / 2), (i * x, y, -deep / 2 - 0.04), 0.012, 0.018))
    if len(sides) == 1:
        x = share * top.width / 2 - 0.04
        parts += [beam((-x, 0, j), (-x, top.bottom, j), 0.05) for j in (-deep / 2.3, deep / 2.3)]
    return parts


def _sled(top: Top, rng: np.random.Generator) -> Parts:
    thick = rng.uniform(0.018, 0.028)
    x, z = top.corners(0.08)[-1]
    slant = rng.uniform(0.0, 0.06)
    path = [(x - slant, top.bottom, -z), (x, thick, -z), (x, thick, z), (x - slant, top.bottom, z)]
    parts = [part for side in both_sides(path) for part in tube(rounded_path(side, 0.07), thick)]
    if rng.random() < 0.5:
        parts.append(rod((-x, thick, 0), (x, thick, 0), thick))
    return parts


def _lamp(top: Top, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """Table lamp; its shade is a bare sheet."""
    x, y = 0.25 * top.width, top.height
    wide = rng.uniform(0.1, 0.14)
    radii = [0, 0.09, 0.09, 0.03, 0.055, 0.02, 0]
    body = np.stack([radii, [0, 0, 0.02, 0.05, 0.12, 0.2, 0.2]], axis=1)
    parts: Parts = [lathe(body, (x, y, 0)), rod((x, y + 0.18, 0), (x, y + 0.36, 0), 0.018)]
    shade = lathe([[wide, 0.2], [0.6 * wide, 0.4]], (x, y, 0))
    return parts, [shade]


def _books(top: Top, rng: np.random.Generator) -> tuple[Parts, Parts]:
    y, parts = top.height, []
    for _ in range(int(rng.integers(2, 5))):
        size = (rng.uniform(0.2, 0.28), rng.uniform(0.03, 0.05), rng.uniform(0.14, 0.2))
        parts.append(box((-0.2 * top.width, y + size[1] / 2, 0), size))
        y += size[1]
    return [*parts], []


def _vase(top: Top, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """Open bowl or vase, whose cavity is outside of the solid."""
    wide, high, wall = rng.uniform(0.09, 0.15), rng.uniform(0.12, 0.3), 0.025
    outer = [[0.0, 0.0], [0.6 * wide, 0], [wide, 0.45 * high], [0.75 * wide, high]]
    inner = [[0.75 * wide - wall, high], [wide - wall, 0.45 * high]]
    inner += [[0.6 * wide - wall / 2, 0.03], [0, 0.03]]
    return [lathe(np.array(outer + inner), (0, top.height, 0))], []


def _cloth(top: Top, rng: np.random.Generator) -> tuple[Parts, Parts]:
    """Cloth that hangs down at two ends or all around: bare sheets."""
    drop, x = rng.uniform(0.12, 0.25), top.width / 2 + 0.004
    if top.width == top.depth:
        skirt = [[x, 0.0], [x + 0.2 * drop, -drop]]
        return [], [lathe(np.array(skirt), (0, top.height - 0.5 * top.thickness, 0))]
    deep = 0.4 * top.depth * (1 if top.corner_share == 1 else 0.3)
    outline = [[-drop / 2, -deep], [drop / 2, -deep], [drop / 2, deep], [-drop / 2, deep]]
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    center = top.height - top.thickness / 2 - drop / 2
    return [], [plate(outline, 0.0, (i * x, center, 0), turn=turn) for i in (-1, 1)]


_TOPS: tuple[tuple[Callable[[Top, np.random.Generator], Primitive], float], ...] = (
    (_rectangle, 1.0),
    (_disc, 0.68),
    (_soft_rectangle, 0.86),
    (_ellipse, 0.68),
    (_octagon, 0.68),
)
_SUPPORTS: tuple[Callable[[Top, np.random.Generator], Parts], ...] = (
    _square_legs,
    _baluster,
    _trestle,
    _splayed_legs,
    _pedestal_desk,
    _sled,
    _panels,
)
_LOADS = (_lamp, _books, _vase, _cloth)

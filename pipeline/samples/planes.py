"""Designs of aeroplanes: airliners, business jets, light aircraft, fighters, biplanes, gliders.

The nose points to -z.
"""

import numpy as np

from shapegan.pipeline.samples.parts import (
    Parts,
    beam,
    box,
    lathe,
    pad,
    plate,
    rod,
    rotation,
)
from shapegan.pipeline.samples.primitives import Array, Prism, Turned

_FORWARD = np.array([0.0, 0.0, -1.0])
_UP = np.array([0.0, 1.0, 0.0])


def plane(rng: np.random.Generator, number: int) -> tuple[Parts, Parts]:
    """Solid parts of an aeroplane and its bare sheets (the discs of turning propellers)."""
    return _DESIGNS[number % len(_DESIGNS)](rng)


def _airliner(rng: np.random.Generator) -> tuple[Parts, Parts]:
    long, wide = rng.uniform(1.7, 2.2), rng.uniform(0.09, 0.12)
    span, sweep = rng.uniform(0.85, 1.05), rng.uniform(22, 36)
    high_tail = rng.random() < 0.35
    parts: Parts = [_fuselage(long, wide)]
    wing = _Wing(span, 0.38, 0.11, sweep, rng.uniform(3, 7), 0.046)
    parts += wing.pair(np.array([0, -0.35 * wide, -0.08 * long]))
    parts += _tail(long, wide, rng, high_tail)
    if high_tail:
        spots = [(1.45 * wide, 0.3 * wide, 0.3 * long)]
    else:
        near = (0.34 * span, -0.95 * wide, wing.leading(0.34) - 0.14 - 0.08 * long)
        far = (0.62 * span, -0.75 * wide, wing.leading(0.62) - 0.13 - 0.08 * long)
        spots = [near, far] if rng.random() < 0.35 else [near]
    return parts + [part for spot in spots for part in _jets(spot, rng.uniform(0.04, 0.052))], []


def _business(rng: np.random.Generator) -> tuple[Parts, Parts]:
    long, wide = rng.uniform(1.5, 1.8), rng.uniform(0.11, 0.14)
    parts: Parts = [_fuselage(long, wide)]
    wing = _Wing(rng.uniform(0.7, 0.85), 0.34, 0.12, rng.uniform(12, 25), 4, 0.036)
    parts += wing.pair(np.array([0, -0.5 * wide, 0.0]))
    parts += _tail(long, wide, rng, high=True)
    parts += _jets((1.4 * wide, 0.35 * wide, 0.27 * long), 0.05)
    if rng.random() < 0.5:
        parts += [box((i * wing.span, 0.02, 0.14), (0.03, 0.16, 0.1)) for i in (-1, 1)]
    return parts, []


def _light(rng: np.random.Generator) -> tuple[Parts, Parts]:
    """Light aircraft: a high wing on struts or a low wing, one propeller, wheels."""
    long, wide = rng.uniform(1.2, 1.45), rng.uniform(0.1, 0.13)
    high = rng.random() < 0.5
    y = 1.05 * wide if high else -0.6 * wide
    at = -0.12 * long
    parts: Parts = [_fuselage(long, wide, blunt=True)]
    parts.append(rod((0, 0.55 * wide, at - 0.1), (0, 0.5 * wide, at + 0.22), 0.6 * wide))
    wing = _Wing(
        rng.uniform(0.75, 0.95), 0.24, rng.uniform(0.15, 0.24), 0, rng.uniform(0, 5), 0.036
    )
    parts += wing.pair(np.array([0, y, at]))
    if high:
        for i in (-1, 1):
            end = (0.5 * i * wing.span, y, at)
            parts.append(rod((i * 0.8 * wide, -0.5 * wide, at), end, 0.014))
    parts += _tail(long, wide, rng, high=False)
    parts += _gear(wide, at, long)
    return _with_propeller(parts, (0, 0, -0.5 * long - 0.02), rng)


def _fighter(rng: np.random.Generator) -> tuple[Parts, Parts]:
    long, wide = rng.uniform(1.6, 1.9), rng.uniform(0.085, 0.11)
    profile = np.array([[0, 0.5], [0.2, 0.4], [0.55, 0.27], [0.9, 0.1], [1, -0.1], [1, -0.38]])
    profile = np.concatenate([profile, [[0.75, -0.5], [0, -0.5]]]) * [wide, long]
    parts: Parts = [lathe(profile, (0, 0, 0), _FORWARD)]
    parts.append(rod((0, 0.75 * wide, -0.2 * long), (0, 0.7 * wide, -0.02 * long), 0.05, 0.035))
    delta = rng.random() < 0.5
    span = rng.uniform(0.5, 0.65)
    root = 0.75 if delta else 0.42
    wing = _Wing(span, root, 0.1, rng.uniform(40, 50), -2, 0.03)
    parts += wing.pair(np.array([0, 0, 0.12 * long]))
    for i in (-1, 1):
        size = (0.11, 0.14, 0.55 * long)
        parts.append(box((i * wide, -0.1 * wide, 0.12 * long), size, 0.02))
        if not delta or rng.random() < 0.3:
            aft = -0.1 * long if delta else 0.4 * long
            parts.append(_Wing(0.3, 0.22, 0.09, 35, 0, 0.026).half(i, np.array([0, 0.02, aft])))
    if rng.random() < 0.5:
        cant = rng.uniform(10, 25)
        fins = [_fin(0.26, 0.26, 0.1, i * wide, 0.05, 0.36 * long, -i * cant) for i in (-1, 1)]
        parts += fins
    else:
        parts.append(_fin(0.32, 0.34, 0.12, 0.0, 0.06, 0.34 * long, 0))
    for i in (-1, 1) if rng.random() < 0.6 else ():
        at = np.array([0.7 * i * span, -0.05, 0.18 * long])
        parts.append(rod(at - 0.12 * _FORWARD, at + 0.2 * _FORWARD, 0.022, 0.012))
        parts.append(beam(at, at + 0.06 * _UP, 0.03))
    return parts, []


def _biplane(rng: np.random.Generator) -> tuple[Parts, Parts]:
    long, wide = rng.uniform(1.05, 1.3), rng.uniform(0.09, 0.11)
    parts: Parts = [_fuselage(long, wide, blunt=True)]
    span, at = rng.uniform(0.65, 0.8), -0.2 * long
    low, high = -0.7 * wide, rng.uniform(2.4, 3.0) * wide
    lower = _Wing(0.92 * span, 0.22, 0.2, 0, 2, 0.03)
    parts += lower.pair(np.array([0, low, at + 0.04]))
    parts += _Wing(span, 0.22, 0.2, 0, 1, 0.03).pair(np.array([0, high, at - 0.03]))
    for i in (-1, 1):
        for share in (0.12, 0.75):
            x = i * share * span
            for j in (-0.06, 0.08):
                foot = 0.0 if share < 0.2 else low
                parts.append(rod((x, foot, at + j + 0.03), (x, high + 0.01, at + j), 0.012))
    parts += _tail(long, wide, rng, high=False)
    parts += _gear(wide, at, long)
    return _with_propeller(parts, (0, 0, -0.5 * long - 0.02), rng)


def _glider(rng: np.random.Generator) -> tuple[Parts, Parts]:
    long, span = rng.uniform(1.0, 1.2), rng.uniform(1.0, 1.25)
    wide = 0.065
    profile = np.array([[0, 0.5], [0.6, 0.45], [1, 0.34], [1, 0.18], [0.5, 0.0], [0.35, -0.5]])
    profile = np.concatenate([profile, [[0, -0.5]]]) * [wide, long]
    parts: Parts = [lathe(profile, (0, 0, 0), _FORWARD)]
    parts.append(rod((0, 0.5 * wide, -0.38 * long), (0, 0.4 * wide, -0.2 * long), 0.6 * wide))
    wing = _Wing(span, 0.18, 0.07, rng.uniform(0, 4), rng.uniform(2, 5), 0.046)
    parts += wing.pair(np.array([0, 0.5 * wide, -0.12 * long]))
    return parts + _tail(long, 0.4 * wide, rng, high=True), []


class _Wing:
    """Wing made of two tapered plates, swept back by `sweep` degrees."""

    def __init__(
        self, span: float, root: float, tip: float, sweep: float, dihedral: float, thick: float
    ) -> None:
        self.span, self.root, self.tip = span, root, tip
        self.sweep, self.dihedral, self.thick = sweep, dihedral, thick

    def leading(self, share: float) -> float:
        """Z of the front edge at a share of the span, relative to the middle of the root."""
        return -self.root / 2 + share * self.span * float(np.tan(np.radians(self.sweep)))

    def half(self, side: int, origin: Array) -> Prism:
        """Half of the wing on one side, -1 or 1; its root is at the origin."""
        rounding = 0.45 * self.thick
        front, back = self.leading(1), self.leading(1) + self.tip
        outline = np.array(
            [[0, -self.root / 2], [self.span, front], [self.span, back], [0, self.root / 2]]
        )
        middle = outline.mean(axis=0)
        outline = middle + (outline - middle) * (1 - rounding / self.tip)
        turn = rotation(z=side * self.dihedral)
        return plate(outline * [side, 1], self.thick - 2 * rounding, origin, rounding, turn)

    def pair(self, origin: Array) -> Parts:
        """Both halves."""
        return [self.half(side, origin) for side in (-1, 1)]


def _fuselage(long: float, wide: float, blunt: bool = False) -> Turned:
    """Round body with a nose and a tapering tail."""
    if blunt:
        shape = [[0, 0.5], [0.5, 0.5], [0.75, 0.44], [1, 0.2], [1, 0.0], [0.35, -0.48], [0, -0.5]]
    else:
        shape = [[0, 0.5], [0.35, 0.485], [0.65, 0.46], [0.88, 0.42], [1, 0.36], [1, -0.18]]
        shape += [[0.85, -0.3], [0.55, -0.41], [0.22, -0.5], [0, -0.5]]
    return lathe(np.array(shape) * [wide, long], (0, 0, 0), _FORWARD)


def _fin(high: float, root: float, tip: float, x: float, y: float, z: float, cant: float) -> Prism:
    """Upright plate, swept back."""
    outline = [
        [0, -root / 2],
        [high, root / 2 - 0.8 * tip],
        [high, root / 2 + 0.2 * tip],
        [0, root / 2],
    ]
    return plate(outline, 0.018, (x, y, z), 0.01, rotation(z=90 + cant))


def _tail(long: float, wide: float, rng: np.random.Generator, high: bool) -> Parts:
    """Fin, and a tailplane on top of the fin or on the body."""
    tall = rng.uniform(0.24, 0.3)
    at = 0.5 * long - 0.14
    fin = _fin(tall, 0.27, 0.14, 0.0, 0.3 * wide, at, 0)
    level = 0.3 * wide + tall if high else 0.25 * wide
    back = at + 0.1 if high else at + 0.02
    wing = _Wing(rng.uniform(0.28, 0.36), 0.18, 0.09, rng.uniform(15, 30), 0 if high else 4, 0.04)
    return [fin, *wing.pair(np.array([0, level, back]))]


def _jets(spot: tuple[float, float, float], wide: float) -> Parts:
    """One engine on each side: a hollow cowl with a core, on a pylon."""
    x, y, z = spot
    cowl = np.array([[0.8, 0.14], [1, 0.1], [1, -0.02], [0.75, -0.14], [0.45, -0.14], [0.45, 0.14]])
    core = [[0, 0.0], [0.6, 0.0], [0.6, -0.1], [0.25, -0.2], [0, -0.2]]
    parts: Parts = []
    for i in (-1, 1):
        parts.append(lathe(cowl * [wide, 1], (i * x, y, z), _FORWARD))
        parts.append(lathe(np.array(core) * [wide, 1], (i * x, y, z), _FORWARD))
        inward = np.array([0.85 * i * x, 0.0, z + 0.09]) if x < 0.25 else None
        end = inward if inward is not None else np.array([i * x, y + 0.09, z + 0.12])
        start = np.array([i * x, y + 0.6 * wide, z + 0.04])
        if inward is not None:
            start, end = np.array([i * x, y, z + 0.05]), np.array([0.3 * i * x, y, z + 0.05])
        parts.append(beam(start, end, 0.03, 0.1))
    return parts


def _gear(wide: float, at: float, long: float) -> Parts:
    """Two wheels on struts and one at the tail."""
    low = -1.9 * wide
    parts: Parts = []
    for i in (-1, 1):
        wheel = (1.5 * i * wide, low, at - 0.03)
        parts.append(rod((0.3 * i * wide, -0.5 * wide, at), wheel, 0.014))
        parts.append(pad(wheel, 0.055, 0.036, (1.0, 0.0, 0.0)))
    tail = (0, -0.6 * wide, 0.44 * long)
    return [*parts, pad(tail, 0.03, 0.026, (1.0, 0.0, 0.0)), rod(tail, (0, 0, 0.43 * long), 0.012)]


def _with_propeller(
    parts: Parts, hub: tuple[float, float, float], rng: np.random.Generator
) -> tuple[Parts, Parts]:
    """Add a propeller: solid blades, or the disc of a turning one as a bare sheet."""
    center, radius = np.array(hub), rng.uniform(0.2, 0.26)
    parts = [*parts, rod(center - 0.06 * _FORWARD, center + 0.04 * _FORWARD, 0.035, 0.015)]
    if rng.random() < 0.5:
        outline = radius * np.array(
            [[np.cos(t), np.sin(t)] for t in np.linspace(0, 2 * np.pi, 48, endpoint=False)]
        )
        return parts, [plate(outline, 0.0, center, turn=rotation(x=90))]
    count, start = int(rng.choice([2, 3])), rng.uniform(0, np.pi)
    for angle in start + np.arange(count) * 2 * np.pi / count:
        tip = center + radius * np.array([np.cos(angle), np.sin(angle), 0])
        parts.append(beam(center, tip, 0.045, 0.024))
    return parts, []


_DESIGNS = (_airliner, _light, _fighter, _biplane, _glider, _business)

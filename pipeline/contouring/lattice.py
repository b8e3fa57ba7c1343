"""A field on a lattice that is evaluated near its zero set only, from coarse to fine.

A distance field changes by no more than the way that is gone. So a lattice point whose value is
large rules out a surface all around it, and only the other points are looked at more closely.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Evaluate = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Points (N, 3), cube frame -> values (N,), negative inside."""

_BITS = 21
_ORIGIN = 1 << (_BITS - 1)
_MASK = (1 << _BITS) - 1
_STEP = (1 << 2 * _BITS, 1 << _BITS, 1)
"""Difference of the keys of two neighbours along x, y and z."""
_COARSEST = 12
"""Minimum number of intervals along each axis of the first lattice."""
_DIAGONAL = 3**0.5
_SLACK = 1e-5
"""Allowance for the rounding of values, cube frame."""
_CHUNK = 2**19
"""Points of one call of the field; bounds the memory."""
_PARENTS = 2**17
"""Points whose neighbours are listed at once; bounds the memory."""


@dataclass(frozen=True)
class Lattice:
    """Some points of a cubic lattice with the field's values, sorted by their keys.

    The point (i, j, k) of the lattice lies at ((i, j, k) + 1/2) * spacing: faces of the mesh's
    bounding box are half-way between points, where signs are certain.
    """

    spacing: float
    """Distance between neighbours, cube frame."""
    keys: NDArray[np.int64]
    """(N,), from `pack`, ascending."""
    values: NDArray[np.float32]
    """(N,)."""

    def places(self, rows: NDArray[np.integer] | slice = slice(None)) -> NDArray[np.int64]:
        """Lattice coordinates (M, 3) of some points."""
        return unpack(self.keys[rows])

    def points(self, places: NDArray[np.number]) -> NDArray[np.float64]:
        """Positions (M, 3) of lattice coordinates (M, 3), which need not be whole; cube frame."""
        points: NDArray[np.float64] = (places.astype(np.float64) + 0.5) * self.spacing
        return points

    def rows(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """Rows (M,) of points with given keys (M,); -1 where the point was not evaluated."""
        return find_keys(self.keys, keys)

    def next_rows(self, axis: int) -> NDArray[np.int32]:
        """Row (N,) of each point's next neighbour along an axis; -1 if it was not evaluated."""
        return self.rows(self.keys + _STEP[axis])

    def extended(self, keys: NDArray[np.int64], evaluate: Evaluate) -> "Lattice":
        """The lattice with more points, none of which it has yet: keys (M,), ascending."""
        values = evaluate_keys(keys, self.spacing, evaluate)
        joined = np.concatenate([self.keys, keys])
        order = np.argsort(joined, kind="stable")
        return Lattice(self.spacing, joined[order], np.concatenate([self.values, values])[order])


def pack(places: NDArray[np.integer]) -> NDArray[np.int64]:
    """Keys (N,) of lattice coordinates (N, 3); keys are sorted as coordinates are."""
    x, y, z = (places.T + _ORIGIN).astype(np.int64)
    keys: NDArray[np.int64] = (x << 2 * _BITS) | (y << _BITS) | z
    return keys


def unpack(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lattice coordinates (N, 3) of keys (N,)."""
    return np.stack(_unpacked(keys), axis=1)


def _unpacked(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Lattice coordinates x, y and z (N,) of keys (N,)."""
    return tuple((keys >> shift & _MASK) - _ORIGIN for shift in (2 * _BITS, _BITS, 0))


def unique_keys(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keys (N,) in ascending order, each once; numpy's own function is 5x slower."""
    keys = np.sort(keys)
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def find_keys(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int32]:
    """Rows (M,) of wanted keys (M,) in ascending ones (N,); -1 where one is not there."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int32)
    at = np.searchsorted(keys, wanted)
    found = keys[np.minimum(at, len(keys) - 1)] == wanted
    return np.where(found, at, -1).astype(np.int32)


def key_step(offset: tuple[int, ...]) -> int:
    """Difference of the keys of two points that differ by an offset."""
    return sum(by * step for by, step in zip(offset, _STEP, strict=True))


def sample_near_surface(evaluate: Evaluate, resolution: int, reach: float) -> Lattice:
    """Evaluate a field at the corners of all lattice cells that its zero set may pass through.

    Args:
        evaluate: The field: |value(a) - value(b)| <= |a - b|. Where that does not hold, a part of
            the zero set may be missed; `shapegan.pipeline.contouring.cells` then follows the rest.
        resolution: Cells along the longest side of the mesh, which is 2.
        reach: Farthest coordinate of the zero set along an axis, cube frame.

    Returns:
        The evaluated points of the finest lattice.

    Raises:
        ValueError: the field returns NaN or infinity.
    """
    spacing = 2.0 / resolution
    stride = 1
    while resolution // (2 * stride) >= _COARSEST:
        stride *= 2
    # 1. Evaluate all points of the coarsest lattice.
    last = int(np.ceil(reach / (spacing * stride))) + 1
    axis = np.arange(-last, last + 1) * stride
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    lattice = Lattice(spacing, keys := pack(places), evaluate_keys(keys, spacing, evaluate))
    # 2. Refine around the points that may have a surface near them.
    while stride > 1:
        stride //= 2
        keys = _near_keys(lattice, stride) if stride > 1 else _finest_keys(lattice)
        lattice = _refined(lattice, keys, evaluate)
    return lattice


def _near_keys(lattice: Lattice, stride: int) -> NDArray[np.int64]:
    """Points (M,) with half the stride that may have the surface near them; ascending keys.

    Each point stands for the cube around it, half a stride to either side. It is kept if the cube
    may contain the corner of a crossed cell of the finest lattice, all of which are nearer to the
    surface than a diagonal: no evaluated point next to it may be too far from the surface for that.
    """
    bound = _DIAGONAL * (stride / 2 + 1) * lattice.spacing + _SLACK
    distance = np.abs(lattice.values)
    near, far = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(distance), _PARENTS):
        piece = slice(start, start + _PARENTS)
        of_piece: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
        for offset in np.ndindex(3, 3, 3):
            way = tuple(stride * (step - 1) for step in offset)
            length = float(np.linalg.norm(way)) * lattice.spacing
            is_near = distance[piece] <= bound + length
            for keys, chosen in zip(of_piece, (is_near, ~is_near), strict=True):
                keys.append(lattice.keys[piece][chosen] + key_step(way))
        near.append(unique_keys(np.concatenate(of_piece[0])))
        far.append(unique_keys(np.concatenate(of_piece[1])))
    found = unique_keys(np.concatenate(near))
    return found[find_keys(unique_keys(np.concatenate(far)), found) < 0]


def _finest_keys(lattice: Lattice) -> NDArray[np.int64]:
    """Points (M,) of the finest lattice that may be corners of crossed cells; ascending keys.

    Args:
        lattice: its points with even coordinates, but for those around which no such corner is. So
            a point between others is a corner only if all of them were evaluated.
    """
    bound = _DIAGONAL * lattice.spacing + _SLACK
    following = [np.append(lattice.rows(lattice.keys + 2 * step), -1) for step in _STEP]
    # Item b: the neighbour two further along each axis whose bit is set in b; row -1 is missing.
    rows = [np.arange(len(lattice.keys), dtype=np.int32)]
    for axis in range(3):
        rows += [following[axis][row] for row in rows]
    distance = np.append(np.abs(lattice.values), np.float32(np.inf))
    # Item b: the farthest of the neighbours of the point one further along each of these axes.
    farthest = [distance[row] for row in rows]
    for axis in range(3):
        for b in range(8):
            if b >> axis & 1:
                farthest[b] = np.maximum(farthest[b], farthest[b - (1 << axis)])
    pieces = []
    for b, most in enumerate(farthest):
        offset = (b & 1, b >> 1 & 1, b >> 2)
        kept = most <= bound + sum(offset) ** 0.5 * lattice.spacing
        pieces.append(lattice.keys[kept] + key_step(offset))
    return np.sort(np.concatenate(pieces))


def _refined(lattice: Lattice, keys: NDArray[np.int64], evaluate: Evaluate) -> Lattice:
    """The points with given keys (M,), ascending; those that a lattice lacks are evaluated."""
    rows = lattice.rows(keys)
    values = np.empty(len(keys), np.float32)
    known = rows >= 0
    values[known] = lattice.values[rows[known]]
    values[~known] = evaluate_keys(keys[~known], lattice.spacing, evaluate)
    return Lattice(lattice.spacing, keys, values)


def evaluate_keys(
    keys: NDArray[np.int64], spacing: float, evaluate: Evaluate
) -> NDArray[np.float32]:
    """Values (N,) of a field at the lattice points with given keys (N,).

    Raises:
        ValueError: a value is NaN or infinite.
    """
    values = np.empty(len(keys), np.float32)
    for start in range(0, len(keys), _CHUNK):
        piece = keys[start : start + _CHUNK]
        points = np.empty((len(piece), 3), np.float32)
        for axis, place in enumerate(_unpacked(piece)):
            points[:, axis] = (place + 0.5) * spacing
        values[start : start + _CHUNK] = evaluate(points)
    if not np.isfinite(values).all():
        raise ValueError("expected finite distances from the field, got NaN or infinity")
    return values

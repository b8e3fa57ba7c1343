"""A tree over triangles whose far nodes give their winding number in one term.

Seen from afar, triangles are a dipole and what its moments add (Barill et al. 2018, "Fast winding
numbers for soups and clouds", section 3.1). With r from the point asked to a node's centre, n the
area vectors of its triangles and d the places on them, from the centre,

    solid angle = r N / |r|^3 - 3 r M r / |r|^5 + 15/2 Q r r r / |r|^7,
    N = sum of n,   M = sum of n d,   Q = sum of n d d.

The derivatives of 1 / |r| are symmetric and have no trace, so only that part of M and Q counts:
5 and 7 numbers. What is left out falls as the fourth power of a node's size over its distance.

The tree is complete: node i has the children 2i and 2i + 1, so that a walk needs no stack. Its
leaves follow each other along a curve, so that nodes are compact.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline import winding_kernels as kernels
from shapegan.pipeline.curves import hilbert_order

LEAF_SIZE = 2

FAR = 1.4
"""A node farther away than this many of its radii counts as far. The error stays below 0.02 on
furniture and trees and reaches 0.09 in the middle of nested spheres; 0.5 would turn a sign."""

MORE = 1.5
"""Long faces are halved as long as that leaves no more than this many times as many: hardly
anything is far from a node with one among small ones."""

PAIRS = list(itertools.combinations_with_replacement(range(3), 2))
TRIPLES = list(itertools.combinations_with_replacement(range(3), 3))
"""The entries of a symmetric matrix, or cube, that are kept, in their order."""

NODE: Any = kernels.Node
BOX: Any = kernels.Box

NO_AREA = 1e-100
"""Faces weigh at least this much when centres are found: there may be none with an area."""


@dataclass(frozen=True)
class Parts:
    """Triangles, or nodes of them (K,), as they are from afar; double precision."""

    area: NDArray[np.float64]
    """(K,)."""
    center: NDArray[np.float64]
    """(3, K), of area."""
    dipole: NDArray[np.float64]
    """(3, K), N above."""
    first: NDArray[np.float64]
    """(6, K), the symmetric part of M, by `PAIRS`."""
    second: NDArray[np.float64]
    """(10, K), the symmetric part of Q, by `TRIPLES`."""
    radius: NDArray[np.float64]
    """(K,), of a ball round the centre that holds all of the part."""
    low: NDArray[np.float64]
    """(3, K), lower ends of the bounding box."""
    high: NDArray[np.float64]
    """(3, K), upper ends."""


def build_tree(corners: NDArray[np.float64], device: str) -> Any:
    """Lays a tree over triangles (F, 3, 3): a `WindingData` without references yet."""
    corners = _shortened(corners)
    depth = max(0, int(np.ceil(np.log2(max(len(corners), 1) / LEAF_SIZE))))
    corners = corners[hilbert_order(corners.mean(axis=1))]
    bounds = np.linspace(0, len(corners), 2**depth + 1).astype(np.int32)

    # Each level from the one below.
    levels = [_merge(_triangles(corners), bounds[:-1])]
    for _ in range(depth):
        levels.append(_merge(levels[-1], np.arange(0, len(levels[-1].area), 2)))

    data: Any = kernels.WindingData()
    data.leaves = 2**depth
    data.first = wp.array(bounds, dtype=int, device=device)
    triangles = corners.astype(np.float32).reshape(-1, 3, 3)
    data.corners = wp.array(triangles, dtype=wp.vec3, ndim=2, device=device)
    data.nodes = wp.array(_nodes(levels[::-1]), dtype=NODE, device=device)
    data.boxes = wp.array(_boxes(levels[::-1]), dtype=BOX, device=device)
    data.origin, data.cell = wp.vec3(0.0, 0.0, 0.0), 1.0
    data.references = wp.zeros((0, 0, 0), dtype=float, device=device)
    return data


def _shortened(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Halves the longest of triangles (F, 3, 3) at their longest edges, to `MORE` of them at most.

    An edge that is too long is halved in all its triangles: no crack opens between them.
    """
    length = _edge_lengths(corners).max(axis=1)
    most, longest = MORE * len(corners), length.max(initial=0.0)
    while longest > 0:
        longest /= 2**0.5
        long = length > longest
        halves = _halved(corners[long], longest)
        if len(corners) - long.sum() + len(halves) > most:
            break
        corners = np.concatenate([corners[~long], halves])
        length = np.concatenate([length[~long], _edge_lengths(halves).max(axis=1)])
    return corners


def _edge_lengths(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the edges (F, 3) that leave each corner of triangles (F, 3, 3)."""
    x, y, z = (np.roll(corners, -1, axis=1) - corners).transpose(2, 0, 1)
    length: NDArray[np.float64] = np.sqrt(x * x + y * y + z * z)
    return length


def _halved(corners: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    """Halves triangles (F, 3, 3) until no edge is longer than that."""
    short = [corners[:0]]
    while len(corners):
        length = _edge_lengths(corners)
        edge = length.argmax(axis=1)
        long = length.max(axis=1) > longest
        short.append(corners[~long])
        turn = (edge[long, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(corners[long], turn[:, :, None], axis=1).transpose(1, 0, 2)
        middle = (a + b) / 2
        corners = np.concatenate([np.stack(x, axis=1) for x in ((a, middle, c), (middle, b, c))])
    return np.concatenate(short)


def _triangles(corners: NDArray[np.float64]) -> Parts:
    """Triangles (F, 3, 3) round their centroids, where the first moments are 0."""
    at = np.ascontiguousarray(corners.transpose(1, 2, 0))
    center = at.mean(axis=0)
    a, b, c = at - center
    dipole = np.cross(b - a, c - a, axis=0) / 2
    square = np.stack([a[j] * a[k] + b[j] * b[k] + c[j] * c[k] for j, k in PAIRS]) / 12
    return Parts(
        area=np.sqrt((dipole**2).sum(axis=0)),
        center=center,
        dipole=dipole,
        first=np.zeros((6, len(corners))),
        second=_symmetric(dipole, square),
        radius=np.sqrt(((at - center) ** 2).sum(axis=1).max(axis=0)),
        low=at.min(axis=0),
        high=at.max(axis=0),
    )


def _symmetric(vector: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric part (10, K) of products of vectors (3, K) and symmetric matrices (6, K)."""
    row = np.zeros((3, 3), int)
    for number, (i, j) in enumerate(PAIRS):
        row[i, j] = row[j, i] = number
    turns = ((i, j, k, row[j, k], row[i, k], row[i, j]) for i, j, k in TRIPLES)
    return np.stack(
        [
            (vector[i] * matrix[jk] + vector[j] * matrix[ik] + vector[k] * matrix[ij]) / 3
            for i, j, k, jk, ik, ij in turns
        ]
    )


def _merge(parts: Parts, start: NDArray[np.integer]) -> Parts:
    """Puts together the parts (K,) from each start (L,) to the next."""
    if len(parts.area) == 0:
        return Parts(*(np.zeros((*rows.shape[:-1], 1)) for rows in vars(parts).values()))
    # 1. Their common centre.
    weight = np.maximum(parts.area, NO_AREA)
    area = np.add.reduceat(weight, start)
    center = np.add.reduceat(weight * parts.center, start, axis=1) / area
    low = np.minimum.reduceat(parts.low, start, axis=1)
    high = np.maximum.reduceat(parts.high, start, axis=1)

    # 2. Moments round it.
    n, m = parts.dipole, parts.first
    d = parts.center - np.repeat(center, np.diff(np.append(start, len(weight))), axis=1)
    square = np.stack([d[j] * d[k] for j, k in PAIRS])
    first = m + np.stack([n[j] * d[k] + n[k] * d[j] for j, k in PAIRS]) / 2
    second = parts.second + 2 * _symmetric(d, m) + _symmetric(n, square)

    # 3. Balls round the parts' balls, or round the box if that is smaller.
    around = np.sqrt((d**2).sum(axis=0)) + parts.radius
    corner = np.sqrt((np.maximum(high - center, center - low) ** 2).sum(axis=0))
    return Parts(
        area,
        center,
        np.add.reduceat(n, start, axis=1),
        np.add.reduceat(first, start, axis=1),
        np.add.reduceat(second, start, axis=1),
        np.minimum(np.maximum.reduceat(around, start), corner),
        low,
        high,
    )


def _nodes(levels: list[Parts]) -> Any:
    """What a walk looks at, for all nodes from the root down; row 0 is unused."""
    nodes: Any = np.zeros(1 + sum(len(level.area) for level in levels), NODE.numpy_dtype())
    stop = 1
    for level in levels:
        start, stop = stop, stop + len(level.area)
        row = nodes[start:stop]
        xx, xy, xz, yy, yz, zz = level.first
        trace = (xx + yy + zz) / 3
        row["center"], row["dipole"] = level.center.T, level.dipole.T
        row["reach"] = (FAR * level.radius) ** 2
        row["first"] = np.stack([xx - trace, xy, xz, yy - trace, yz], axis=1)
        xxx, xxy, xxz, xyy, xyz, xzz, yyy, yyz, yzz, zzz = level.second
        x, y, z = (xxx + xyy + xzz) / 5, (xxy + yyy + yzz) / 5, (xxz + yyz + zzz) / 5
        row["second"] = np.stack(
            [xxx - 3 * x, xxy - y, xxz - z, xyy - x, xyz, yyy - 3 * y, yyz - z], axis=1
        )
    return nodes


def _boxes(levels: list[Parts]) -> Any:
    """Bounding boxes of all nodes from the root down; row 0 is unused."""
    low, high = (
        np.concatenate([getattr(level, end) for level in levels], axis=1) for end in ("low", "high")
    )
    boxes: Any = np.zeros(1 + low.shape[1], BOX.numpy_dtype())
    boxes["low"][1:], boxes["high"][1:] = low.T, high.T
    return boxes

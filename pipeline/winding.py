"""Generalised winding numbers of triangle soups, by a tree of dipoles.

The winding number of a surface round a point is the solid angle that it covers, signed and over
4 pi: 1 inside a closed outward-wound surface, 0 outside, and something between where the surface
has holes (Jacobson et al. 2013, "Robust inside-outside segmentation using generalized winding
numbers"). Far triangles are summed as one dipole and its first moments (Barill et al. 2018,
"Fast winding numbers for soups and clouds", equation 14 onwards).

The tree is complete: node i has the children 2i and 2i + 1, so that a walk needs no stack.

That still costs tens of microseconds a point in a dense mesh. Most winding numbers are had by
continuation instead: a winding number changes by exactly one where a path crosses a face, and
hardly at all in between, so a point has the winding number of a point nearby plus the signed
crossings on the way. References on a coarse grid are asked of the tree, those on a fine grid are
continued from them, and all others from the fine grid. Only near the rims of open holes, where
the winding number does change along a path, is the tree asked again. Most rims are not open: the
two sides of a seam whose vertices do not match, say, cancel each other.
"""

import functools
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from shapegan.pipeline import kernels

LEAF_SIZE = 2

FAR = 1.6
"""A node farther away than this many of its radii counts as far (2 in Barill et al.); the error
stays below 0.03 on furniture and reaches 0.09 in the middle of a sphere; 0.5 would turn a sign."""

LEVELS = (8, 24, 64)
"""References along the longest side of the bounding box; each grid is continued from the last."""

PROBES = 2
"""Places on the rims in each cell of the finest grid at which it is asked whether they are open."""

OPEN = 0.12
"""How far from a whole number a winding number shows an open rim. Three probes around one cannot
all be nearer than a sixth."""


class WindingField:
    """Answers winding numbers of one oriented triangle soup."""

    def __init__(
        self,
        vertices: NDArray[np.float32],
        faces: NDArray[np.int32],
        device: str = "cpu",
        levels: int = len(LEVELS),
    ) -> None:
        """Builds the tree; references follow when they are needed first.

        Args:
            vertices: (V, 3).
            faces: (F, 3), F may be 0.
            device: Warp's name of it.
            levels: how many of `LEVELS` to use; fewer pay where few points will be asked.
        """
        self.device = device
        self.levels = levels
        self._built = 0
        self._tree = _build_tree(vertices[faces].astype(np.float64), device)
        self._rim = vertices[rim_edges(faces)]
        used = vertices[faces.ravel()]
        self._bounds = (used.min(axis=0), used.max(axis=0)) if len(used) else None

    @property
    def data(self) -> Any:
        """What the kernels take: the tree with its references."""
        if self._bounds is not None:
            for count in LEVELS[self._built : self.levels]:
                self._place_references(*self._bounds, count)
        self._built = self.levels
        return self._tree

    @functools.cached_property
    def _open_rim(self) -> NDArray[np.float32]:
        """Places (M, 3) on the rims round which the winding number does change."""
        assert self._bounds is not None
        low, high = self._bounds
        return self._open_places(self._rim, float((high - low).max()) / LEVELS[-1])

    def _open_places(self, rim: NDArray[np.float32], cell: float) -> NDArray[np.float32]:
        """Places (M, 3) on rim edges (E, 2, 3) round which the winding number does change."""
        if len(rim) == 0:
            return np.zeros((0, 3), np.float32)
        place, edge = _along(rim, cell / 2)
        chosen = _first_few(np.floor(place / cell).astype(np.int64), PROBES)
        place, along = place[chosen], (rim[:, 1] - rim[:, 0])[edge[chosen]]
        across = np.cross(along, np.eye(3, dtype=np.float32)[np.abs(along).argmin(axis=1)])
        other = np.cross(along, across)
        across, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (across, other))
        angles = 2 * np.pi / 3 * np.arange(3) + 0.3
        around = np.cos(angles)[:, None, None] * across + np.sin(angles)[:, None, None] * other
        probes = (place + cell / 4 * around).reshape(-1, 3).astype(np.float32)
        number = self.numbers(probes, exact=True).reshape(3, -1)
        is_open = (np.abs(number - np.rint(number)) > OPEN).any(axis=0)
        places: NDArray[np.float32] = place[is_open]
        return places

    def _place_references(
        self,
        low: NDArray[np.float32],
        high: NDArray[np.float32],
        count: int,
    ) -> None:
        """Learns the winding numbers on a grid over the bounding box, but near open rims."""
        cell = float((high - low).max()) / count
        # Off by half a cell and a little: not on planes that a modeller would choose.
        origin = low + np.float32(0.4831 * cell)
        counts = np.maximum(np.ceil((high - origin) / cell + 0.5).astype(int), 1)
        near_rim = np.zeros(counts, dtype=bool)
        if len(self._open_rim):
            at = np.rint((self._open_rim - origin) / cell).astype(int)
            near_rim[tuple(np.clip(at, 0, counts - 1).T)] = True
            near_rim = binary_dilation(near_rim, np.ones((3, 3, 3), dtype=bool))
        grid = origin + cell * np.argwhere(~near_rim)
        references = np.full(counts, np.nan, np.float32)
        exact = count == LEVELS[0]
        references[~near_rim] = self._ask(self._tree, grid.astype(np.float32), exact)
        self._tree.origin = wp.vec3(*map(float, origin))
        self._tree.cell = cell
        self._tree.references = wp.array(references, dtype=float, ndim=3, device=self.device)

    def numbers(self, points: NDArray[np.float32], *, exact: bool = False) -> NDArray[np.float32]:
        """Winding numbers (N,) round points (N, 3): by continuation, or `exact` from the tree."""
        return self._ask(self._tree if exact else self.data, points, exact)

    def _ask(self, data: Any, points: NDArray[np.float32], exact: bool) -> NDArray[np.float32]:
        queries: Any = wp.array(points, dtype=wp.vec3, device=self.device)
        if exact:
            winding = wp.empty(len(points), dtype=float, device=self.device)
            self._launch(kernels.winding_numbers, [data, queries], winding)
        else:
            clearance = wp.zeros(len(points), dtype=float, device=self.device)
            winding = self._continue(data, queries, clearance)
        result: NDArray[np.float32] = winding.numpy()
        return result

    def continued(self, points: Any, clearance: Any) -> Any:
        """Winding numbers (N,), all arrays Warp's, round points (N,) by continuation.

        Args:
            points: vectors.
            clearance: distances to the nearest face; the way through it needs no look.
        """
        return self._continue(self.data, points, clearance)

    def _continue(self, data: Any, points: Any, clearance: Any) -> Any:
        winding: Any = wp.empty(len(points), dtype=float, device=self.device)
        self._launch(kernels.continued_numbers, [data, points, clearance], winding)
        return winding

    def _launch(self, kernel: Any, inputs: list[Any], winding: Any) -> None:
        wp.launch(kernel, dim=len(winding), inputs=inputs, outputs=[winding], device=self.device)


def rim_edges(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    """Edges (E, 2) that faces walk more often one way than the other.

    They bound the surface. Where there are none, winding numbers are whole everywhere.
    """
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    key, edge = np.unique(np.sort(edges, axis=1) @ [1 << 32, 1], return_inverse=True)
    net = np.bincount(edge, np.where(edges[:, 0] < edges[:, 1], 1, -1), len(key))
    rim = key[net != 0]
    return np.stack([rim >> 32, rim & 0xFFFFFFFF], axis=1)


def _along(
    segments: NDArray[np.float32], step: float
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Points (M, 3) on segments (E, 2, 3), no farther apart than `step`, and whose they are."""
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    count = 2 + (length / step).astype(np.int64)
    segment = np.repeat(np.arange(len(segments)), count)
    rank = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    share = ((rank + 0.5) / count[segment])[:, None].astype(np.float32)
    points: NDArray[np.float32] = segments[segment, 0] * (1 - share) + segments[segment, 1] * share
    return points, segment


def _first_few(cells: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """The first and then every so-manieth row of those with the same values: `most` of each."""
    _, group = np.unique(cells, axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    stride = -(-size // most)
    few: NDArray[np.intp] = order[rank % np.repeat(stride, size) == 0]
    return few


def _build_tree(corners: NDArray[np.float64], device: str) -> Any:
    """Lays a tree over triangles (F, 3, 3), without references yet."""
    depth = max(0, int(np.ceil(np.log2(max(len(corners), 1) / LEAF_SIZE))))
    order = _split_order(corners.mean(axis=1), depth)
    corners = corners[order]
    bounds = np.linspace(0, len(corners), 2**depth + 1).astype(np.int32)
    center, reach, dipole, moment, low, high = _nodes(corners, bounds, depth)

    def vectors(values: NDArray[np.float32], ndim: int = 1) -> Any:
        return wp.array(values, dtype=wp.vec3, ndim=ndim, device=device)

    data: Any = kernels.WindingData()
    data.leaves = 2**depth
    data.first = wp.array(bounds, dtype=int, device=device)
    data.corners = vectors(corners.astype(np.float32).reshape(-1, 3, 3), 2)
    data.low, data.high, data.center = vectors(low), vectors(high), vectors(center)
    data.reach = wp.array(reach, dtype=float, device=device)
    data.dipole = vectors(dipole)
    data.moment = wp.array(moment, dtype=wp.mat33, device=device)
    data.origin, data.cell = wp.vec3(0.0, 0.0, 0.0), 1.0
    data.references = wp.zeros((0, 0, 0), dtype=float, device=device)
    return data


def _split_order(centroids: NDArray[np.float64], depth: int) -> NDArray[np.intp]:
    """Orders triangles so that halves, quarters, ... of the list are compact in space."""
    order = np.arange(len(centroids))
    for level in range(depth):
        bounds = np.linspace(0, len(order), 2**level + 1).astype(np.int64)
        segment = np.repeat(np.arange(2**level), np.diff(bounds))
        points = centroids[order]
        low = np.minimum.reduceat(points, bounds[:-1])
        high = np.maximum.reduceat(points, bounds[:-1])
        axis = np.argmax(high - low, axis=1)[segment]
        # Segments are about as long as each other: as rows, they are sorted without a key.
        rank = np.arange(len(order)) - bounds[segment]
        along = np.full((2**level, rank.max() + 1), np.inf)
        along[segment, rank] = points[np.arange(len(points)), axis]
        place = np.argsort(along, axis=1, kind="stable") + bounds[:-1, None]
        order = order[place[np.arange(along.shape[1]) < np.diff(bounds)[:, None]]]
    return order


def _nodes(
    corners: NDArray[np.float64], bounds: NDArray[np.int32], depth: int
) -> tuple[NDArray[np.float32], ...]:
    """Center, squared reach, dipole, its first moment and box of each node; row 0 is unused."""
    centroid = corners.mean(axis=1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2.0
    area = np.linalg.norm(normal, axis=1)
    terms = np.concatenate(
        [
            area[:, None],
            area[:, None] * centroid,
            normal,
            (normal[:, :, None] * centroid[:, None, :]).reshape(-1, 9),
        ],
        axis=1,
    )
    running = np.concatenate([np.zeros((1, 16)), np.cumsum(terms, axis=0)])
    levels = [bounds[:: 2 ** (depth - level)] for level in range(depth + 1)]
    start = np.concatenate([level[:-1] for level in levels])
    stop = np.concatenate([level[1:] for level in levels])
    sums = running[stop] - running[start]
    center = sums[:, 1:4] / np.maximum(sums[:, :1], np.finfo(float).tiny)
    dipole = sums[:, 4:7]
    low, high = _boxes(corners, levels)
    # Where there is next to no area, rounding decides; anywhere in the box will do.
    center = center.clip(low, high)
    moment = sums[:, 7:].reshape(-1, 3, 3) - dipole[:, :, None] * center[:, None, :]
    radius = np.linalg.norm(np.maximum(high - center, center - low), axis=1)
    parts = (center, (FAR * radius) ** 2, dipole, moment, low, high)
    return tuple(
        np.concatenate([np.zeros((1, *part.shape[1:])), part]).astype(np.float32) for part in parts
    )


def _boxes(
    corners: NDArray[np.float64], levels: list[NDArray[np.int32]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounding boxes of all nodes, level by level, from the leaves up."""
    if len(corners) == 0:
        return np.zeros((1, 3)), np.zeros((1, 3))
    low = [np.minimum.reduceat(corners.min(axis=1), levels[-1][:-1])]
    high = [np.maximum.reduceat(corners.max(axis=1), levels[-1][:-1])]
    for _ in levels[1:]:
        low.append(low[-1].reshape(-1, 2, 3).min(axis=1))
        high.append(high[-1].reshape(-1, 2, 3).max(axis=1))
    return np.concatenate(low[::-1]), np.concatenate(high[::-1])

"""Signed distances of simple shapes by formulas, at points (N, 3)."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sphere_distance(points: Array, radius: float = 0.5) -> Array:
    return np.linalg.norm(points, axis=1) - radius


def box_distance(points: Array, size=(1.0, 1.0, 1.0)) -> Array:
    q = np.abs(np.asarray(points, np.float64)) - np.array(size) / 2
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)


def boxes_distance(points: Array, corners) -> Array:
    """To the union of boxes, by their low and high corners (B, 2, 3), exactly on both sides.

    The planes of all boxes make a grid; its walls between cells of which one lies inside and the
    other does not are the boundary.
    """
    points, pairs = np.asarray(points, float), np.asarray(corners, float)
    planes = [np.concatenate([[-9], np.unique(pairs[..., axis]), [9]]) for axis in range(3)]
    middles = [(at[1:] + at[:-1]) / 2 for at in planes]
    inside = _in_boxes(np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1), pairs)
    nearest = np.full(len(points), np.inf)
    for axis in range(3):
        for cell in np.argwhere(np.diff(inside, axis=axis)):
            low, high = (np.array([planes[k][cell[k] + step] for k in range(3)]) for step in (0, 1))
            low[axis] = high[axis]
            away = np.maximum(np.maximum(low - points, points - high), 0)
            nearest = np.minimum(nearest, np.linalg.norm(away, axis=1))
    return np.where(_in_boxes(points, pairs), -nearest, nearest)


def _in_boxes(points: Array, pairs: Array) -> NDArray[np.bool_]:
    return np.any([np.all((points > a) & (points < b), axis=-1) for a, b in pairs], axis=0)


def torus_distance(points: Array, ring: float = 0.7, tube_radius: float = 0.3) -> Array:
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - ring, points[:, 2]) - tube_radius


def plane_distance(points: Array, size=(1.0, 1.0)) -> Array:
    """Unsigned, of the flat rectangle that `plane` makes."""
    return np.linalg.norm(points - plane_foot(points, size), axis=1)


def plane_foot(points: Array, size=(1.0, 1.0)) -> Array:
    """The nearest points of the rectangle: (N, 3)."""
    half = np.array([size[0] / 2, size[1] / 2, 0.0])
    return np.clip(np.asarray(points, np.float64), -half, half)

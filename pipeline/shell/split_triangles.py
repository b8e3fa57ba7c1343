"""Splitting triangles along lines."""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import any_true, take_rows


def halving_sides(length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sides (N, 3), for `split`, of the line through the longest edge's middle and its opposite.

    Args:
        length: (N, 3), lengths of the edges that leave each corner.
    """
    side = np.zeros_like(length)
    longest = length.argmax(axis=1)[:, None]
    np.put_along_axis(side, longest, 1.0, axis=1)
    np.put_along_axis(side, (longest + 1) % 3, -1.0, axis=1)
    return side


def split(
    vertices: NDArray[np.float64], triangles: NDArray[np.int32], side: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]:
    """Split each triangle along one line.

    Args:
        vertices: (V, 3).
        triangles: (N, 3), rows of `vertices`.
        side: (N, 3), signed distance of each corner from the line, positive to its left. Each
            triangle has at least one corner on either side.

    Returns:
        The vertices with the new ones appended (V + W, 3), the pieces (P, 3), and the triangle
        that each piece is part of (P,), ascending.
    """
    # 1. Rotate corners: the corner on the line first, or else the one that is alone on its side.
    sign = np.sign(side)
    on_line = any_true(sign == 0)
    first = np.where(on_line[:, None], sign == 0, sign == -sign.sum(axis=1, keepdims=True))
    turn = (first.argmax(axis=1)[:, None] + np.arange(3)) % 3
    triangles, side = np.take_along_axis(triangles, turn, 1), np.take_along_axis(side, turn, 1)

    # 2. Split in two where a corner is on the line, else in three.
    crossing, in_two = _in_two(vertices, triangles[on_line], side[on_line], len(vertices))
    start = len(vertices) + len(crossing)
    crossings, in_three = _in_three(vertices, triangles[~on_line], side[~on_line], start)

    # 3. Put the pieces of each triangle next to each other.
    owners = np.concatenate(
        [np.flatnonzero(on_line)] * len(in_two) + [np.flatnonzero(~on_line)] * len(in_three)
    )
    order = np.argsort(owners, kind="stable")
    grown = np.concatenate([vertices, crossing, crossings])
    return grown, take_rows(np.concatenate(in_two + in_three), order), owners[order]


def _in_two(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int32],
    side: NDArray[np.float64],
    start: int,
) -> tuple[NDArray[np.float64], list[NDArray[np.int32]]]:
    """Split triangles (N, 3) at their first corner, which is on the line.

    Returns:
        New vertices (N, 3), numbered from `start` on, and two arrays of pieces (N, 3).
    """
    (a, b, c), (_, of_b, of_c) = triangles.T, side.T
    x = start + np.arange(len(a), dtype=np.int32)
    pieces = [np.stack(p, axis=1) for p in ((a, b, x), (a, x, c))]
    return _crossings(vertices, b, c, of_b, of_c), pieces


def _in_three(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int32],
    side: NDArray[np.float64],
    start: int,
) -> tuple[NDArray[np.float64], list[NDArray[np.int32]]]:
    """Split triangles (N, 3) whose first corner is alone on its side of the line.

    The quadrilateral that remains is split along its shorter diagonal.

    Returns:
        New vertices (2 N, 3), numbered from `start` on, and three arrays of pieces (N, 3).
    """
    (a, b, c), (of_a, of_b, of_c) = triangles.T, side.T
    x = start + np.arange(len(a), dtype=np.int32)
    y = x + np.int32(len(a))
    on_ab, on_ac = _crossings(vertices, a, b, of_a, of_b), _crossings(vertices, a, c, of_a, of_c)
    x_to_c = np.linalg.norm(vertices[c] - on_ab, axis=1)
    y_to_b = np.linalg.norm(vertices[b] - on_ac, axis=1)
    to_c = x_to_c < y_to_b
    rest = (x, b, np.where(to_c, c, y)), (np.where(to_c, x, b), c, y)
    pieces = [np.stack(p, axis=1) for p in ((a, x, y), *rest)]
    return np.concatenate([on_ab, on_ac]), pieces


def _crossings(
    vertices: NDArray[np.float64],
    one: NDArray[np.int32],
    other: NDArray[np.int32],
    side_of_one: NDArray[np.float64],
    side_of_other: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Points (N, 3) where lines cross edges, whose ends are on opposite sides."""
    share = side_of_one / (side_of_one - side_of_other)
    start = take_rows(vertices, one)
    crossing: NDArray[np.float64] = start + share[:, None] * (take_rows(vertices, other) - start)
    return crossing

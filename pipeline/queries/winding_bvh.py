"""A tree over triangles whose far nodes give their winding number in one term.

Seen from afar, triangles are a dipole and what its moments add (Barill et al. 2018, "Fast winding
numbers for soups and clouds", section 3.1). With r from the point asked to a node's centre, n the
area vectors of its triangles and d the places on them, from the centre,

    solid angle = r N / |r|^3 - 3 r M r / |r|^5 + 15/2 Q r r r / |r|^7,
    N = sum of n,   M = sum of n d,   Q = sum of n d d.

The derivatives of 1 / |r| are symmetric and have no trace, so only that part of M and Q counts:
5 and 7 numbers. What is left out falls as the fourth power of a node's size over its distance.
"""

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest
from shapegan.pipeline.queries import winding_bvh_kernels, winding_kernels
from shapegan.pipeline.queries.bvh import build_tree

FAR = 1.4
"""A node farther away than this many of its radii counts as far. The error stays below 0.02 on
furniture and trees and reaches 0.09 in the middle of nested spheres; 0.5 would turn a sign."""

MORE = 1.5
"""Long faces are halved as long as that leaves no more than this many times as many: hardly
anything is far from a node with one among small ones."""


def build_winding_tree(corners: NDArray[np.float32], device: str) -> Any:
    """Lays a tree over triangles (F, 3, 3): a `WindingData` without references yet."""
    data: Any = winding_kernels.WindingData()
    data.tree = build_tree(_shortened(corners), device)
    data.nodes = _nodes(data.tree, device)
    data.origin, data.cell = wp.vec3(0.0, 0.0, 0.0), 1.0
    data.references = wp.zeros((0, 0, 0), dtype=float, device=device)
    return data


def _shortened(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Halves the longest of triangles (F, 3, 3) at their longest edges, to `MORE` of them at most.

    An edge that is too long is halved in all its triangles: no crack opens between them.
    """
    length = largest(_edge_lengths(corners))
    most, longest = MORE * len(corners), length.max(initial=0.0)
    while longest > 0:
        longest /= 2**0.5
        long = length > longest
        halves = _halved(corners[long], longest)
        if len(corners) - long.sum() + len(halves) > most:
            break
        corners = np.concatenate([corners[~long], halves])
        length = np.concatenate([length[~long], largest(_edge_lengths(halves))])
    return corners


def _edge_lengths(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the edges (F, 3) that leave each corner of triangles (F, 3, 3)."""
    x, y, z = (np.roll(corners, -1, axis=1) - corners).transpose(2, 0, 1)
    length: NDArray[np.float32] = np.sqrt(x * x + y * y + z * z)
    return length


def _halved(corners: NDArray[np.float32], longest: float) -> NDArray[np.float32]:
    """Halves triangles (F, 3, 3) until no edge is longer than that."""
    short = [corners[:0]]
    while len(corners):
        length = _edge_lengths(corners)
        edge = length.argmax(axis=1)
        long = largest(length) > longest
        short.append(corners[~long])
        turn = (edge[long, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(corners[long], turn[:, :, None], axis=1).transpose(1, 0, 2)
        middle = (a + b) / 2
        corners = np.concatenate([np.stack(x, axis=1) for x in ((a, middle, c), (middle, b, c))])
    return np.concatenate(short)


def _nodes(tree: Any, device: str) -> Any:
    """What walks look at of all nodes, from the root down; row 0 is unused."""
    nodes: Any = wp.zeros(2 * tree.leaves, dtype=winding_kernels.Node, device=device)
    if len(tree.corners) == 0:
        return nodes
    kernels = winding_bvh_kernels
    level: Any = wp.empty(tree.leaves, dtype=kernels.Part, device=device)
    wp.launch(kernels.make_leaves, dim=tree.leaves, inputs=[tree, level], device=device)
    while True:
        inputs = [level, FAR, nodes]
        wp.launch(kernels.see_from_afar, dim=len(level), inputs=inputs, device=device)
        if len(level) == 1:
            return nodes
        above: Any = wp.empty(len(level) // 2, dtype=kernels.Part, device=device)
        wp.launch(kernels.join_pairs, dim=len(above), inputs=[tree, level, above], device=device)
        level = above

"""BVH whose nodes carry a multipole expansion of their winding number.

From far away, triangles look like a dipole plus higher moments (Barill et al. 2018, "Fast winding
numbers for soups and clouds", section 3.1). With r the vector from the query point to a node's
centre, n the area vectors of its triangles and d the positions on them, relative to the centre,

    solid angle = r N / |r|^3 - 3 r M r / |r|^5 + 15/2 Q r r r / |r|^7,
    N = sum of n,   M = sum of n d,   Q = sum of n d d.

The derivatives of 1 / |r| are symmetric and traceless, so only that part of M and Q counts: 5 and 7
numbers. The error falls as the fourth power of a node's size over its distance.
"""

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from shapegan.pipeline.arrays import largest, take_rows
from shapegan.pipeline.queries import winding_bvh_kernels, winding_kernels
from shapegan.pipeline.queries.bvh import build_bvh
from shapegan.pipeline.triangles import edge_lengths

FAR = 1.4
"""A node counts as far if its distance exceeds this many of its radii. The error of a winding
number stays below 0.02 on furniture and trees and reaches 0.09 in the middle of nested spheres;
0.5 would turn a sign."""

MAX_GROWTH = 1.5
"""Long faces are halved as long as the number of faces grows by this factor at most. One long face
among small ones makes its node so large that hardly any point is far from it."""


def build_winding_bvh(corners: NDArray[np.float32], device: str, *, halve_long: bool = True) -> Any:
    """Build a BVH over triangles (F, 3, 3) with multipoles: a `WindingData` without references.

    Args:
        corners: (F, 3, 3).
        device: Warp's name of the device.
        halve_long: halve long triangles first: building takes longer, sums less time.
    """
    data: Any = winding_kernels.WindingData()
    data.bvh = build_bvh(_halve_long_edges(corners) if halve_long else corners, device)
    data.nodes = _multipoles(data.bvh, device)
    data.origin, data.cell = wp.vec3(0.0, 0.0, 0.0), 1.0
    data.references = wp.zeros((0, 0, 0), dtype=float, device=device)
    return data


def _halve_long_edges(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Halve the longest edges of triangles (F, 3, 3), up to `MAX_GROWTH` times as many triangles.

    An edge that is too long is halved in all its triangles, so no crack opens between them.
    """
    length = largest(edge_lengths(corners))
    limit, longest = MAX_GROWTH * len(corners), length.max(initial=0.0)
    while longest > 0:
        longest /= 2**0.5
        long = length > longest
        halves = _halved(take_rows(corners, np.flatnonzero(long)), longest)
        if len(corners) - long.sum() + len(halves) > limit:
            break
        short = take_rows(corners, np.flatnonzero(~long))
        corners = np.concatenate([short, halves])
        length = np.concatenate([length[~long], largest(edge_lengths(halves))])
    return corners


def _halved(corners: NDArray[np.float32], max_length: float) -> NDArray[np.float32]:
    """Halve triangles (F, 3, 3) at their longest edges until no edge exceeds a length."""
    short = [corners[:0]]
    while len(corners):
        length = edge_lengths(corners)
        edge = length.argmax(axis=1)
        long = largest(length) > max_length
        short.append(take_rows(corners, np.flatnonzero(~long)))
        turn = (edge[long, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(corners[long], turn[:, :, None], axis=1).transpose(1, 0, 2)
        middle = (a + b) / 2
        corners = np.concatenate([np.stack(x, axis=1) for x in ((a, middle, c), (middle, b, c))])
    return np.concatenate(short)


def _multipoles(bvh: Any, device: str) -> Any:
    """The multipoles of all nodes, a Warp array of `Node`, from the root down; row 0 is unused."""
    nodes: Any = wp.zeros(2 * bvh.leaves, dtype=winding_kernels.Node, device=device)
    if len(bvh.corners) == 0:
        return nodes
    kernels = winding_bvh_kernels
    parts: Any = wp.empty(2 * bvh.leaves, dtype=kernels.Multipole, device=device)
    if device == "cpu":
        wp.launch(kernels.all_multipoles, dim=1, inputs=[bvh, parts], device=device)
    else:
        wp.launch(kernels.leaf_multipoles, dim=bvh.leaves, inputs=[bvh, parts], device=device)
        level = bvh.leaves // 2
        while level:
            inputs = [bvh, level, parts]
            wp.launch(kernels.merge_multipoles, dim=level, inputs=inputs, device=device)
            level //= 2
    inputs = [parts, FAR, nodes]
    wp.launch(kernels.store_moments, dim=2 * bvh.leaves - 1, inputs=inputs, device=device)
    return nodes

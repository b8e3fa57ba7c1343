"""Device code that builds and traverses BVHs: see `shapegan.pipeline.queries.bvh`.

`shapegan.pipeline.queries` explains how kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

LANES = wp.constant(32)
"""Points that one CPU thread takes through a BVH together. A node is visited if any of them needs
it, and loops over the points become vector instructions."""

BLOCK = wp.constant(8)
"""Points that are tested against a node's box together, before those that follow: one point near it
suffices for a visit."""

Floats32 = wp.types.vector(length=LANES, dtype=float)
Ints32 = wp.types.vector(length=LANES, dtype=int)


@wp.struct
class Box:
    low: wp.vec3
    high: wp.vec3


@wp.struct
class Bvh:
    # Leaf k holds the rows from `leaf_start[k]` to `leaf_start[k + 1]` of `corners`; `face` holds
    # the index of each row's triangle in the input. There is one box for each node. Leaf k is node
    # `leaves` + k.
    leaves: int
    leaf_start: wp.array(dtype=int)
    face: wp.array(dtype=int)
    corners: wp.array2d(dtype=wp.vec3)
    boxes: wp.array(dtype=Box)


@wp.func
def smaller(a: float, b: float) -> float:
    # Compilers vectorise this, unlike `wp.min`.
    return wp.where(a < b, a, b)


@wp.func
def larger(a: float, b: float) -> float:
    return wp.where(a > b, a, b)


@wp.func
def box_around(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> Box:
    # By components: `wp.min` of vectors takes longer, since it handles NaN.
    box = Box()
    box.low = wp.vec3(
        smaller(a[0], smaller(b[0], c[0])),
        smaller(a[1], smaller(b[1], c[1])),
        smaller(a[2], smaller(b[2], c[2])),
    )
    box.high = wp.vec3(
        larger(a[0], larger(b[0], c[0])),
        larger(a[1], larger(b[1], c[1])),
        larger(a[2], larger(b[2], c[2])),
    )
    return box


@wp.func
def next_node(node: int) -> int:
    # The next node of a depth-first traversal that does not descend, or 0 at its end: go up while
    # the node is a right child, then right.
    while node % 2 == 1:
        node = node // 2
    return wp.where(node > 0, node + 1, 0)


@wp.func
def split_node(
    centers: wp.array(dtype=wp.vec3), order: wp.array(dtype=int), start: int, middle: int, end: int
):
    # Partitions a node's triangles, from `start` to `end` in `order`, at the median along the
    # longest side of the box round their centres; reorders the centres alike. Hoare 1961,
    # "Algorithm 65: find" (quickselect).
    low = centers[start]
    high = low
    for k in range(start, end):
        low = wp.min(low, centers[k])
        high = wp.max(high, centers[k])
    side = high - low
    axis = int(0)
    if side[1] > side[0]:
        axis = 1
    if side[2] > side[axis]:
        axis = 2
    left = int(start)
    right = int(end - 1)
    while left < right:
        pivot = centers[(left + right) // 2][axis]
        a = int(left)
        b = int(right)
        while a <= b:
            while centers[a][axis] < pivot:
                a += 1
            while centers[b][axis] > pivot:
                b -= 1
            if a <= b:
                swapped = order[a]
                order[a] = order[b]
                order[b] = swapped
                center = centers[a]
                centers[a] = centers[b]
                centers[b] = center
                a += 1
                b -= 1
        # All elements from b + 1 to a - 1 equal the pivot.
        if middle <= b:
            right = b
        elif middle >= a:
            left = a
        else:
            left = right


@wp.kernel
def split_levels(
    centers: wp.array(dtype=wp.vec3), leaf_start: wp.array(dtype=int), order: wp.array(dtype=int)
) -> None:
    # Splits all nodes in one thread, depth first: small nodes then stay in the processor's cache.
    first = int(0)
    leaves = leaf_start.shape[0] - 1
    size = int(leaves)
    while first < leaves:
        while size > 1:
            start = leaf_start[first]
            half = size // 2
            split_node(centers, order, start, leaf_start[first + half], leaf_start[first + size])
            size = half
        # The next node begins where the last leaf ends; its size is the place's lowest bit.
        first += 1
        size = first & -first


@wp.func
def bound_leaf(bvh: Bvh, leaf: int):
    low = bvh.corners[bvh.leaf_start[leaf], 0]
    high = low
    for t in range(bvh.leaf_start[leaf], bvh.leaf_start[leaf + 1]):
        a = bvh.corners[t, 0]
        b = bvh.corners[t, 1]
        c = bvh.corners[t, 2]
        low = wp.min(low, wp.min(a, wp.min(b, c)))
        high = wp.max(high, wp.max(a, wp.max(b, c)))
    box = Box()
    box.low = low
    box.high = high
    bvh.boxes[bvh.leaves + leaf] = box


@wp.func
def bound_children(boxes: wp.array(dtype=Box), i: int):
    box = Box()
    box.low = wp.min(boxes[2 * i].low, boxes[2 * i + 1].low)
    box.high = wp.max(boxes[2 * i].high, boxes[2 * i + 1].high)
    boxes[i] = box


@wp.kernel
def bound_leaves(bvh: Bvh) -> None:
    bound_leaf(bvh, wp.tid())


@wp.kernel
def bound_level(level: int, boxes: wp.array(dtype=Box)) -> None:
    # Boxes of a level of `level` nodes, from those of their children.
    bound_children(boxes, level + wp.tid())


@wp.kernel
def bound_levels(bvh: Bvh) -> None:
    # Boxes of all nodes, in one thread.
    for leaf in range(bvh.leaves):
        bound_leaf(bvh, leaf)
    for k in range(1, bvh.leaves):
        bound_children(bvh.boxes, bvh.leaves - k)

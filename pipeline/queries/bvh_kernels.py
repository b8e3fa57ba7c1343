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
def next_node(node: int) -> int:
    # The next node of a depth-first traversal that does not descend, or 0 at its end: go up while
    # the node is a right child, then right.
    while node % 2 == 1:
        node = node // 2
    return wp.where(node > 0, node + 1, 0)


@wp.kernel
def split_at_median(
    centers: wp.array(dtype=wp.vec3),
    leaf_start: wp.array(dtype=int),
    leaves: int,
    order: wp.array(dtype=int),
) -> None:
    # Partitions a node's triangles, a contiguous range of `order`, at the median along the longest
    # side of the box round their centres; reorders the centres alike. `leaves` is the number of
    # leaves below each node. Hoare 1961, "Algorithm 65: find" (quickselect).
    node = wp.tid()
    start = leaf_start[leaves * node]
    end = leaf_start[leaves * (node + 1)]
    middle = leaf_start[leaves * node + leaves // 2]
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
def bound_leaves(bvh: Bvh) -> None:
    leaf = wp.tid()
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


@wp.kernel
def bound_level(level: int, boxes: wp.array(dtype=Box)) -> None:
    # Boxes of a level of `level` nodes, from those of their children.
    i = level + wp.tid()
    box = Box()
    box.low = wp.min(boxes[2 * i].low, boxes[2 * i + 1].low)
    box.high = wp.max(boxes[2 * i].high, boxes[2 * i + 1].high)
    boxes[i] = box

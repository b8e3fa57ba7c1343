"""The device code of trees over triangles: how they are built, and walked through.

`shapegan.pipeline.queries.bvh` says what they are; `shapegan.pipeline.queries` explains how
kernel files are written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

LANES = wp.constant(32)
"""Points that a processor's core walks through a tree with together. What is looked at for one is
looked at for all, and loops over them become vector instructions."""


@wp.struct
class Box:
    low: wp.vec3
    high: wp.vec3


@wp.struct
class Triangles:
    # Leaf k has the rows from `first[k]` to `first[k + 1]` of `corners`; `source` has whose they
    # are. Boxes are those of all nodes.
    leaves: int
    first: wp.array(dtype=int)
    source: wp.array(dtype=int)
    corners: wp.array2d(dtype=wp.vec3)
    boxes: wp.array(dtype=Box)


@wp.func
def smaller(a: float, b: float) -> float:
    # Which the compiler makes a vector instruction of, unlike of `wp.min`.
    return wp.where(a < b, a, b)


@wp.func
def larger(a: float, b: float) -> float:
    return wp.where(a > b, a, b)


@wp.func
def next_node(node: int) -> int:
    # Depth-first order without a stack: up while this was a right child, then to the right.
    while node % 2 == 1:
        node = node // 2
    return wp.where(node > 0, node + 1, 0)


@wp.kernel
def halve(
    centers: wp.array(dtype=wp.vec3),
    bounds: wp.array(dtype=int),
    leaves: int,
    order: wp.array(dtype=int),
) -> None:
    # A node of so many leaves, whose triangles are a stretch of `order`: puts those that are lower
    # along its longest side into its first half, with their centres. Hoare's quickselect.
    node = wp.tid()
    start = bounds[leaves * node]
    end = bounds[leaves * (node + 1)]
    middle = bounds[leaves * node + leaves // 2]
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
        # What is from b + 1 to a - 1 is the pivot.
        if middle <= b:
            right = b
        elif middle >= a:
            left = a
        else:
            left = right


@wp.kernel
def box_leaves(tree: Triangles) -> None:
    leaf = wp.tid()
    low = tree.corners[tree.first[leaf], 0]
    high = low
    for t in range(tree.first[leaf], tree.first[leaf + 1]):
        a = tree.corners[t, 0]
        b = tree.corners[t, 1]
        c = tree.corners[t, 2]
        low = wp.min(low, wp.min(a, wp.min(b, c)))
        high = wp.max(high, wp.max(a, wp.max(b, c)))
    box = Box()
    box.low = low
    box.high = high
    tree.boxes[tree.leaves + leaf] = box


@wp.kernel
def join_boxes(level: int, boxes: wp.array(dtype=Box)) -> None:
    # Those of a level, which has so many nodes.
    i = level + wp.tid()
    box = Box()
    box.low = wp.min(boxes[2 * i].low, boxes[2 * i + 1].low)
    box.high = wp.max(boxes[2 * i].high, boxes[2 * i + 1].high)
    boxes[i] = box

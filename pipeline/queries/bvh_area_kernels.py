"""Device code that splits the nodes of a BVH by the surface area heuristic, for one CPU thread.

See `shapegan.pipeline.queries.bvh`. `shapegan.pipeline.queries` explains how kernel files are
written.
"""

# mypy: ignore-errors
# ruff: noqa: C901, D101, D103, RUF046, UP018

import warp as wp

from shapegan.pipeline.queries.bvh_kernels import larger, smaller
from shapegan.pipeline.warp_runtime import start_warp

wp.set_module_options({"enable_backward": False})

start_warp()

BINS = wp.constant(16)
"""Places along each axis at which a node may be split, and one more."""

FAR_AWAY = wp.constant(1.0e18)
"""A coordinate beyond all others."""


Bounds = wp.types.vector(length=8, dtype=float)
"""A box: minus its low corner, a zero, its high corner, and a zero. The box round two boxes is
their maximum, a single vector instruction."""


@wp.struct
class Items:
    # Triangles while they are sorted: their boxes and indices, and room for as many.
    boxes: wp.array(dtype=Bounds)
    order: wp.array(dtype=int)
    spare_boxes: wp.array(dtype=Bounds)
    spare_order: wp.array(dtype=int)


@wp.struct
class Bins:
    # For each axis `BINS` bins: the box round the triangles in it, and their number; and the cost
    # of the triangles in it and the bins above.
    boxes: wp.array(dtype=Bounds)
    count: wp.array(dtype=int)
    above: wp.array(dtype=float)


@wp.struct
class Split:
    # Where to split a node: below bin `bin` of an axis, whose bins begin at `low` and have the size
    # 1 / `scale`. Without a place, `axis` is -1.
    axis: int
    bin: int
    low: float
    scale: float


@wp.func
def joined(a: Bounds, b: Bounds) -> Bounds:
    bounds = Bounds()
    for k in range(8):
        bounds[k] = larger(a[k], b[k])
    return bounds


@wp.func
def half_area(box: Bounds) -> float:
    x = box[4] + box[0]
    y = box[5] + box[1]
    z = box[6] + box[2]
    return x * y + y * z + z * x


@wp.func
def center_of(box: Bounds, axis: int) -> float:
    # Twice the centre.
    return box[4 + axis] - box[axis]


@wp.func
def bin_of(center: float, low: float, scale: float) -> int:
    return wp.clamp(int((center - low) * scale), 0, BINS - 1)


@wp.func
def box_of_centers(items: Items, start: int, end: int) -> Bounds:
    # The box round the centres of the triangles' boxes, from `start` to `end`, twice as large.
    around = Bounds(-FAR_AWAY)
    for i in range(start, end):
        box = items.boxes[i]
        for k in range(3):
            center = center_of(box, k)
            around[k] = larger(around[k], -center)
            around[4 + k] = larger(around[4 + k], center)
    return around


@wp.func
def best_split(items: Items, bins: Bins, start: int, end: int, fewest: int, most: int) -> Split:
    # The split of a node's triangles, from `start` to `end`, with the least sum over both sides of
    # area times triangles (MacDonald and Booth 1990, "Heuristics for ray tracing using space
    # subdivision"), at the borders of bins (Wald 2007, "On fast construction of SAH-based bounding
    # volume hierarchies"). From `fewest` to `most` triangles are before it.
    around = box_of_centers(items, start, end)
    # A few triangles need few bins.
    last = wp.min(BINS, end - start) - 1
    scale = wp.vec3()
    for k in range(3):
        if around[4 + k] > -around[k]:
            scale[k] = 0.9999 * float(last + 1) / (around[4 + k] + around[k])
    empty = Bounds(-FAR_AWAY)
    for k in range(3):
        for b in range(last + 1):
            bins.boxes[BINS * k + b] = empty
            bins.count[BINS * k + b] = 0
    for i in range(start, end):
        box = items.boxes[i]
        for k in range(3):
            b = BINS * k + bin_of(center_of(box, k), -around[k], scale[k])
            bins.boxes[b] = joined(bins.boxes[b], box)
            bins.count[b] = bins.count[b] + 1
    split = Split()
    split.axis = -1
    least = float(wp.inf)
    for axis in range(3):
        if scale[axis] > 0.0:
            side = empty
            count = int(0)
            for b in range(last):
                place = BINS * axis + last - b
                side = joined(side, bins.boxes[place])
                count += bins.count[place]
                bins.above[place] = half_area(side) * float(count)
            side = empty
            count = int(0)
            for b in range(1, last + 1):
                place = BINS * axis + b
                side = joined(side, bins.boxes[place - 1])
                count += bins.count[place - 1]
                cost = half_area(side) * float(count) + bins.above[place]
                if count >= fewest and count <= most and cost < least:
                    least = cost
                    split.axis = axis
                    split.bin = b
                    split.low = -around[axis]
                    split.scale = scale[axis]
    return split


@wp.func
def partition(items: Items, start: int, end: int, split: Split) -> int:
    # Moves the triangles below a split before the others, and returns where those start. Without
    # branches, which no processor could predict.
    axis = split.axis
    left = int(start)
    right = int(start)
    for i in range(start, end):
        box = items.boxes[i]
        index = items.order[i]
        below = wp.where(bin_of(center_of(box, axis), split.low, split.scale) < split.bin, 1, 0)
        items.boxes[left] = box
        items.order[left] = index
        items.spare_boxes[right] = box
        items.spare_order[right] = index
        left += below
        right += 1 - below
    for i in range(start, right):
        items.boxes[left + i - start] = items.spare_boxes[i]
        items.order[left + i - start] = items.spare_order[i]
    return left


@wp.func
def partition_at(items: Items, start: int, middle: int, end: int):
    # Partitions a node's triangles at a number of them, along the longest side of the box round
    # their centres. Hoare 1961, "Algorithm 65: find" (quickselect).
    around = box_of_centers(items, start, end)
    side = wp.vec3(around[4] + around[0], around[5] + around[1], around[6] + around[2])
    axis = int(0)
    if side[1] > side[0]:
        axis = 1
    if side[2] > side[axis]:
        axis = 2
    left = int(start)
    right = int(end - 1)
    while left < right:
        pivot = center_of(items.boxes[(left + right) // 2], axis)
        a = int(left)
        b = int(right)
        while a <= b:
            while center_of(items.boxes[a], axis) < pivot:
                a += 1
            while center_of(items.boxes[b], axis) > pivot:
                b -= 1
            if a <= b:
                moved = items.boxes[a]
                index = items.order[a]
                items.boxes[a] = items.boxes[b]
                items.order[a] = items.order[b]
                items.boxes[b] = moved
                items.order[b] = index
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
def bound_triangles(corners: wp.array2d(dtype=wp.vec3), items: Items) -> None:
    i = wp.tid()
    bounds = Bounds()
    for k in range(3):
        a = corners[i, 0][k]
        b = corners[i, 1][k]
        c = corners[i, 2][k]
        bounds[k] = -smaller(a, smaller(b, c))
        bounds[4 + k] = larger(a, larger(b, c))
    items.boxes[i] = bounds
    items.order[i] = i


@wp.kernel
def split_by_area(items: Items, bins: Bins, capacity: int, leaf_start: wp.array(dtype=int)) -> None:
    # Splits all nodes in one thread, depth first, so that each leaf gets from 1 to `capacity`
    # triangles. The first and last element of `leaf_start` are given; the others are found.
    first = int(0)
    leaves = leaf_start.shape[0] - 1
    size = int(leaves)
    while first < leaves:
        while size > 1:
            start = leaf_start[first]
            end = leaf_start[first + size]
            half = size // 2
            count = end - start
            fewest = wp.max(half, count - capacity * half)
            most = wp.min(count - half, capacity * half)
            split = best_split(items, bins, start, end, fewest, most)
            middle = start + count // 2
            if split.axis >= 0:
                middle = partition(items, start, end, split)
            else:
                partition_at(items, start, middle, end)
            leaf_start[first + half] = middle
            size = half
        # The next node begins where the last leaf ends; its size is the place's lowest bit.
        first += 1
        size = first & -first

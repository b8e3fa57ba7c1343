"""The device code of `shapegan.model.metrics.point_clouds`: Warp kernels on the CPU or CUDA.

`shapegan.pipeline.queries` explains the style of kernel files.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103, UP018, RUF046

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

# Nothing here is differentiated; adjoint code would treble the time to compile. Two kernels must
# agree on what is a candidate, to the last bit, so multiplications and additions are not fused.
wp.set_module_options({"enable_backward": False, "fuse_fp": False})

start_warp()


@wp.struct
class Table:
    # Of each cell of a cubic grid, for each cloud: the points that may be the nearest somewhere
    # in it. Those of cell c of cloud t: points[first[t * grid^3 + c]] up to the next one's.
    grid: int
    first: wp.array(dtype=int)
    points: wp.array(dtype=wp.vec3)


@wp.func
def row_of(table: Table, t: int, i: int, j: int, k: int) -> int:
    return ((t * table.grid + i) * table.grid + j) * table.grid + k


@wp.func
def may_be_nearest(p: wp.vec3, nearest: wp.vec3, center: wp.vec3, half: float) -> bool:
    # Whether p is closer than `nearest` to some point of the cube: the difference of their squared
    # distances is linear, so smallest at a corner.
    d = p - nearest
    at_center = wp.length_sq(p - center) - wp.length_sq(nearest - center)
    return at_center <= 2.0 * half * (wp.abs(d[0]) + wp.abs(d[1]) + wp.abs(d[2]))


@wp.func
def row_around(parent: Table, grid: int, t: int, c: int) -> int:
    # The row of a coarser table for the cell around cell c of a grid.
    ratio = grid / parent.grid
    return row_of(parent, t, c / (grid * grid) / ratio, (c / grid) % grid / ratio, c % grid / ratio)


@wp.func
def center_of(grid: int, c: int, low: wp.vec3, side: float) -> wp.vec3:
    cell = wp.vec3(float(c / (grid * grid)), float((c / grid) % grid), float(c % grid))
    return low + side * (cell + wp.vec3(0.5, 0.5, 0.5))


@wp.kernel
def count_candidates(
    parent: Table,
    grid: int,
    low: wp.vec3,
    side: float,
    nearest: wp.array2d(dtype=wp.vec3),
    counts: wp.array2d(dtype=int),
) -> None:
    # Of each cell: the point nearest to its centre, and how many candidates there are.
    # What is no candidate in the cell of the coarser table around it is none here.
    t, c = wp.tid()
    row = row_around(parent, grid, t, c)
    center = center_of(grid, c, low, side)
    best = float(wp.inf)
    found = wp.vec3()
    for place in range(parent.first[row], parent.first[row + 1]):
        p = parent.points[place]
        square = wp.length_sq(p - center)
        if square < best:
            best = square
            found = p
    count = int(0)
    for place in range(parent.first[row], parent.first[row + 1]):
        if may_be_nearest(parent.points[place], found, center, 0.5 * side):
            count += 1
    nearest[t, c] = found
    counts[t, c] = count


@wp.kernel
def list_candidates(
    parent: Table, nearest: wp.array2d(dtype=wp.vec3), low: wp.vec3, side: float, table: Table
) -> None:
    t, c = wp.tid()
    row = row_around(parent, table.grid, t, c)
    center = center_of(table.grid, c, low, side)
    place = table.first[t * table.grid * table.grid * table.grid + c]
    for source in range(parent.first[row], parent.first[row + 1]):
        p = parent.points[source]
        if may_be_nearest(p, nearest[t, c], center, 0.5 * side):
            table.points[place] = p
            place += 1


@wp.func
def cell_of(offset: float, side: float, grid: int) -> int:
    return wp.clamp(int(offset / side), 0, grid - 1)


@wp.kernel
def mean_squares(
    table: Table,
    low: wp.vec3,
    side: float,
    queries: wp.array2d(dtype=wp.vec3),
    means: wp.array2d(dtype=float),
) -> None:
    # The mean squared distance from the points of query cloud s to the nearest of cloud t.
    t, s = wp.tid()
    total = wp.float64(0.0)
    for q in range(queries.shape[1]):
        x = queries[s, q]
        offset = x - low
        i = cell_of(offset[0], side, table.grid)
        j = cell_of(offset[1], side, table.grid)
        k = cell_of(offset[2], side, table.grid)
        row = row_of(table, t, i, j, k)
        best = float(wp.inf)
        for place in range(table.first[row], table.first[row + 1]):
            best = wp.min(best, wp.length_sq(table.points[place] - x))
        total += wp.float64(best)
    means[s, t] = float(total / wp.float64(queries.shape[1]))

"""Device code of `shapegan.model.metrics.point_clouds`: Warp kernels on the CPU or CUDA.

`shapegan.pipeline.queries` explains the style of kernel files.
"""

# mypy: ignore-errors
# ruff: noqa: D101, D103, UP018, RUF046

import warp as wp

from shapegan.pipeline.warp_runtime import start_warp

# No gradients: adjoint code would triple the compile time. Two kernels must agree on the candidates
# to the last bit, so multiplications and additions are not fused.
wp.set_module_options({"enable_backward": False, "fuse_fp": False})

start_warp()


@wp.struct
class CandidateTable:
    # For each cell of a cubic grid and each cloud, the points that may be nearest to a point of the
    # cell. Those of cell c and cloud t start at points[first[t * grid^3 + c]] and end before those
    # of the next cell.
    grid: int
    first: wp.array(dtype=int)
    points: wp.array(dtype=wp.vec3)


@wp.func
def row_of(table: CandidateTable, t: int, i: int, j: int, k: int) -> int:
    return ((t * table.grid + i) * table.grid + j) * table.grid + k


@wp.func
def may_be_nearest(p: wp.vec3, nearest: wp.vec3, center: wp.vec3, half: float) -> bool:
    # True if p is closer than `nearest` to some point of the cube. The difference of their squared
    # distances is linear, so its minimum is at a corner.
    d = p - nearest
    at_center = wp.length_sq(p - center) - wp.length_sq(nearest - center)
    return at_center <= 2.0 * half * (wp.abs(d[0]) + wp.abs(d[1]) + wp.abs(d[2]))


@wp.func
def row_around(parent: CandidateTable, grid: int, t: int, c: int) -> int:
    # Row of a coarser table for the cell that contains cell c of a grid.
    ratio = grid / parent.grid
    return row_of(parent, t, c / (grid * grid) / ratio, (c / grid) % grid / ratio, c % grid / ratio)


@wp.func
def center_of(grid: int, c: int, low: wp.vec3, side: float) -> wp.vec3:
    cell = wp.vec3(float(c / (grid * grid)), float((c / grid) % grid), float(c % grid))
    return low + side * (cell + wp.vec3(0.5, 0.5, 0.5))


@wp.kernel
def count_candidates(
    parent: CandidateTable,
    grid: int,
    low: wp.vec3,
    side: float,
    nearest: wp.array2d(dtype=wp.vec3),
    counts: wp.array2d(dtype=int),
) -> None:
    # For each cell, the point nearest to its centre, and the number of candidates. Only candidates
    # of the containing cell of the coarser table can be candidates here.
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
    parent: CandidateTable,
    nearest: wp.array2d(dtype=wp.vec3),
    low: wp.vec3,
    side: float,
    table: CandidateTable,
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
    table: CandidateTable,
    low: wp.vec3,
    side: float,
    queries: wp.array2d(dtype=wp.vec3),
    means: wp.array2d(dtype=float),
) -> None:
    # Mean squared distance from the points of query cloud s to the nearest points of cloud t.
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

"""Point clouds of surfaces, and how far one is from another.

A cloud is (n, 3) float32, a set of clouds (S, n, 3). Distances between sets are matrices, which
`shapegan.model.metrics.set_metrics` makes scores of.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
import warp as wp
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from shapegan.model.metrics import point_cloud_kernels as kernels

Cloud = NDArray[np.float32]
"""(n, 3), or (S, n, 3) of a set."""

CLOUD = 2048
"""Points of a cloud in the literature's tables."""

_GRIDS = (1, 4, 8, 16, 32)
"""Cells along each axis of the tables of candidates, each made of the one before."""
_AT_ONCE = {"cpu": 4, "cuda": 64}
"""Clouds that tables are made of together: few stay in a CPU's cache, many fill a GPU."""


def sample_surface(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    count: int = CLOUD,
    seed: int = 0,
) -> Cloud:
    """Points drawn evenly by area from a triangle mesh.

    Args:
        vertices: (V, 3).
        faces: (F, 3) of some area.
        count: How many points, n.
        seed: The same seed gives the same points.

    Returns:
        (n, 3).

    Raises:
        ValueError: where there is no surface.
    """
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if len(faces) == 0 or not mesh.area > 0:
        raise ValueError("an empty mesh has no points: leave it out, and count it")
    points, _ = trimesh.sample.sample_surface(mesh, count, seed=seed)
    return np.asarray(points, dtype=np.float32)


def normalise(cloud: Cloud) -> Cloud:
    """A cloud (n, 3) centred and scaled to the ball of radius 0.5, where metrics compare shapes.

    Its bounding box's middle goes to 0 and its farthest point to radius 0.5, as in the code of
    Kleineberg et al. 2020; a cloud of points all in one place stays in the middle. Position and
    size are lost, so they don't count. Other papers scale all shapes of a dataset alike: compare
    numbers only with those of the same normalisation.
    """
    centred = cloud - (cloud.min(axis=0) + cloud.max(axis=0)) / 2
    radius = np.linalg.norm(centred, axis=1).max()
    return centred if radius == 0 else np.asarray(0.5 / radius * centred, dtype=np.float32)


def chamfer_matrix(
    first: Cloud, second: Cloud, device: str = "cpu", workers: int = 1
) -> NDArray[np.float64]:
    """Chamfer distances of all pairs of clouds of two sets.

    The mean squared distance from a point to the nearest of the other cloud, both ways added: as
    the code of Yang et al. 2019 (PointFlow) has it; the papers' sums, over the number of points.
    Exact but for rounding. A point looks only at those points that may be the nearest in its cell
    of a grid, so a pair of clouds of 2,048 takes some 0.3 ms of one CPU core, and each cloud
    30 ms once: 1,000 by 1,000 some 5 minutes.

    Args:
        first: (S, n, 3).
        second: (R, m, 3).
        device: One of Warp's, such as `cuda:0`.
        workers: Threads on the CPU; the distances are the same with any number.

    Returns:
        (S, R), in squared units of the clouds.

    Raises:
        ValueError: where a set is no (S, n, 3) of finite numbers.
    """
    same = first is second
    first, second = _checked(first), _checked(second)
    box = _Box.around(first, second)
    there = _directed(first, second, box, device, workers)
    back = there if same else _directed(second, first, box, device, workers)
    return there + back.T


def earth_movers_matrix(
    first: Cloud, second: Cloud, points: int | None = 512, workers: int = 1
) -> NDArray[np.float64]:
    """Earth mover's distances of all pairs of clouds of two sets.

    The mean distance, not squared, of points to their partners in the one-to-one assignment that
    makes it smallest: Achlioptas et al. 2018 and Yang et al. 2019, over the number of points. The
    assignment is optimal (Crouse 2016, `linear_sum_assignment`), not an approximation. Its time
    grows with the cube of the points: some 10 ms a pair for 256, 70 ms for 512 and seconds for
    2,048. So it is taken of the first `points` of each cloud, which lie as evenly as all of them.
    That makes it larger, as fewer points match less closely: compare numbers only where `points`
    was the same.

    Args:
        first: (S, n, 3), points in random order.
        second: (R, n, 3), same.
        points: How many of each cloud to take; None for all.
        workers: Threads.

    Returns:
        (S, R), in units of the clouds.

    Raises:
        ValueError: where a set is no (S, n, 3) of finite numbers, or they have not as many points.
    """
    same = first is second
    first, second = _checked(first)[:, :points], _checked(second)[:, :points]
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"expected clouds of as many points, got {first.shape} and {second.shape}")
    result = np.zeros((len(first), len(second)))
    pairs = [(i, j) for i, j in np.ndindex(result.shape) if not same or i < j]

    def fill(pair: tuple[int, int]) -> None:
        distances = cdist(first[pair[0]], second[pair[1]])
        result[pair] = distances[linear_sum_assignment(distances)].mean()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, pairs))
    return result + result.T if same else result


def _checked(clouds: Cloud) -> Cloud:
    clouds = np.ascontiguousarray(clouds, dtype=np.float32)
    if clouds.ndim != 3 or clouds.shape[2] != 3 or 0 in clouds.shape:
        raise ValueError(f"expected clouds (S, n, 3), got {clouds.shape}")
    if not np.isfinite(clouds).all():
        raise ValueError("expected clouds of finite numbers, got others")
    return clouds


# --- nearest points ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Box:
    """A cube around all points, divided into cells."""

    low: Any
    """Lower corner, a vec3."""
    side: float

    @classmethod
    def around(cls, *sets: Cloud) -> "_Box":
        low = np.min([clouds.min(axis=(0, 1)) for clouds in sets], axis=0)
        high = np.max([clouds.max(axis=(0, 1)) for clouds in sets], axis=0)
        # A little more, so that no rounding puts a point outside.
        return cls(wp.vec3(*low), float((high - low).max()) * (1 + 1e-5) + 1e-30)


def _directed(
    queries: Cloud, clouds: Cloud, box: _Box, device: str, workers: int
) -> NDArray[np.float64]:
    """Mean squared distance from each query cloud's points to each cloud: (S, R)."""
    on_cuda = device.startswith("cuda")
    at_once = _AT_ONCE["cuda" if on_cuda else "cpu"]
    asking = _to_device(_in_order(queries, box), device)
    result = np.empty((len(queries), len(clouds)))

    def fill(start: int) -> None:
        some = clouds[start : start + at_once]
        table = _table(_in_order(some, box), box, device)
        means = wp.zeros((len(queries), len(some)), dtype=float, device=device)
        inputs = [table, box.low, box.side / table.grid, asking]
        wp.launch(kernels.mean_squares, (len(some), len(queries)), inputs, [means], device=device)
        result[:, start : start + at_once] = means.numpy()

    # Loads the kernels, which threads must not do at the same time.
    fill(0)
    with ThreadPoolExecutor(1 if on_cuda else workers) as pool:
        list(pool.map(fill, range(at_once, len(clouds), at_once)))
    return result


def _table(clouds: Cloud, box: _Box, device: str) -> Any:
    """The candidates of each cell of the finest grid, of each cloud: a `Table`."""
    # In the only cell of the coarsest grid, all points are candidates.
    table = _new_table(_GRIDS[0], np.full(len(clouds), clouds.shape[1]), device)
    table.points = _to_device(clouds.reshape(-1, 3), device)
    for grid in _GRIDS[1:]:
        cells, side = (len(clouds), grid**3), box.side / grid
        nearest = wp.zeros(cells, dtype=wp.vec3, device=device)
        counts = wp.zeros(cells, dtype=int, device=device)
        inputs = [table, grid, box.low, side]
        wp.launch(kernels.count_candidates, cells, inputs, [nearest, counts], device=device)
        finer = _new_table(grid, counts.numpy().ravel(), device)
        inputs = [table, nearest, box.low, side, finer]
        wp.launch(kernels.list_candidates, cells, inputs, device=device)
        table = finer
    return table


def _new_table(grid: int, counts: NDArray[np.integer], device: str) -> Any:
    """A `Table` with room for so many candidates in each cell of each cloud, (clouds * grid^3,)."""
    first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    if first[-1] > np.iinfo(np.int32).max:
        raise ValueError("expected clouds that lie apart: too many points are equally near")
    table: Any = kernels.Table()
    table.grid = grid
    table.first = wp.array(first.astype(np.int32), dtype=int, device=device)
    table.points = wp.empty(int(first[-1]), dtype=wp.vec3, device=device)
    return table


def _in_order(clouds: Cloud, box: _Box) -> Cloud:
    """Clouds with their points cell by cell, so that what is asked for in turn lies together."""
    cell = ((clouds - np.array(box.low)) * (_GRIDS[-1] / box.side)).astype(np.int64)
    order = np.argsort(cell @ [_GRIDS[-1] ** 2, _GRIDS[-1], 1], axis=1, kind="stable")
    return np.take_along_axis(clouds, order[:, :, None], axis=1)


def _to_device(points: Cloud, device: str) -> Any:
    return wp.array(points, dtype=wp.vec3, device=device)

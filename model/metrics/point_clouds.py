"""Point clouds of surfaces, and distances between them.

A cloud is (n, 3) float32, a set of clouds (S, n, 3). Distances between two sets are matrices, from
which `shapegan.model.metrics.set_metrics` computes scores.
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
from shapegan.model.shapes.mesh import fit_to_ball

Cloud = NDArray[np.float32]
"""(n, 3), or (S, n, 3) for a set."""

CLOUD_POINTS = 2048
"""Points of a cloud in the tables of the literature."""

_GRIDS = (1, 4, 8, 16, 32)
"""Cells along each axis of the candidate tables; each table is refined from the one before."""
_AT_ONCE = {"cpu": 4, "cuda": 64}
"""Clouds whose tables are built together: few fit into a CPU's cache, many occupy a GPU."""


def sample_surface(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    count: int = CLOUD_POINTS,
    seed: int = 0,
) -> Cloud:
    """Sample points uniformly by area from a triangle mesh.

    Args:
        vertices: (V, 3).
        faces: (F, 3), with a positive total area.
        count: n, number of points.
        seed: Equal seeds give equal points.

    Returns:
        (n, 3) float32.

    Raises:
        ValueError: if the mesh has no area.
    """
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if len(faces) == 0 or not mesh.area > 0:
        raise ValueError("an empty mesh has no points: leave it out, and count it")
    points, _ = trimesh.sample.sample_surface(mesh, count, seed=seed)
    return np.asarray(points, dtype=np.float32)


def normalise(cloud: Cloud) -> Cloud:
    """Centre a cloud (n, 3) and scale it to the ball of radius 0.5, as metrics require.

    The centre of the bounding box goes to 0 and the farthest point to radius 0.5, as in the code of
    Kleineberg et al. 2020; a cloud of coincident points goes to 0. Position and size are lost, so
    they do not count. Other papers scale all shapes of a dataset alike: compare numbers only with
    those of the same normalisation.
    """
    return np.asarray(fit_to_ball(cloud, 0.5), dtype=np.float32)


def chamfer_matrix(
    first: Cloud, second: Cloud, device: str = "cpu", workers: int = 1
) -> NDArray[np.float64]:
    """Chamfer distances of all pairs of clouds from two sets.

    CD(X, Y) = mean_x min_y |x - y|^2 + mean_y min_x |x - y|^2, as in the code of Yang et al. 2019
    (PointFlow): the sums of the papers, divided by the number of points. Exact up to rounding.
    Each point is compared only with the points that may be nearest within its cell of a grid, so a
    pair of clouds of 2,048 points takes about 0.3 ms of one CPU core, after 30 ms once per cloud:
    about 5 minutes for 1,000 by 1,000 clouds.

    Args:
        first: (S, n, 3).
        second: (R, m, 3).
        device: Warp device, such as `cuda:0`.
        workers: Threads on the CPU; the result does not depend on their number.

    Returns:
        (S, R), in squared units of the clouds.

    Raises:
        ValueError: if a set is not (S, n, 3) of finite numbers.
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
    """Earth mover's distances of all pairs of clouds from two sets.

    EMD(X, Y) = min_phi mean_x |x - phi(x)| over all bijections phi from X to Y: as in Achlioptas et
    al. 2018 and Yang et al. 2019, divided by the number of points. The assignment is optimal
    (Crouse 2016, `linear_sum_assignment`), not an approximation. Its time grows with the cube of
    the number of points: about 10 ms a pair for 256, 70 ms for 512 and seconds for 2,048. So only
    the first `points` of each cloud are used, which are as evenly distributed as all of them.
    Fewer points match less closely, which makes the distance larger: compare numbers only if
    `points` was the same.

    Args:
        first: (S, n, 3), points in random order.
        second: (R, n, 3), likewise.
        points: Points of each cloud to use; None for all.
        workers: Threads.

    Returns:
        (S, R), in units of the clouds.

    Raises:
        ValueError: if a set is not (S, n, 3) of finite numbers, or the clouds differ in size.
    """
    same = first is second
    first, second = _checked(first)[:, :points], _checked(second)[:, :points]
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"expected clouds of equal size, got {first.shape} and {second.shape}")
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
        raise ValueError("expected clouds of finite numbers, got NaN or infinity")
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
        # Slightly larger, so that rounding puts no point outside.
        return cls(wp.vec3(*low), float((high - low).max()) * (1 + 1e-5) + 1e-30)


def _directed(
    queries: Cloud, clouds: Cloud, box: _Box, device: str, workers: int
) -> NDArray[np.float64]:
    """Mean squared distances (S, R) from the points of each query cloud to each cloud."""
    on_cuda = device.startswith("cuda")
    at_once = _AT_ONCE["cuda" if on_cuda else "cpu"]
    sorted_queries = _to_device(_sort_by_cell(queries, box), device)
    result = np.empty((len(queries), len(clouds)))

    def fill(start: int) -> None:
        batch = clouds[start : start + at_once]
        table = _candidate_table(_sort_by_cell(batch, box), box, device)
        means = wp.zeros((len(queries), len(batch)), dtype=float, device=device)
        inputs = [table, box.low, box.side / table.grid, sorted_queries]
        wp.launch(kernels.mean_squares, (len(batch), len(queries)), inputs, [means], device=device)
        result[:, start : start + at_once] = means.numpy()

    # The first call loads the kernels, and threads must not load them concurrently.
    fill(0)
    with ThreadPoolExecutor(1 if on_cuda else workers) as pool:
        list(pool.map(fill, range(at_once, len(clouds), at_once)))
    return result


def _candidate_table(clouds: Cloud, box: _Box, device: str) -> Any:
    """Candidates of each cloud in each cell of the finest grid: a `CandidateTable`."""
    # All points are candidates in the only cell of the coarsest grid.
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
    """Table with room for `counts` (clouds * grid^3,) candidates in each cell of each cloud."""
    first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    if first[-1] > np.iinfo(np.int32).max:
        raise ValueError("expected clouds of distinct points: too many are equally near")
    table: Any = kernels.CandidateTable()
    table.grid = grid
    table.first = wp.array(first.astype(np.int32), dtype=int, device=device)
    table.points = wp.empty(int(first[-1]), dtype=wp.vec3, device=device)
    return table


def _sort_by_cell(clouds: Cloud, box: _Box) -> Cloud:
    """Sort the points of each cloud by cell, so that successive queries read adjacent memory."""
    cell = ((clouds - np.array(box.low)) * (_GRIDS[-1] / box.side)).astype(np.int64)
    order = np.argsort(cell @ [_GRIDS[-1] ** 2, _GRIDS[-1], 1], axis=1, kind="stable")
    return np.take_along_axis(clouds, order[:, :, None], axis=1)


def _to_device(points: Cloud, device: str) -> Any:
    return wp.array(points, dtype=wp.vec3, device=device)

"""Scores of a set of generated shapes against a set of real ones.

All but `jensen_shannon_divergence` are pure functions of distance matrices, whatever the distance:
`shapegan.model.metrics.point_clouds` has chamfer and earth mover's distances of point clouds.

distances[s, r] is from generated shape s to real shape r; the order matters for coverage and MMD.
Sets should be of equal size, as in the papers: coverage cannot exceed the ratio of generated to
real shapes. 1-NNA makes the sets equal by itself. An empty shape has no distance to others: leave
it out, and report how many there were.

Coverage (COV), minimum matching distance (MMD) and Jensen-Shannon divergence (JSD): Achlioptas et
al. 2018, "Learning representations and generative models for 3D point clouds", in the section on
evaluation metrics. 1-nearest-neighbour accuracy (1-NNA): Yang et al. 2019, "PointFlow", likewise.
"""

import numpy as np
from numpy.typing import NDArray

JSD_RESOLUTION = 28
"""Grid points along each axis for `jensen_shannon_divergence`, as in Achlioptas et al."""

Distances = NDArray[np.floating]


def coverage(distances: Distances) -> float:
    """Share of real shapes that are the nearest one of some generated shape; 1 is best.

    COV = |{argmin_r d(s, r) : s}| / R. Low coverage means missing modes; bad generated shapes do
    not lower it.

    Args:
        distances: (S, R), from generated to real shapes.

    Raises:
        ValueError: if that is not a matrix of finite numbers.
    """
    _check(distances)
    return float(len(np.unique(distances.argmin(axis=1))) / distances.shape[1])


def minimum_matching_distance(distances: Distances) -> float:
    """Mean distance from a real shape to the nearest generated one; 0 is best.

    MMD = 1/R sum_r min_s d(s, r).

    Args:
        distances: (S, R), from generated to real shapes.

    Raises:
        ValueError: if that is not a matrix of finite numbers.
    """
    _check(distances)
    return float(distances.min(axis=0).mean())


def one_nearest_neighbour_accuracy(
    generated: Distances, across: Distances, real: Distances, empty: int = 0
) -> float:
    """Share of shapes whose nearest neighbour in both sets is of their own set; 0.5 is best.

    The accuracy of a leave-one-out nearest-neighbour classifier of generated against real shapes
    (Lopez-Paz and Oquab 2017; the formula of 1-NNA in Yang et al. 2019). Towards 1, the two sets
    lie apart. Towards 0, each shape is beside a copy from the other set, as when an overfitted
    generator is compared with training shapes.

    Sets of different sizes would favour the larger one: real shapes against 3 times as many others
    of the same kind would score 0.625. So the larger set is replaced by a random subset as large as
    the smaller set, and the result is the exact mean over all such subsets.

    Args:
        generated: (S, S), among generated shapes.
        across: (S, R), from generated to real shapes.
        real: (R, R), among real shapes.
        empty: Number of further generated shapes, which are empty. The classifier always recognises
            them, because no real shape is empty.

    Raises:
        ValueError: if the matrices do not fit together, or hold NaN or infinity.
    """
    for distances in (generated, across, real):
        _check(distances)
    if generated.shape != (len(across),) * 2 or real.shape != (across.shape[1],) * 2:
        raise ValueError(
            f"expected (S, S), (S, R) and (R, R), got {generated.shape}, {across.shape} and"
            f" {real.shape}"
        )
    all_generated, all_real = len(across) + empty, across.shape[1]
    drawn = min(all_generated, all_real)
    known = _recognised(generated, across, (all_generated, all_real), drawn, ties=True)
    known_real = _recognised(real, across.T, (all_real, all_generated), drawn, ties=False)
    return float(((known.sum() + empty) / all_generated + known_real.mean()) / 2)


def _recognised(
    own: Distances, across: Distances, counts: tuple[int, int], drawn: int, *, ties: bool
) -> NDArray[np.float64]:
    """Probability that the nearest neighbour of a shape is of its own set: (S,).

    One of the two sets is drawn from at random, without replacement.

    Args:
        own: (S, S), within the set.
        across: (S, R), to the other set.
        counts: Sizes of the set and the other set, empty shapes included.
        drawn: Shapes that are drawn from either set.
        ties: True if a shape of its own set wins a tie.
    """
    closer = np.less_equal if ties else np.less
    others = ~np.eye(len(own), dtype=bool)
    if counts[0] > drawn:
        # A shape is recognised if one of the drawn shapes is nearer than all of the other set.
        nearest = across.min(axis=1, keepdims=True)
        rivals = (closer(own, nearest) & others).sum(axis=1)
        missed: NDArray[np.float64] = _none_drawn(counts[0] - 1, drawn - 1)[rivals]
        return 1 - missed
    # A shape is recognised if none of the drawn others is nearer than its nearest of its own set.
    nearest = np.where(others, own, np.inf).min(axis=1, keepdims=True)
    rivals = (~closer(nearest, across)).sum(axis=1)
    recognised: NDArray[np.float64] = _none_drawn(counts[1], drawn)[rivals]
    return recognised


def _none_drawn(count: int, drawn: int) -> NDArray[np.float64]:
    """Probability that k given of `count` things are not among `drawn`, for k = 0 to `count`."""
    left = np.arange(count, 0, -1, dtype=np.float64)
    return np.concatenate([[1.0], np.cumprod(np.maximum(left - drawn, 0) / left)])


def jensen_shannon_divergence(
    generated: NDArray[np.floating],
    real: NDArray[np.floating],
    resolution: int = JSD_RESOLUTION,
) -> float:
    """Divergence of the distributions of all points of two sets, in bits; 0 is best, 1 worst.

    JSD = H((P + Q) / 2) - (H(P) + H(Q)) / 2, where P and Q are the shares of points at each point
    of a grid over [-0.5, 0.5]^3, every point of a cloud counted at the nearest one. It does not see
    single shapes: a set of mean shapes scores well.

    Args:
        generated: (S, n, 3), normalised by `shapegan.model.metrics.point_clouds.normalise`.
        real: (R, m, 3), likewise.
        resolution: Grid points along each axis.

    Raises:
        ValueError: if a point lies outside the cube, or there are none.
    """
    first, second = _occupancy(generated, resolution), _occupancy(real, resolution)
    middle = (first + second) / 2
    return float(_entropy(middle) - (_entropy(first) + _entropy(second)) / 2)


def _occupancy(clouds: NDArray[np.floating], resolution: int) -> NDArray[np.float64]:
    """Share of all points at each grid point: (resolution^3,)."""
    points = np.asarray(clouds, dtype=np.float64).reshape(-1, 3)
    if len(points) == 0 or not np.abs(points).max() <= 0.5 + 1e-5:
        raise ValueError("expected points in [-0.5, 0.5]^3, got others: normalise clouds first")
    cells = np.rint((points + 0.5) * (resolution - 1)).astype(np.int64)
    flat = cells.clip(0, resolution - 1) @ [resolution**2, resolution, 1]
    return np.bincount(flat, minlength=resolution**3) / len(points)


def _entropy(shares: NDArray[np.float64]) -> float:
    """Entropy of shares that sum to 1, in bits."""
    positive = shares[shares > 0]
    return -float((positive * np.log2(positive)).sum())


def _check(distances: Distances) -> None:
    if distances.ndim != 2 or 0 in distances.shape:
        raise ValueError(f"distances: expected a matrix, got {distances.shape}")
    if not np.isfinite(distances).all():
        raise ValueError("distances: expected finite numbers, got NaN or infinity")

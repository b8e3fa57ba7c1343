"""All scores of a set of generated shapes against a set of real ones.

docs/evaluation.md defines the scores, also for empty shapes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from shapegan.model.metrics import set_metrics
from shapegan.model.metrics.point_clouds import (
    CLOUD_POINTS,
    Cloud,
    chamfer_matrix,
    earth_movers_matrix,
    normalise,
    sample_surface,
)
from shapegan.model.shapes.mesh import Mesh

Distances = NDArray[np.float64]


@dataclass(frozen=True)
class DistanceScores:
    """Scores by one distance between point clouds."""

    coverage: float
    """Share of real shapes that are the nearest one of some generated shape."""
    mmd: float | None
    """Minimum matching distance; None if every generated shape is empty."""
    one_nna: float
    """Accuracy of the 1-nearest-neighbour classifier on sets of equal size."""


@dataclass(frozen=True)
class MeshValidity:
    """Scores of meshes by themselves; all shares are of all shapes, the empty ones included."""

    shapes: int
    filled: float
    """Share that is not empty."""
    watertight: float
    single_component: float
    """Share that is one connected component, cavities left out."""
    largest_component: float
    """Mean share of the largest component in the volume of a shape; 0 for empty shapes."""


@dataclass(frozen=True)
class Scores:
    """Scores of a set of shapes against real ones."""

    chamfer: DistanceScores
    """By chamfer distance (CD)."""
    emd: DistanceScores | None
    """By earth mover's distance (EMD); None if it was left out."""
    jsd: float | None
    """Jensen-Shannon divergence, bits; None if every generated shape is empty."""


class Reference:
    """Real shapes, with the distances among them, for any number of comparisons.

    Args:
        clouds: (R, n, 3), normalised, R > 1.
        emd_points: Points of each cloud for the earth mover's distance; 0 leaves it out.
        workers: Threads that compute distances.
        device: Warp device of the chamfer distances, such as `cuda:0`.
    """

    def __init__(
        self, clouds: Cloud, emd_points: int = 0, workers: int = 1, device: str = "cpu"
    ) -> None:
        self.clouds = clouds
        self._points, self._workers, self._device = emd_points, workers, device
        self._chamfer = self._chamfers(clouds, clouds)
        self._emd = self._earth_movers(clouds, clouds) if emd_points else None

    def scores(self, clouds: Cloud, empty: int = 0, *, emd: bool = True) -> Scores:
        """Compare generated shapes with the real ones.

        Args:
            clouds: (S, n, 3), normalised; S may be 0.
            empty: Number of further generated shapes, which have no surface.
            emd: Whether to compute the earth mover's distance, unless `emd_points` is 0.
        """
        real_emd = self._emd if emd else None
        if len(clouds) == 0:
            worst = DistanceScores(0.0, None, 1.0)
            return Scores(worst, None if real_emd is None else worst, None)
        by_emd = None
        if real_emd is not None:
            within, across = (self._earth_movers(clouds, b) for b in (clouds, self.clouds))
            by_emd = distance_scores(within, across, real_emd, empty)
        within, across = (self._chamfers(clouds, b) for b in (clouds, self.clouds))
        return Scores(
            distance_scores(within, across, self._chamfer, empty),
            by_emd,
            set_metrics.jensen_shannon_divergence(clouds, self.clouds),
        )

    def _chamfers(self, first: Cloud, second: Cloud) -> Distances:
        return chamfer_matrix(first, second, self._device, self._workers)

    def _earth_movers(self, first: Cloud, second: Cloud) -> Distances:
        return earth_movers_matrix(first, second, self._points, self._workers)


def distance_scores(
    within: Distances, across: Distances, real: Distances, empty: int = 0
) -> DistanceScores:
    """Coverage, MMD and 1-NNA from distance matrices, with empty shapes accounted for.

    An empty shape has no neighbours: it covers no real shape, and the classifier always recognises
    it as generated, because no real shape is empty.

    Args:
        within: (S, S), among generated shapes, S > 0.
        across: (S, R), from generated to real shapes.
        real: (R, R), among real shapes.
        empty: Number of further generated shapes, which are empty.

    Raises:
        ValueError: if the matrices do not fit together, or hold NaN or infinity.
    """
    return DistanceScores(
        set_metrics.coverage(across),
        set_metrics.minimum_matching_distance(across),
        set_metrics.one_nearest_neighbour_accuracy(within, across, real, empty),
    )


def sample_clouds(meshes: Sequence[Mesh], seed: int, points: int = CLOUD_POINTS) -> Cloud:
    """Sample a normalised cloud of each mesh that is not empty.

    Args:
        meshes: Of any size and place.
        seed: Of the set. Two sets of the same meshes need different seeds, or their clouds agree.
        points: Points of each cloud.

    Returns:
        (S, points, 3), S the number of meshes with faces, which may be 0.
    """
    seeds = np.random.SeedSequence((2, seed)).generate_state(max(1, len(meshes)))
    clouds = [
        normalise(sample_surface(mesh.vertices, mesh.faces, points, int(number)))
        for mesh, number in zip(meshes, seeds, strict=False)
        if len(mesh.faces)
    ]
    return np.stack(clouds) if clouds else np.zeros((0, points, 3), np.float32)


def mesh_validity(meshes: Sequence[Mesh]) -> MeshValidity:
    """Shares of the meshes, at least one, that are filled, watertight and connected."""
    filled = [mesh for mesh in meshes if len(mesh.faces)]
    volumes = [component_volumes(mesh.vertices, mesh.faces) for mesh in filled]
    return MeshValidity(
        len(meshes),
        len(filled) / len(meshes),
        sum(is_watertight(mesh.faces) for mesh in filled) / len(meshes),
        sum(count_solids(each) == 1 for each in volumes) / len(meshes),
        sum(largest_component_share(each) for each in volumes) / len(meshes),
    )


def is_watertight(faces: NDArray[np.integer]) -> bool:
    """True if faces (F, 3) are closed and consistently wound: each edge occurs once each way."""
    starts = faces.astype(np.int64).ravel()
    ends = np.roll(faces, -1, axis=1).astype(np.int64).ravel()
    size = int(faces.max(initial=0)) + 1
    # One number for each directed edge.
    forward, backward = np.sort(starts * size + ends), np.sort(ends * size + starts)
    once = bool((np.diff(forward) > 0).all())
    return len(faces) > 0 and np.array_equal(forward, backward) and once


def count_solids(volumes: NDArray[np.float64]) -> int:
    """Number of a mesh's components that are no cavities, by `component_volumes` (C,)."""
    return int((volumes > 0).sum())


def largest_component_share(volumes: NDArray[np.float64]) -> float:
    """Share of the largest component in the volume of a mesh, cavities left out, 0 to 1.

    Args:
        volumes: (C,), by `component_volumes`.
    """
    solids = volumes.clip(min=0)
    total = float(solids.sum())
    return float(solids.max()) / total if total > 0 else 0.0


def component_volumes(
    vertices: NDArray[np.floating], faces: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Volumes of the connected components of a mesh, whose faces are joined along edges: (C,).

    They are sums of signed tetrahedra, outwards positive. The surface of a closed cavity has a
    negative volume, and an open piece may have one.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
    """
    corners = vertices.astype(np.float64)[faces]
    tetrahedra = np.linalg.det(corners) / 6 if len(faces) else np.zeros(0)
    return np.bincount(_components(faces), weights=tetrahedra).astype(np.float64)


def _components(faces: NDArray[np.integer]) -> NDArray[np.integer]:
    """Number of the component of each face (F, 3): (F,)."""
    used, numbers = np.unique(faces, return_inverse=True)
    first, second, third = numbers.reshape(-1, 3).T
    ends = np.concatenate([first, second]), np.concatenate([second, third])
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(len(used),) * 2)
    labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    of_faces: NDArray[np.int32] = labels[first]
    return of_faces

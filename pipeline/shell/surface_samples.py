"""Points spread over faces, at which a mesh is looked at from."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.arrays import centroids, lengths, longest_sides

EXTRA_SAMPLES = 12_000
"""Samples spread over the faces by area, on top of one for each."""

OFFSET = 2e-4
"""How far from its face a sample's ray or winding number starts, cube frame."""

CLUSTER_ABOVE = 30_000
"""Meshes of more faces than this are sampled by clusters of faces: else the finest tessellation
would take the most time."""

CLUSTER_SIZE = 0.02
"""Cells of the grid that clusters are made by, cube frame; less than a voxel of 64^3."""


@dataclass(frozen=True)
class SurfaceSamples:
    """Points on the faces of a mesh, at least one for each."""

    face: NDArray[np.int64]
    """(S,), ascending."""
    position: NDArray[np.float32]
    """(S, 3)."""
    normal: NDArray[np.float32]
    """(S, 3), unit length, by the face's winding."""
    area: NDArray[np.float64]
    """(S,), the piece of the face that a sample stands for."""


def sample_faces(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], extra: int = EXTRA_SAMPLES
) -> SurfaceSamples:
    """Spreads points over faces: one on each, and `extra` more by area.

    The first lies at the centroid, the others follow Roberts' low-discrepancy R2 sequence.
    """
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = lengths(cross)
    share = double / max(double.sum(), np.finfo(float).tiny)
    count = 1 + np.rint(share * extra).astype(np.int64)
    face = np.repeat(np.arange(len(faces)), count)
    rank = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    u, v = (1 / 3 + rank * 0.7548776662) % 1.0, (1 / 3 + rank * 0.5698402910) % 1.0
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u)[:, None], np.where(fold, 1 - v, v)[:, None]
    a, b, c = (corners[face, k] for k in range(3))
    position = a + u * (b - a) + v * (c - a)
    normal = cross / np.maximum(double, np.finfo(float).tiny)[:, None]
    return SurfaceSamples(
        face,
        position.astype(np.float32),
        normal[face].astype(np.float32),
        (double / 2 / count)[face],
    )


def cluster(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], patch: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Puts small faces of one patch together that lie in one place and look one way.

    Returns:
        (F,), the number of each face's cluster, below F; of few faces, each is its own.
    """
    if len(faces) <= CLUSTER_ABOVE:
        return np.arange(len(faces))
    corners = vertices[faces]
    size = longest_sides(corners)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normal).argmax(axis=1)
    way = 2 * axis + (normal[np.arange(len(faces)), axis] > 0)
    x, y, z = ((centroids(corners) + 1) / CLUSTER_SIZE).astype(np.int64).clip(0, 127).T
    key = (((patch.astype(np.int64) * 6 + way) << 21) | (x << 14) | (y << 7) | z) + len(faces)
    key = np.where(size < CLUSTER_SIZE, key, np.arange(len(faces)))
    return np.unique(key, return_inverse=True)[1]


def sample_clusters(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], clusters: NDArray[np.int64]
) -> SurfaceSamples:
    """Spreads points over one face of each cluster (F,): they stand for all of its area."""
    _, first = np.unique(clusters, return_index=True)
    samples = sample_faces(vertices, faces[first])
    if len(first) == len(faces):
        return samples
    area = face_areas(vertices, faces)
    whole = np.bincount(clusters, area)[clusters[first]]
    share = whole / np.maximum(area[first], np.finfo(float).tiny)
    return replace(samples, face=first[samples.face], area=samples.area * share[samples.face])


def face_areas(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Areas (F,) of triangles."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    areas: NDArray[np.float64] = lengths(np.cross(b - a, c - a)) / 2
    return areas


def spread(samples: SurfaceSamples, keep: NDArray[np.bool_], count: int = 8192) -> NDArray[np.intp]:
    """Picks about `count` of the samples that `keep` marks, evenly by area."""
    chosen = np.flatnonzero(keep)
    if len(chosen) == 0:
        return chosen
    running = np.cumsum(samples.area[chosen])
    targets = (np.arange(count) + 0.5) / count * running[-1]
    return np.unique(chosen[np.searchsorted(running, targets)])
